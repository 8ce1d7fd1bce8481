//! The same program on each adapter, with running clocks.

#![allow(missing_docs)]
#![allow(
    clippy::duplicate_mod,
    reason = "the program is the same, and that is the point"
)]

#[path = "adapters"]
mod on_tokio {
    use cache_tokio as adapter;
    use cache_tokio::Tokio as Rt;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().build();
        runtime.expect("the runtime is built").block_on(future)
    }

    #[path = "program.rs"]
    mod program;
}

#[path = "adapters"]
mod on_async_std {
    use cache_async_std as adapter;
    use cache_async_std::AsyncStd as Rt;

    use async_std::task::block_on;

    #[path = "program.rs"]
    mod program;
}

#[path = "adapters"]
mod on_smol {
    use cache_smol as adapter;
    use cache_smol::Smol as Rt;

    use smol::block_on;

    #[path = "program.rs"]
    mod program;
}

/// Tests specific to smol: a program may have its own executors.
mod executors {
    use std::panic::AssertUnwindSafe;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use cache_smol::{Cache, LoadError, Smol};
    use futures_util::FutureExt;
    use smol::Executor;
    use smol::future::{or, yield_now, zip};

    fn two_callers<'a>(
        cache: &'a Cache<u32, u64>,
        loads: &Arc<AtomicUsize>,
    ) -> impl Future<Output = (u64, u64)> + 'a {
        let load = || {
            let loads = Arc::clone(loads);
            move || async move {
                loads.fetch_add(1, Ordering::SeqCst);
                yield_now().await;
                10
            }
        };
        zip(cache.get_with(1, load()), cache.get_with(1, load()))
    }

    #[test]
    fn a_load_is_spawned_on_the_configured_executor() {
        let (executor, loads) = (Arc::new(Executor::new()), Arc::default());
        let smol = Smol::default().with_executor(&executor);
        let cache: Cache<u32, u64> = Cache::builder_on(smol).build();
        let mut callers = Box::pin(two_callers(&cache, &loads));
        smol::block_on(or(
            async {
                let _answers = (&mut callers).await;
            },
            async {
                while executor.is_empty() {
                    yield_now().await;
                }
            },
        ));
        assert!(!executor.is_empty(), "the load is on the executor");
        assert_eq!(smol::block_on(executor.run(callers)), (10, 10));
        assert_eq!(loads.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_load_outlives_the_configured_executor() {
        let (executor, loads) = (Arc::new(Executor::new()), Arc::default());
        let smol = Smol::default().with_executor(&executor);
        let cache: Cache<u32, u64> = Cache::builder_on(smol).build();
        let callers = two_callers(&cache, &loads);
        let ended = async {
            yield_now().await;
            drop(executor);
        };
        assert_eq!(smol::block_on(zip(callers, ended)).0, (10, 10));
        assert_eq!(smol::block_on(two_callers(&cache, &loads)), (10, 10));
        assert_eq!(loads.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn waiters_run_their_own_loaders_when_the_executor_of_a_load_is_dropped() {
        let executor = Arc::new(Executor::new());
        let smol = Smol::default().with_executor(&executor);
        let cache: Cache<u32, u64> = Cache::builder_on(smol).build();
        let task = executor.spawn(std::future::pending::<u64>());
        let led = cache.clone();
        let leader = executor.spawn(async move { led.get_with(1, || task).await });
        while executor.try_tick() {}
        let loads = AtomicUsize::new(0);
        let load = |loads: &AtomicUsize| {
            loads.fetch_add(1, Ordering::SeqCst);
            async { Ok::<u64, ()>(10) }
        };
        let waiters = zip(
            cache.try_get_with(1, || load(&loads)),
            cache.try_get_with(1, || load(&loads)),
        );
        let ended = async {
            yield_now().await;
            drop(executor);
        };
        let ((first, second), ()) = smol::block_on(zip(waiters, ended));
        assert_eq!((first.unwrap(), second.unwrap()), (10, 10));
        assert_eq!(loads.load(Ordering::SeqCst), 1);
        drop(leader);
        // A panic of a loader stays a panic, also if an executor was dropped before.
        let panics = cache.try_get_with(2, || async {
            yield_now().await;
            std::panic::resume_unwind(Box::new("boom"))
        });
        let waits = cache.try_get_with(2, || load(&loads));
        let panics = AssertUnwindSafe(panics).catch_unwind();
        let waits = AssertUnwindSafe(waits).catch_unwind();
        let (panicked, waited) = smol::block_on(zip(panics, waits));
        for ended in [panicked, waited] {
            let is_error = matches!(ended, Err(_) | Ok(Err(LoadError::Panicked)));
            assert!(
                is_error,
                "the driver panics, and the other caller gets an error"
            );
        }
        assert_eq!(loads.load(Ordering::SeqCst), 1);
    }
}

/// Tests specific to the local adapters: a cache may be used outside of its executor.
mod outside {
    use std::cell::Cell;
    use std::rc::Rc;

    use smol::LocalExecutor;
    use smol::future::{yield_now, zip};
    use tokio::task::LocalSet;

    /// Two callers outside of any runtime.
    macro_rules! two_callers_on {
        ($cache:ty, $runtime:expr) => {
            let (cache, loads) = (
                <$cache>::builder_on($runtime).build(),
                Rc::new(Cell::new(0)),
            );
            let load = || {
                let loads = Rc::clone(&loads);
                move || async move {
                    loads.set(loads.get() + 1);
                    yield_now().await;
                    Rc::new(10)
                }
            };
            let callers = zip(cache.get_with(1, load()), cache.get_with(1, load()));
            assert_eq!(pollster::block_on(callers), (Rc::new(10), Rc::new(10)));
            assert_eq!(loads.get(), 1);
        };
    }

    #[test]
    fn callers_outside_of_the_local_set_are_served() {
        use cache_tokio::local::{Cache, Tokio};
        let set = Rc::new(LocalSet::new());
        two_callers_on!(Cache<u32, Rc<u64>>, Tokio::default().with_local_set(&set));
        two_callers_on!(Cache<u32, Rc<u64>>, Tokio::default());
    }

    #[test]
    fn callers_outside_of_the_local_executor_are_served() {
        use cache_smol::local::{Cache, Smol};
        let executor = Rc::new(LocalExecutor::new());
        two_callers_on!(Cache<u32, Rc<u64>>, Smol::default().with_executor(&executor));
        two_callers_on!(Cache<u32, Rc<u64>>, Smol::default());
    }

    #[test]
    fn callers_outside_of_async_std_are_served() {
        use cache_async_std::local::{AsyncStd, Cache};
        two_callers_on!(Cache<u32, Rc<u64>>, AsyncStd::default());
    }
}
