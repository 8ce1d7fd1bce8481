//! The cost per key of a call with many keys does not depend on their number: twice as many keys
//! cost twice the work. The tests count lock operations, of which each check of a load takes at
//! least one, so they do not depend on time.

#![allow(missing_docs)]

use std::cell::Cell;
use std::fmt::Debug;
use std::rc::Rc;

use cache_core::runtime::{Context, CurrentThread, Runtime, Task};
use cache_core::sync::{LocalMutex, LocalRwLock, Mutex};
use cache_core::testing::VirtualRuntime;
use cache_core::{BatchWindow, Instant};
use tokio::sync::Semaphore;

type Cache = cache_core::Cache<u64, u64, Counting>;

/// Keys in a batch.
const BATCH: u64 = 8;

thread_local! {
    static LOCKS: Cell<u64> = const { Cell::new(0) };
}

/// A virtual runtime that counts the lock operations of loads.
#[derive(Clone)]
struct Counting(VirtualRuntime);

impl Runtime for Counting {
    type Flavor = CurrentThread;
    type Lock<T> = LocalRwLock<T>;
    type Mutex<T> = CountingMutex<T>;
    type Timer = <VirtualRuntime as Runtime>::Timer;

    fn now(&self) -> Instant {
        Runtime::now(&self.0)
    }

    fn timer(&self) -> Option<Self::Timer> {
        Runtime::timer(&self.0)
    }

    fn spawn(&self, task: Task<Self>) -> Result<(), Task<Self>> {
        Runtime::spawn(&self.0, task)
    }

    fn context<T>(&self, f: impl FnOnce(&Context) -> T) -> T {
        self.0.context(f)
    }
}

struct CountingMutex<T>(LocalMutex<T>);

impl<T> Mutex<T> for CountingMutex<T> {
    fn new(value: T) -> Self {
        Self(LocalMutex::new(value))
    }

    fn with<U>(&self, f: impl FnOnce(&mut T) -> U) -> U {
        LOCKS.set(LOCKS.get() + 1);
        self.0.with(f)
    }
}

/// Counts the lock operations of a call with `keys` keys, from the time that all its loads wait
/// until the last one ends. They end one by one, or batch by batch.
fn locks<F: Future<Output = ()> + 'static>(
    runtime: &VirtualRuntime,
    keys: u64,
    call: impl FnOnce(Cache, Rc<[Semaphore]>) -> F,
) -> u64 {
    let gates: Rc<[Semaphore]> = (0..keys).map(|_| Semaphore::new(0)).collect();
    let cache: Cache = Cache::builder_on(Counting(runtime.clone())).build();
    let task = runtime.spawn(call(cache.clone(), Rc::clone(&gates)));
    runtime.block_on(async {
        while cache.stats().loads < keys {
            runtime.yield_now().await;
        }
        LOCKS.set(0);
        for gate in &*gates {
            gate.close();
            for _ in 0..5 {
                runtime.yield_now().await;
            }
        }
        task.await;
    });
    assert_eq!(cache.entry_count(), keys);
    LOCKS.take()
}

/// Checks that twice the keys cost twice the locks, also where the waiters drive the loads.
fn assert_linear<F: Future<Output = ()> + 'static>(call: impl Fn(Cache, Rc<[Semaphore]>) -> F) {
    for runtime in [VirtualRuntime::new, VirtualRuntime::without_spawner] {
        let [once, twice] = [200, 400].map(|keys| locks(&runtime(), keys, &call));
        assert!(once > 0, "a load takes a lock");
        // A tenth more, for amounts that do not grow with each key.
        let most = 2 * once + once / 10;
        assert!(twice <= most, "{once} locks, {twice} for twice the keys");
    }
}

fn assert_all<T, E: Debug>(answers: Vec<Result<T, E>>) {
    for answer in answers {
        answer.expect("no load fails");
    }
}

#[test]
fn the_cost_per_key_of_get_all_does_not_depend_on_their_number() {
    assert_linear(|cache, gates| async move {
        let keys: Vec<u64> = (0..gates.len() as u64).collect();
        let view = cache.loading(move |key: u64| {
            let gates = Rc::clone(&gates);
            async move { Ok::<_, String>(pass(&gates, key).await) }
        });
        assert_all(view.get_all(&keys).await);
    });
}

#[test]
fn the_cost_per_key_of_warm_does_not_depend_on_their_number() {
    assert_linear(|cache, gates| async move {
        let loaders = (0..gates.len() as u64).map(|key| {
            let gates = Rc::clone(&gates);
            let load = move || async move { Ok::<_, String>(pass(&gates, key).await) };
            (key, load)
        });
        let report = cache.warm(usize::MAX, loaders).await;
        assert!(report.failures.is_empty());
    });
}

#[test]
fn the_cost_per_key_of_load_many_does_not_depend_on_their_number() {
    assert_linear(|cache, gates| async move {
        let count = gates.len() as u64;
        let view = cache.batching_builder(move |keys: Vec<u64>| {
            let gates = Rc::clone(&gates);
            async move {
                for key in &keys {
                    pass(&gates, *key).await;
                }
                keys
            }
        });
        let view = view.batch_window(BatchWindow::Yield(1));
        let view = view.max_batch_size(BATCH as usize).build();
        assert_all(view.get_all(0..count).await);
    });
}

/// Waits for the gate of `key`.
async fn pass(gates: &[Semaphore], key: u64) -> u64 {
    // Closing the semaphore opens the gate.
    drop(
        gates[usize::try_from(key).expect("a small number")]
            .acquire()
            .await,
    );
    key
}
