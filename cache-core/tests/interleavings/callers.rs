//! Callers of one load race each other and the end of the load.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use cache_core::LoadError;
use shuttle::thread;

use crate::shuttle_runtime::{
    ShuttleCache, ShuttleRuntime, Value, check_loads, check_requests, explore, one_of, yields,
};

/// A caller for key 1 that owns its handles.
async fn get(runtime: ShuttleRuntime, cache: ShuttleCache, polls: u32) -> Value {
    cache.get_with(1, || runtime.load(1, polls)).await
}

/// A caller that is cancelled after `polls` polls.
fn cancelled(runtime: &ShuttleRuntime, cache: &ShuttleCache, polls: u32) -> thread::JoinHandle<()> {
    let (runtime, cache) = (runtime.clone(), cache.clone());
    thread::spawn(move || {
        let mut call = runtime.call(get(runtime.clone(), cache, 2));
        for _ in 0..polls {
            if call.poll().is_ready() {
                return;
            }
        }
    })
}

/// A caller that is not cancelled.
fn patient(runtime: &ShuttleRuntime, cache: &ShuttleCache) -> thread::JoinHandle<Value> {
    let (runtime, cache) = (runtime.clone(), cache.clone());
    thread::spawn(move || runtime.block_on(get(runtime.clone(), cache, 2)))
}

#[test]
fn two_callers_race_an_abort() {
    explore(|runtime| {
        let cache = runtime.cache();
        let aborted = cancelled(runtime, &cache, 1 + one_of(3));
        let callers = [patient(runtime, &cache), patient(runtime, &cache)];
        let values = callers.map(|caller| caller.join().expect("no panic").made);
        aborted.join().expect("no panic");
        assert_eq!(values[0], values[1], "there is one load for both");
        check_requests(&cache, 0);
        assert_eq!(runtime.most_concurrent(1), 1);
        assert!(
            runtime.loads(1) <= 2,
            "a load is restarted only if it was dropped"
        );
        let stats = cache.stats();
        assert_eq!(u64::from(runtime.loads(1)), stats.loads);
        assert_eq!(stats.requests(), 3);
        assert_eq!(stats.load_successes, 1);
    });
}

#[test]
fn a_leader_is_dropped_while_its_load_settles() {
    explore(|runtime| {
        let cache = runtime.cache();
        let mut leader = runtime.call(get(runtime.clone(), cache.clone(), 2));
        assert!(leader.poll().is_pending());
        let waiter = patient(runtime, &cache);
        let leaves = thread::spawn(move || drop(leader));
        waiter.join().expect("no panic");
        leaves.join().expect("no panic");
        check_requests(&cache, 0);
        assert_eq!(runtime.most_concurrent(1), 1);
        let stats = cache.stats();
        assert_eq!(stats.loads, 1 + stats.loads_dropped);
        assert!(stats.loads_dropped <= 1);
    });
}

#[test]
fn the_last_waiter_is_cancelled_while_the_load_settles() {
    explore(|runtime| {
        let detached = one_of(2) == 0;
        let cache = runtime.builder().shards(1).detach_loads(detached).build();
        let callers: Vec<_> = (0..2)
            .map(|_| cancelled(runtime, &cache, 1 + one_of(3)))
            .collect();
        for caller in callers {
            caller.join().expect("no panic");
        }
        if detached && runtime.completes_tasks() {
            while cache.flight_count() > 0 {
                thread::yield_now();
            }
            assert_eq!(cache.stats().loads_dropped, 0);
            assert_eq!(runtime.loads(1), 1);
        }
        if !detached || !runtime.completes_tasks() {
            runtime.join_tasks();
        }
        check_requests(&cache, 1);
        assert_eq!(runtime.most_concurrent(1), 1);
        assert_eq!(cache.entry_count(), cache.stats().load_successes);
    });
}

#[test]
fn all_callers_of_a_detached_load_are_cancelled_before_it_is_woken() {
    explore(|runtime| {
        let cache = runtime.builder().shards(1).detach_loads(true).build();
        let gate = Arc::new(Gate::default());
        let callers = [(); 2].map(|()| {
            let (runtime, cache, gate) = (runtime.clone(), cache.clone(), Arc::clone(&gate));
            thread::spawn(move || {
                let brings = runtime.clone();
                let load = || async move {
                    gate.pass().await;
                    brings.value()
                };
                let _ = runtime.call(cache.get_with(1, load)).poll();
            })
        });
        for caller in callers {
            caller.join().expect("no panic");
        }
        gate.open();
        if runtime.completes_tasks() {
            while cache.flight_count() > 0 {
                thread::yield_now();
            }
            assert_eq!(cache.stats().loads_dropped, 0);
        }
        runtime.join_tasks();
        check_requests(&cache, 1);
    });
}

/// A flag that a loader waits for and another thread sets.
#[derive(Debug, Default)]
pub(crate) struct Gate(Mutex<(bool, Vec<Waker>)>);

impl Gate {
    pub(crate) fn open(&self) {
        let mut gate = self.0.lock().expect("no panic inside");
        gate.0 = true;
        let wakers = std::mem::take(&mut gate.1);
        drop(gate);
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(crate) async fn pass(&self) {
        std::future::poll_fn(|cx| {
            let mut gate = self.0.lock().expect("no panic inside");
            if gate.0 {
                return Poll::Ready(());
            }
            gate.1.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

#[test]
fn a_waker_is_replaced_while_it_is_woken() {
    explore(|runtime| {
        let cache = runtime.cache();
        let restless = |polls| {
            let (runtime, cache) = (runtime.clone(), cache.clone());
            thread::spawn(move || {
                runtime.block_on_with_spurious_polls(get(runtime.clone(), cache, polls))
            })
        };
        let callers = [restless(3), restless(3), patient(runtime, &cache)];
        let values = callers.map(|caller| caller.join().expect("no panic").made);
        assert!(values.iter().all(|value| *value == values[0]));
        check_requests(&cache, 0);
        assert_eq!(runtime.loads(1), 1);
    });
}

/// A waiter's future moves: one thread polls it first, and another thread completes it.
#[test]
fn a_caller_moves_to_another_thread_while_it_is_woken() {
    explore(|runtime| {
        let cache = runtime.cache();
        let waiter = patient(runtime, &cache);
        let mut moves = runtime.call(get(runtime.clone(), cache.clone(), 2));
        let first = moves.poll();
        let stage_there = runtime.clone();
        let moved = thread::spawn(move || match first {
            Poll::Ready(value) => value,
            Poll::Pending => stage_there.block_on(moves.into_future()),
        });
        let values = [waiter, moved].map(|caller| caller.join().expect("no panic").made);
        assert_eq!(values[0], values[1]);
        check_requests(&cache, 0);
        assert_eq!(runtime.loads(1), 1);
    });
}

/// A loader that panics without the panic hook, which would report every panic.
async fn panics() -> Result<Value, ()> {
    yields(1).await;
    resume_unwind(Box::new("the loader panics"))
}

#[test]
fn a_loader_panics_while_callers_join_and_are_cancelled() {
    explore(|runtime| {
        let cache = runtime.cache();
        let panicking = |leaves: bool| {
            let (runtime, cache) = (runtime.clone(), cache.clone());
            thread::spawn(move || {
                let mut call = runtime.call(cache.try_get_with(1, panics));
                let polled = catch_unwind(AssertUnwindSafe(|| {
                    let first = call.poll();
                    if leaves || first.is_ready() {
                        return first;
                    }
                    Poll::Ready(runtime.block_on(call.into_future()))
                }));
                let polled = polled.unwrap_or(Poll::Ready(Err(LoadError::Panicked)));
                match polled {
                    Poll::Ready(answer) => {
                        assert!(matches!(answer, Err(LoadError::Panicked)), "{answer:?}");
                    }
                    Poll::Pending => assert!(leaves),
                }
            })
        };
        let callers = [
            panicking(false),
            panicking(one_of(2) == 0),
            panicking(false),
        ];
        for caller in callers {
            caller.join().expect("no panic but the loader's");
        }
        runtime.join_tasks();
        check_requests(&cache, 0);
        let value = runtime.block_on(get(runtime.clone(), cache.clone(), 0));
        assert_eq!(cache.get(&1).map(|value| value.made), Some(value.made));
    });
}

/// Waiters that cannot return a `None` run their own loader.
#[test]
fn waiters_that_cannot_return_the_result_share_one_load() {
    explore(|runtime| {
        let cache = runtime.cache();
        let optional = {
            let (runtime, cache) = (runtime.clone(), cache.clone());
            thread::spawn(move || {
                let none = || {
                    let load = runtime.load(1, 1);
                    async move {
                        drop(load.await);
                        None
                    }
                };
                runtime.block_on(cache.optionally_get_with(1, none))
            })
        };
        let callers = [patient(runtime, &cache), patient(runtime, &cache)];
        let values = callers.map(|caller| caller.join().expect("no panic").made);
        assert_eq!(values[0], values[1], "the waiters share one load");
        let found = optional.join().expect("no panic");
        assert!(found.is_none_or(|value| value.made == values[0]));
        check_loads(&cache);
        assert_eq!(runtime.most_concurrent(1), 1);
        assert!(runtime.loads(1) <= 2);
    });
}

/// A scoped loader ends with its caller, and the next caller runs its own.
#[test]
fn callers_of_scoped_loads_are_cancelled() {
    explore(|runtime| {
        let cache = runtime.cache();
        let scoped = |polls: Option<u32>| {
            let (runtime, cache) = (runtime.clone(), cache.clone());
            thread::spawn(move || {
                let mut call = runtime.call(cache.get_with_scoped(1, || runtime.load(1, 1)));
                match polls {
                    None => Some(runtime.block_on(call.into_future())),
                    Some(polls) => (0..polls).find_map(|_| match call.poll() {
                        Poll::Ready(value) => Some(value),
                        Poll::Pending => None,
                    }),
                }
            })
        };
        let callers = [scoped(Some(1)), scoped(None)];
        let second = patient(runtime, &cache);
        let [aborted, first] = callers.map(|caller| caller.join().expect("no panic"));
        let second = second.join().expect("no panic");
        let stored = cache.get(&1).expect("a load succeeded").made;
        for value in [aborted, first, Some(second)].into_iter().flatten() {
            assert_eq!(value.made, stored);
        }
        check_loads(&cache);
        assert_eq!(runtime.most_concurrent(1), 1);
    });
}
