//! Callers of one load, against each other and against its end.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use cache_core::LoadError;
use shuttle::thread;

use crate::shuttle_runtime::{
    OnStage, Stage, Value, check_loads, check_requests, explore, one_of, yields,
};

/// A caller for key 1 who owns what it needs.
async fn get(stage: Stage, cache: OnStage, polls: u32) -> Value {
    cache.get_with(1, || stage.load(1, polls)).await
}

/// A caller who goes away after so many polls.
fn cancelled(stage: &Stage, cache: &OnStage, polls: u32) -> thread::JoinHandle<()> {
    let (stage, cache) = (stage.clone(), cache.clone());
    thread::spawn(move || {
        let mut call = stage.call(get(stage.clone(), cache, 2));
        for _ in 0..polls {
            if call.poll().is_ready() {
                return;
            }
        }
    })
}

/// A caller who stays.
fn patient(stage: &Stage, cache: &OnStage) -> thread::JoinHandle<Value> {
    let (stage, cache) = (stage.clone(), cache.clone());
    thread::spawn(move || stage.block_on(get(stage.clone(), cache, 2)))
}

#[test]
fn two_callers_and_an_abort() {
    explore(|stage| {
        let cache = stage.cache();
        let aborted = cancelled(stage, &cache, 1 + one_of(3));
        let callers = [patient(stage, &cache), patient(stage, &cache)];
        let values = callers.map(|caller| caller.join().expect("no panic").made);
        aborted.join().expect("no panic");
        assert_eq!(values[0], values[1], "there is one load for both");
        check_requests(&cache, 0);
        assert_eq!(stage.most_at_once(1), 1);
        assert!(
            stage.loads(1) <= 2,
            "a load is restarted only if it was dropped"
        );
        let stats = cache.stats();
        assert_eq!(u64::from(stage.loads(1)), stats.loads);
        assert_eq!(stats.requests(), 3);
        assert_eq!(stats.load_successes, 1);
    });
}

#[test]
fn a_leader_dropped_while_its_load_settles() {
    explore(|stage| {
        let cache = stage.cache();
        let mut leader = stage.call(get(stage.clone(), cache.clone(), 2));
        assert!(leader.poll().is_pending());
        let waiter = patient(stage, &cache);
        let leaves = thread::spawn(move || drop(leader));
        waiter.join().expect("no panic");
        leaves.join().expect("no panic");
        check_requests(&cache, 0);
        assert_eq!(stage.most_at_once(1), 1);
        let stats = cache.stats();
        assert_eq!(stats.loads, 1 + stats.loads_dropped);
        assert!(stats.loads_dropped <= 1);
    });
}

#[test]
fn the_last_waiter_leaves_while_the_load_settles() {
    explore(|stage| {
        let detached = one_of(2) == 0;
        let cache = stage.builder().shards(1).detach_loads(detached).build();
        let callers: Vec<_> = (0..2)
            .map(|_| cancelled(stage, &cache, 1 + one_of(3)))
            .collect();
        for caller in callers {
            caller.join().expect("no panic");
        }
        if detached && stage.carries_tasks_through() {
            while cache.flight_count() > 0 {
                thread::yield_now();
            }
            assert_eq!(cache.stats().loads_dropped, 0);
            assert_eq!(stage.loads(1), 1);
        }
        if !detached || !stage.carries_tasks_through() {
            stage.join_tasks();
        }
        check_requests(&cache, 1);
        assert_eq!(stage.most_at_once(1), 1);
        assert_eq!(cache.entry_count(), cache.stats().load_successes);
    });
}

#[test]
fn callers_who_all_leave_a_detached_load_before_it_is_woken() {
    explore(|stage| {
        let cache = stage.builder().shards(1).detach_loads(true).build();
        let gate = Arc::new(Gate::default());
        let callers = [(); 2].map(|()| {
            let (stage, cache, gate) = (stage.clone(), cache.clone(), Arc::clone(&gate));
            thread::spawn(move || {
                let brings = stage.clone();
                let load = || async move {
                    gate.pass().await;
                    brings.value()
                };
                let _ = stage.call(cache.get_with(1, load)).poll();
            })
        });
        for caller in callers {
            caller.join().expect("no panic");
        }
        gate.open();
        if stage.carries_tasks_through() {
            while cache.flight_count() > 0 {
                thread::yield_now();
            }
            assert_eq!(cache.stats().loads_dropped, 0);
        }
        stage.join_tasks();
        check_requests(&cache, 1);
    });
}

/// What a loader waits for that somebody else does.
#[derive(Debug, Default)]
struct Gate(Mutex<(bool, Vec<Waker>)>);

impl Gate {
    fn open(&self) {
        let mut gate = self.0.lock().expect("nothing panics inside");
        gate.0 = true;
        let wakers = std::mem::take(&mut gate.1);
        drop(gate);
        wakers.into_iter().for_each(Waker::wake);
    }

    async fn pass(&self) {
        std::future::poll_fn(|cx| {
            let mut gate = self.0.lock().expect("nothing panics inside");
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
fn a_waker_replaced_while_it_is_woken() {
    explore(|stage| {
        let cache = stage.cache();
        let restless = |polls| {
            let (stage, cache) = (stage.clone(), cache.clone());
            thread::spawn(move || stage.block_on_restless(get(stage.clone(), cache, polls)))
        };
        let callers = [restless(3), restless(3), patient(stage, &cache)];
        let values = callers.map(|caller| caller.join().expect("no panic").made);
        assert!(values.iter().all(|value| *value == values[0]));
        check_requests(&cache, 0);
        assert_eq!(stage.loads(1), 1);
    });
}

/// One of those who wait moves on: a future that was polled by one thread ends on another.
#[test]
fn a_caller_who_moves_to_another_thread_while_it_is_woken() {
    explore(|stage| {
        let cache = stage.cache();
        let waiter = patient(stage, &cache);
        let mut moves = stage.call(get(stage.clone(), cache.clone(), 2));
        let first = moves.poll();
        let stage_there = stage.clone();
        let moved = thread::spawn(move || match first {
            Poll::Ready(value) => value,
            Poll::Pending => stage_there.block_on(moves.into_future()),
        });
        let values = [waiter, moved].map(|caller| caller.join().expect("no panic").made);
        assert_eq!(values[0], values[1]);
        check_requests(&cache, 0);
        assert_eq!(stage.loads(1), 1);
    });
}

/// Not by `panic!`, whose hook reports every one.
async fn panics() -> Result<Value, ()> {
    yields(1).await;
    resume_unwind(Box::new("the loader panics"))
}

#[test]
fn a_loader_that_panics_while_callers_come_and_go() {
    explore(|stage| {
        let cache = stage.cache();
        let panicking = |leaves: bool| {
            let (stage, cache) = (stage.clone(), cache.clone());
            thread::spawn(move || {
                let mut call = stage.call(cache.try_get_with(1, panics));
                let polled = catch_unwind(AssertUnwindSafe(|| {
                    let first = call.poll();
                    if leaves || first.is_ready() {
                        return first;
                    }
                    Poll::Ready(stage.block_on(call.into_future()))
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
        stage.join_tasks();
        check_requests(&cache, 0);
        let value = stage.block_on(get(stage.clone(), cache.clone(), 0));
        assert_eq!(cache.get(&1).map(|value| value.made), Some(value.made));
    });
}

/// A `None` is no answer to who must have a value: it runs its own loader.
#[test]
fn callers_of_methods_that_cannot_return_the_same() {
    explore(|stage| {
        let cache = stage.cache();
        let optional = {
            let (stage, cache) = (stage.clone(), cache.clone());
            thread::spawn(move || {
                let none = || {
                    let load = stage.load(1, 1);
                    async move {
                        drop(load.await);
                        None
                    }
                };
                stage.block_on(cache.optionally_get_with(1, none))
            })
        };
        let callers = [patient(stage, &cache), patient(stage, &cache)];
        let values = callers.map(|caller| caller.join().expect("no panic").made);
        assert_eq!(values[0], values[1], "those in that position are one load");
        let found = optional.join().expect("no panic");
        assert!(found.is_none_or(|value| value.made == values[0]));
        check_loads(&cache);
        assert_eq!(stage.most_at_once(1), 1);
        assert!(stage.loads(1) <= 2);
    });
}

/// A loader that runs inside its caller goes with it: the next one's own runs.
#[test]
fn inline_loads_whose_callers_go_away() {
    explore(|stage| {
        let cache = stage.cache();
        let inline = |polls: Option<u32>| {
            let (stage, cache) = (stage.clone(), cache.clone());
            thread::spawn(move || {
                let mut call = stage.call(cache.get_with_inline(1, || stage.load(1, 1)));
                match polls {
                    None => Some(stage.block_on(call.into_future())),
                    Some(polls) => (0..polls).find_map(|_| match call.poll() {
                        Poll::Ready(value) => Some(value),
                        Poll::Pending => None,
                    }),
                }
            })
        };
        let callers = [inline(Some(1)), inline(None)];
        let second = patient(stage, &cache);
        let [aborted, first] = callers.map(|caller| caller.join().expect("no panic"));
        let second = second.join().expect("no panic");
        let stored = cache.get(&1).expect("a load succeeded").made;
        for value in [aborted, first, Some(second)].into_iter().flatten() {
            assert_eq!(value.made, stored);
        }
        check_loads(&cache);
        assert_eq!(stage.most_at_once(1), 1);
    });
}
