//! Waiters of a scoped load race its leader, the wake of its loader and the end of its time.

use std::sync::Arc;
use std::time::Duration;

use shuttle::sync::atomic::{AtomicUsize, Ordering};
use shuttle::thread;

use crate::callers::Gate;
use crate::shuttle_runtime::{
    ShuttleCache, ShuttleRuntime, Value, check_loads, explore, one_of, yields,
};

const AFTER: Duration = Duration::from_millis(100);

/// Threads that request key 1, and the number of those that have their value.
struct Waiters {
    threads: Vec<thread::JoinHandle<Value>>,
    served: Arc<AtomicUsize>,
}

impl Waiters {
    fn start(runtime: &ShuttleRuntime, cache: &ShuttleCache) -> Self {
        let served = Arc::new(AtomicUsize::new(0));
        let start = |is_scoped| {
            let (runtime, cache, served) = (runtime.clone(), cache.clone(), Arc::clone(&served));
            thread::spawn(move || {
                let value = if is_scoped {
                    // Ready at once: this caller could lose its lead too.
                    runtime.block_on(cache.get_with_scoped(1, || runtime.load(1, 0)))
                } else {
                    runtime.block_on(cache.get_with(1, || runtime.load(1, 1)))
                };
                served.fetch_add(1, Ordering::SeqCst);
                value
            })
        };
        Self {
            threads: [one_of(2) == 0, false].map(start).into(),
            served,
        }
    }

    /// Lets time pass until all of them have their values. Returns the value, which is the same for
    /// all.
    fn served_in_time(self, runtime: &ShuttleRuntime) -> Value {
        while self.served.load(Ordering::SeqCst) < self.threads.len() {
            runtime.advance(AFTER);
            thread::yield_now();
        }
        let values = self.threads.into_iter().map(thread::JoinHandle::join);
        let mut values: Vec<_> = values.map(|value| value.expect("no panic")).collect();
        let value = values.pop().expect("there are two waiters");
        assert!(values.iter().all(|other| other.made == value.made));
        value
    }
}

/// Waiters are served although the leader is never polled again.
#[test]
fn a_loader_is_woken_while_waiters_of_its_stalled_leader_join() {
    explore(|runtime| {
        let (cache, gate) = (runtime.cache(), Arc::new(Gate::default()));
        let load = || async {
            gate.pass().await;
            runtime.load(1, 0).await
        };
        let mut leader = runtime.call(cache.get_with_scoped(1, load));
        assert!(leader.poll().is_pending());
        let waiters = Waiters::start(runtime, &cache);
        let opens = Arc::clone(&gate);
        let opener = thread::spawn(move || opens.open());
        let leader = if runtime.has_timer() {
            Some(leader)
        } else {
            // A waiter that no timer wakes takes no lead.
            drop(leader);
            None
        };
        let value = waiters.served_in_time(runtime);
        opener.join().expect("no panic");
        if let Some(leader) = leader {
            let own = runtime.block_on(leader.into_future());
            assert_ne!(own.made, value.made, "the leader has its own value");
            assert_eq!(cache.stats().loads_dropped, 1, "it lost its lead once");
        }
        assert_eq!(cache.get(&1).map(|stored| stored.made), Some(value.made));
        check_loads(&cache);
    });
}

/// The leader is polled, or dropped, as a waiter takes its lead.
#[test]
fn a_stalled_leader_is_polled_or_dropped_as_a_waiter_takes_its_lead() {
    explore(|runtime| {
        let cache = runtime.cache();
        let leader = {
            let (runtime, cache) = (runtime.clone(), cache.clone());
            let is_dropped = one_of(4) == 0;
            let pauses = one_of(6);
            let brings = runtime.clone();
            let load = move || async move { brings.load(1, 2).await };
            let call = async move { cache.get_with_scoped(1, load).await };
            let mut call = runtime.call(call);
            assert!(call.poll().is_pending());
            thread::spawn(move || {
                for _ in 0..pauses {
                    thread::yield_now();
                }
                (!is_dropped).then(|| runtime.block_on(call.into_future()))
            })
        };
        let value = Waiters::start(runtime, &cache).served_in_time(runtime);
        let own = leader.join().expect("no panic");
        let has_lost_lead = own.is_none_or(|own| own.made != value.made);
        let stored = cache.get(&1).map(|stored| stored.made);
        assert_eq!(stored, Some(value.made), "a late value is not stored");
        check_loads(&cache);
        let stats = cache.stats();
        assert_eq!(stats.loads_dropped, u64::from(has_lost_lead), "{stats:?}");
        assert_eq!(runtime.loads(1), 1 + u32::from(has_lost_lead));
    });
}

/// A loader that is woken in each of its polls keeps its lead, if its leader polls it.
#[test]
fn a_leader_that_polls_its_loader_at_each_wake_keeps_its_lead() {
    explore(|runtime| {
        let cache = runtime.cache();
        let brings = runtime.clone();
        let load = || async {
            yields(3).await;
            brings.load(1, 1).await
        };
        let mut leader = runtime.call(cache.get_with_scoped(1, load));
        assert!(leader.poll().is_pending());
        let waiters = Waiters::start(runtime, &cache);
        let own = runtime.block_on(leader.into_future());
        let value = waiters.served_in_time(runtime);
        assert_eq!(own.made, value.made);
        assert_eq!(runtime.loads(1), 1);
        check_loads(&cache);
    });
}
