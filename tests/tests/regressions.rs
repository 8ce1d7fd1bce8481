//! Fixed defects, each with the schedule that exposed it.

#![allow(missing_docs)]

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use cache_core::runtime::{self, CurrentThread, Runtime, Task, Timer};
use cache_core::sync::{LocalMutex, LocalRwLock};
use cache_core::testing::{JoinHandle, VirtualRuntime, VirtualTimer};
use cache_core::{BatchWindow, Cache, Instant, Op, RemovalCause, Ttl};

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type LocalBoxed = Pin<Box<dyn Future<Output = ()>>>;
type Virtual<V> = Cache<u32, V, VirtualRuntime>;

const SECOND: Duration = Duration::from_secs(1);

fn caught<T>(f: impl FnOnce() -> T) -> bool {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).is_err()
}

/// The leader had taken its value when the listener panicked. The drop of its handle then saw a
/// flight without an outcome, and spawned a background task that never ended.
#[test]
fn a_listener_that_panics_after_a_ready_load_leaves_no_task_behind() {
    for detach in [false, true] {
        let runtime = VirtualRuntime::new();
        let held = Arc::new(());
        let holds = Arc::clone(&held);
        let builder = Virtual::<u32>::builder_on(runtime.clone()).max_capacity(1);
        let listener = move |_: &u32, _: &u32, _: RemovalCause| panic!("{holds:?}");
        let builder = builder.detach_loads(detach).eviction_listener(listener);
        let cache = builder.build();
        cache.insert(1, 1);
        let load = cache.get_with(2, || async { 2 });
        assert!(caught(|| runtime.block_on(load)), "the listener panics");
        drop(cache);
        runtime.run_until_idle();
        let counts = (runtime.task_count(), Arc::strong_count(&held));
        assert_eq!(counts, (0, 1), "detached: {detach}");
    }
}

/// A scoped load that timed out woke its waiters before it dropped its loader: a waiter could start
/// another loader of the key beside it.
#[test]
fn a_scoped_loader_that_times_out_is_dropped_before_its_waiters_are_woken() {
    /// Notes how many loaders are alive when it is woken.
    struct Observer(Arc<()>, AtomicUsize);
    impl Wake for Observer {
        fn wake(self: Arc<Self>) {
            self.1.store(Arc::strong_count(&self.0), Ordering::SeqCst);
        }
    }
    let runtime = VirtualRuntime::new();
    let builder = Virtual::<u32>::builder_on(runtime.clone()).load_timeout(SECOND);
    let cache = builder.build();
    let alive = Arc::new(());
    let observer = Arc::new(Observer(Arc::clone(&alive), AtomicUsize::new(0)));
    let without_loaders = Arc::strong_count(&alive);
    let mut leader = Box::pin(cache.try_get_with_scoped(1, || {
        let is_alive = Arc::clone(&alive);
        async move {
            std::future::pending::<()>().await;
            drop(is_alive);
            Ok::<u32, ()>(1)
        }
    }));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(leader.as_mut().poll(&mut cx).is_pending());
    let mut waiter = Box::pin(cache.try_get_with(1, || async { Ok::<u32, ()>(2) }));
    let waker = Waker::from(Arc::clone(&observer));
    assert!(
        waiter
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    runtime.advance(SECOND);
    assert!(leader.as_mut().poll(&mut cx).is_ready(), "a timeout");
    assert_eq!(observer.1.load(Ordering::SeqCst), without_loaders);
}

/// The task was polled before the leader stored the work in the flight, and was not woken when it
/// did.
#[test]
fn a_caller_that_joins_while_the_loader_closure_runs_is_served() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .expect("the runtime is built");
    let cache: cache_tokio::Cache<u32, u32> = cache_tokio::Cache::new(10);
    let (started, has_started) = std::sync::mpsc::channel();
    let (joined, has_joined) = std::sync::mpsc::channel();
    let leader = {
        let cache = cache.clone();
        runtime.spawn(async move {
            let load = move || {
                started.send(()).expect("the test waits for the leader");
                // The waiter joins, and the task that it spawns runs, while this call blocks.
                has_joined.recv().expect("the waiter joins");
                async { 7 }
            };
            cache.get_with(1, load).await
        })
    };
    // Or the caller that is to wait could lead.
    has_started.recv().expect("the leader calls its loader");
    let waiter = {
        let cache = cache.clone();
        runtime.spawn(async move { cache.get_with(1, || async { 8 }).await })
    };
    while cache.stats().coalesced == 0 {
        std::thread::yield_now();
    }
    joined.send(()).expect("the leader waits");
    assert_eq!(runtime.block_on(leader).expect("no panic"), 7);
    assert_eq!(runtime.block_on(waiter).expect("no panic"), 7);
}

/// The load was spawned on a runtime that stalled once its only caller was cancelled.
#[test]
fn a_cancelled_waiter_whose_runtime_stalls_does_not_stall_the_leader() {
    let still = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("the runtime is built");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("the runtime is built");
    let cache: cache_tokio::Cache<u32, u32> = cache_tokio::Cache::new(10);
    let (open, gate) = tokio::sync::oneshot::channel::<()>();
    let mut leader = Box::pin(cache.get_with(1, || async move {
        gate.await.expect("the gate opens");
        7
    }));
    runtime.block_on(async {
        let polled = std::future::poll_fn(|cx| {
            std::task::Poll::Ready(leader.as_mut().poll(cx).is_pending())
        });
        assert!(polled.await);
    });
    still.block_on(async {
        let mut joiner = Box::pin(cache.get_with(1, || async { 8 }));
        let polled = std::future::poll_fn(|cx| {
            std::task::Poll::Ready(joiner.as_mut().poll(cx).is_pending())
        });
        assert!(polled.await);
        tokio::task::yield_now().await;
    });
    open.send(()).expect("the load waits");
    assert_eq!(runtime.block_on(leader), 7);
    drop(still);
}

/// The leader's listener panicked after the start of the flight and before the loader.
#[test]
fn a_leader_that_unwinds_before_its_loader_leaves_no_flight_behind() {
    for detach in [false, true] {
        let runtime = VirtualRuntime::new();
        let cache: Virtual<u32> = Cache::builder_on(runtime.clone())
            .shards(1)
            .detach_loads(detach)
            .time_to_live(SECOND)
            .eviction_listener(|_, _, _| panic!("the listener panics"))
            .build();
        cache.insert(1, 1);
        runtime.advance(5 * SECOND);
        assert!(caught(
            || runtime.block_on(cache.get_with(2, || async { 2 }))
        ));
        assert_eq!(cache.flight_count(), 0);
        assert_eq!(runtime.block_on(cache.get_with(2, || async { 3 })), 3);
    }
}

/// All waiters were dropped while the task polled the loader, which then panicked.
#[test]
fn an_abandoned_load_that_panics_ends_once() {
    let runtime = VirtualRuntime::new();
    let cache: Virtual<u32> = Cache::builder_on(runtime.clone()).build();
    let callers: Rc<RefCell<Vec<JoinHandle<u32>>>> = Rc::default();
    let load = {
        let (callers, runtime) = (callers.clone(), runtime.clone());
        || async move {
            runtime.sleep(SECOND).await;
            callers.borrow().iter().for_each(JoinHandle::abort);
            panic!("the loader panics")
        }
    };
    let (leads, waits) = (cache.clone(), cache.clone());
    let leader = runtime.spawn(async move { leads.get_with(1, load).await });
    let waiter = runtime.spawn(async move { waits.get_with(1, || async { 2 }).await });
    callers.borrow_mut().extend([leader, waiter]);
    runtime.advance(2 * SECOND);
    let stats = cache.stats();
    assert_eq!(stats.loads, 1);
    assert_eq!(stats.load_failures + stats.loads_dropped, 1);
}

/// The flight was removed from the table before the loader was dropped.
#[test]
fn a_load_without_callers_is_dropped_before_its_key_can_be_loaded_again() {
    struct LoadsOnDrop(Virtual<u32>, Rc<Cell<bool>>);
    impl Drop for LoadsOnDrop {
        fn drop(&mut self) {
            let mut again = Box::pin(self.0.get_with(1, || {
                self.1.set(true);
                std::future::pending()
            }));
            let mut cx = Context::from_waker(Waker::noop());
            assert!(again.as_mut().poll(&mut cx).is_pending());
        }
    }
    let runtime = VirtualRuntime::new();
    let cache: Virtual<u32> = Cache::builder_on(runtime.clone()).build();
    let loaded_beside = Rc::new(Cell::new(false));
    let guard = LoadsOnDrop(cache.clone(), Rc::clone(&loaded_beside));
    let loads = cache.clone();
    let leader = runtime.spawn(async move {
        let load = || async move {
            let _guard = guard;
            std::future::pending().await
        };
        loads.get_with(1, load).await
    });
    runtime.run_until_idle();
    leader.abort();
    assert!(!loaded_beside.get());
    assert_eq!(cache.flight_count(), 0);
    assert_eq!(cache.stats().loads_dropped, 1);
}

/// The flight was removed from the table while the task still polled the loader.
#[test]
fn a_load_without_callers_is_not_loaded_again_while_its_loader_runs() {
    let runtime = VirtualRuntime::new();
    let cache: Virtual<u32> = Cache::builder_on(runtime.clone()).build();
    let callers: Rc<RefCell<Vec<JoinHandle<u32>>>> = Rc::default();
    let flights = Rc::new(Cell::new(0));
    let load = {
        let (callers, runtime) = (callers.clone(), runtime.clone());
        let (cache, flights) = (cache.clone(), flights.clone());
        || async move {
            runtime.sleep(SECOND).await;
            callers.borrow().iter().for_each(JoinHandle::abort);
            flights.set(cache.flight_count());
            std::future::pending().await
        }
    };
    let (leads, waits) = (cache.clone(), cache.clone());
    let leader = runtime.spawn(async move { leads.get_with(1, load).await });
    let waiter = runtime.spawn(async move { waits.get_with(1, || async { 2 }).await });
    callers.borrow_mut().extend([leader, waiter]);
    runtime.advance(2 * SECOND);
    assert_eq!(
        flights.get(),
        1,
        "no other caller leads while the loader runs"
    );
    assert_eq!(cache.flight_count(), 0);
    assert_eq!(cache.stats().loads_dropped, 1);
}

/// The loader woke itself while the leader was about to park, and the task did not pass the wake
/// on.
#[test]
fn a_load_driven_by_a_task_and_its_waiters_is_polled_again_when_it_wakes() {
    type Caller = Pin<Box<dyn Future<Output = u32>>>;
    let runtime = VirtualRuntime::new();
    let cache: Virtual<u32> = Cache::builder_on(runtime.clone()).build();
    let leader: Rc<RefCell<Option<Caller>>> = Rc::default();
    let poll_leader = {
        let leader = leader.clone();
        move || {
            let mut cx = Context::from_waker(Waker::noop());
            let mut leader = leader.borrow_mut();
            leader.as_mut().map(|leader| leader.as_mut().poll(&mut cx))
        }
    };
    let load = {
        let (poll_leader, mut polls) = (poll_leader.clone(), 0);
        std::future::poll_fn(move |cx| {
            polls += 1;
            if polls == 2 {
                cx.waker().wake_by_ref();
                assert_eq!(poll_leader(), Some(Poll::Pending));
            }
            if polls < 3 {
                Poll::Pending
            } else {
                Poll::Ready(7)
            }
        })
    };
    let leads = cache.clone();
    let leads = Box::pin(async move { leads.get_with(1, || load).await });
    *leader.borrow_mut() = Some(leads);
    assert_eq!(poll_leader(), Some(Poll::Pending));
    let mut joins = Box::pin(cache.get_with(1, || async { 8 }));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(joins.as_mut().poll(&mut cx).is_pending());
    // The waiter spawned the load. From now on the task and the leader drive it.
    drop(joins);
    runtime.run_until_idle();
    assert_eq!(cache.get(&1), Some(7));
}

/// A waker polled its task inside another load, in which the load that the task waited for had
/// ended.
#[test]
fn a_task_that_a_waker_polls_inside_a_load_may_load_that_loads_key() {
    struct Inline(Mutex<Option<Boxed<u32>>>, Mutex<Option<u32>>);
    impl Inline {
        fn poll(this: &Arc<Self>) {
            let Some(mut task) = this.0.lock().expect("no other thread panicked").take() else {
                return;
            };
            let waker = Waker::from(Arc::clone(this));
            match task.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Pending => *this.0.lock().expect("no other thread panicked") = Some(task),
                Poll::Ready(value) => {
                    *this.1.lock().expect("no other thread panicked") = Some(value)
                }
            }
        }
    }
    impl Wake for Inline {
        fn wake(self: Arc<Self>) {
            Self::poll(&self);
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("the runtime is built");
    let _entered = runtime.enter();
    let cache: cache_tokio::Cache<u32, u32> = cache_tokio::Cache::new(10);
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let leads = {
        let (cache, gate) = (cache.clone(), gate.clone());
        async move {
            let inner = cache.clone();
            let load = || async move {
                let gated = || async move {
                    drop(gate.acquire().await);
                    2
                };
                inner.get_with_scoped(2, gated).await
            };
            cache.get_with(1, load).await + 10
        }
    };
    let mut leads = Box::pin(leads);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(leads.as_mut().poll(&mut cx).is_pending());
    let inline = async move {
        let two = cache.get_with(2, || async { 0 }).await;
        let load = || async { Ok::<_, ()>(0) };
        let one = cache.try_get_with(1, load).await;
        two + one.expect("the call is not part of that load")
    };
    let inline = Arc::new(Inline(Mutex::new(Some(Box::pin(inline))), Mutex::default()));
    Inline::poll(&inline);
    gate.close();
    assert_eq!(runtime.block_on(leads), 12);
    runtime.block_on(tokio::task::yield_now());
    assert_eq!(*inline.1.lock().expect("no other thread panicked"), Some(4));
}

#[test]
fn a_computation_without_a_change_returns_no_expired_value() {
    let runtime = VirtualRuntime::new();
    let cache: Virtual<u32> = Cache::builder_on(runtime.clone())
        .time_to_live(10 * SECOND)
        .build();
    cache.insert(1, 111);
    let (computes, sleepy) = (cache.clone(), runtime.clone());
    runtime.spawn(async move {
        let nothing = |_| async move {
            sleepy.sleep(20 * SECOND).await;
            Op::Nop
        };
        let _unchanged = computes.entry(1).and_compute_with(nothing).await;
    });
    runtime.advance(15 * SECOND);
    assert_eq!(cache.get(&1), None);
    let value = runtime.block_on(cache.get_with(1, || async { 222 }));
    assert_eq!(value, 222);
}

#[test]
fn a_waiter_of_a_computation_that_removes_the_key_runs_its_own_loader() {
    let runtime = VirtualRuntime::new();
    let cache: Virtual<u32> = Cache::builder_on(runtime.clone()).build();
    let (computes, sleepy) = (cache.clone(), runtime.clone());
    runtime.spawn(async move {
        let remove = |_| async move {
            sleepy.sleep(20 * SECOND).await;
            Op::Remove
        };
        let _removed = computes.entry(1).and_compute_with(remove).await;
    });
    runtime.advance(15 * SECOND);
    let value = runtime.block_on(cache.optionally_get_with(1, || async { Some(222) }));
    assert_eq!(value, Some(222));
}

#[test]
fn a_panicking_weigher_suppresses_no_notice() {
    let runtime = VirtualRuntime::new();
    let notified = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&notified);
    let cache: Virtual<u32> = Cache::builder_on(runtime.clone())
        .shards(1)
        .time_to_live(SECOND)
        .weigher(|_, value| {
            assert!(*value > 0, "the weigher panics");
            1
        })
        .eviction_listener(move |_, _, _| {
            count.fetch_add(1, Ordering::SeqCst);
        })
        .build();
    (0..4).for_each(|key| cache.insert(key, 1));
    runtime.advance(5 * SECOND);
    assert!(caught(|| cache.insert(9, 0)));
    cache.run_pending_tasks();
    assert_eq!(cache.entry_count(), 0);
    assert_eq!(notified.load(Ordering::SeqCst), 4);
    assert_eq!(cache.stats().removals(RemovalCause::Expired), 4);
}

#[test]
fn a_heavy_entry_reclaims_no_more_capacity_from_other_shards_than_it_needs() {
    let cache: Virtual<u32> = Cache::builder_on(VirtualRuntime::new())
        .shards(4)
        .max_capacity(400)
        .hash_seed(1)
        .build();
    (0..400).for_each(|key| cache.insert(key, 1));
    cache.insert_weighted(1_000, 1, 200);
    assert_eq!(cache.weighted_size(), 400);
}

/// The compiler erases `'static` in coroutines, so a future may fail to be `Send` though its types
/// are.
#[test]
fn a_load_of_any_type_that_is_send_can_be_spawned() {
    type Boxed = Box<dyn std::error::Error + Send + Sync>;
    type Hook = Arc<dyn Fn() + Send + Sync>;
    async fn find() -> Result<Arc<u32>, Boxed> {
        Ok(Arc::new(1))
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("the runtime is built");
    runtime.block_on(async {
        let cache: cache_tokio::Cache<String, Arc<u32>> = cache_tokio::Cache::new(9);
        let (a, b, c) = (cache.clone(), cache.clone(), cache.clone());
        let value = tokio::spawn(async move { a.try_get_with("a".into(), find).await });
        assert_eq!(*value.await.expect("no panic").expect("a value"), 1);
        let value = tokio::spawn(async move { b.try_get_with_scoped("b".into(), find).await });
        assert_eq!(*value.await.expect("no panic").expect("a value"), 1);
        let value = tokio::spawn(async move { c.refresh("c".into(), find).await });
        assert_eq!(*value.await.expect("no panic").expect("a value"), 1);
        let fails = || async { Err::<Arc<u32>, &'static str>("down") };
        let failed = tokio::spawn(async move { cache.try_get_with("d".into(), fails).await });
        assert!(failed.await.expect("no panic").is_err());

        let hooks: cache_tokio::Cache<&'static str, Hook> = cache_tokio::Cache::new(9);
        let hook = tokio::spawn(async move {
            hooks
                .get_with("e", || async { Arc::new(|| ()) as Hook })
                .await
        });
        hook.await.expect("no panic")();

        let names: cache_tokio::Cache<u32, &'static str> = cache_tokio::Cache::new(9);
        let batches = names.batching(|keys: Vec<u32>| async move {
            keys.into_iter()
                .map(|_| Ok("name"))
                .collect::<Vec<Result<_, Boxed>>>()
        });
        batches.dispatch();
    });
}

/// Between joining the flight of a key and waiting for its batch, a caller was not counted. The
/// batch was at its loader, was dropped with its only other caller, and the key was requested
/// again.
#[test]
fn a_key_is_requested_once_though_a_caller_joins_as_the_only_other_one_is_cancelled() {
    let runtime = VirtualRuntime::new();
    let other: Rc<RefCell<Option<LocalBoxed>>> = Rc::default();
    let leaves = Rc::clone(&other);
    // The join removes an expired entry.
    let cache: Virtual<u32> = Cache::builder_on(runtime.clone())
        .eviction_listener(move |_: &u32, _: &u32, _| drop(leaves.take()))
        .shards(1)
        .build();
    let requests = Rc::new(Cell::new(0));
    let batches = cache
        .batching_builder({
            let (runtime, requests) = (runtime.clone(), Rc::clone(&requests));
            move |keys: Vec<u32>| async move {
                requests.set(requests.get() + 1);
                runtime.sleep(9 * SECOND).await;
                keys
            }
        })
        .max_batch_size(1)
        .build();
    cache.insert_with_ttl(9, 9, Ttl::After(SECOND));
    let view = batches.clone();
    let mut call = Box::pin(async move { drop(view.get(1).await) });
    let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
    *other.borrow_mut() = Some(call);
    let answer = runtime.block_on(async {
        runtime.sleep(3 * SECOND).await;
        batches.get(1).await
    });
    assert_eq!(answer.unwrap(), Some(1));
    assert!(other.borrow().is_none(), "the other caller is cancelled");
    assert_eq!(requests.get(), 1);
}

/// The deadline of a debounced window moved just after its timer fired, and the timer was not set
/// again.
#[test]
fn a_debounced_window_that_is_joined_as_its_timer_fires_is_dispatched() {
    let runtime = VirtualRuntime::new();
    let due: WhenDue = Rc::default();
    let hooked = Hooked {
        runtime: runtime.clone(),
        due: Rc::clone(&due),
    };
    let batches = Cache::<u32, u32, _>::builder_on(hooked)
        .build()
        .batching_builder(|keys: Vec<u32>| async move { keys })
        .batch_window(BatchWindow::Debounce {
            gap: SECOND,
            max: 10 * SECOND,
        })
        .build();
    let (first, second) = (batches.clone(), batches);
    let first = runtime.spawn(async move { first.get(1).await });
    runtime.run_until_idle();
    let late: Rc<RefCell<Option<JoinHandle<_>>>> = Rc::default();
    *due.borrow_mut() = Some(Box::new({
        let (late, runtime) = (Rc::clone(&late), runtime.clone());
        move || {
            let mut load = Box::pin(async move { second.get(2).await });
            let polled = load.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending());
            *late.borrow_mut() = Some(runtime.spawn(load));
        }
    }));
    runtime.advance(SECOND);
    assert!(!first.is_finished(), "the window was joined a moment ago");
    runtime.advance(SECOND);
    let late = late.take().expect("the timer has fired");
    assert_eq!(
        first.take().expect("the batch was dispatched").unwrap(),
        Some(1)
    );
    assert_eq!(
        late.take().expect("the batch was dispatched").unwrap(),
        Some(2)
    );
}

/// Runs once a timer has fired.
type WhenDue = Rc<RefCell<Option<Box<dyn FnOnce()>>>>;

/// A [`VirtualRuntime`] whose timers run a hook when they fire, before they return to their caller.
struct Hooked {
    runtime: VirtualRuntime,
    due: WhenDue,
}

struct HookedTimer {
    timer: VirtualTimer,
    due: WhenDue,
}

impl Runtime for Hooked {
    type Flavor = CurrentThread;
    type Lock<T> = LocalRwLock<T>;
    type Mutex<T> = LocalMutex<T>;
    type Timer = HookedTimer;

    fn now(&self) -> Instant {
        self.runtime.now()
    }

    fn timer(&self) -> Option<HookedTimer> {
        Some(HookedTimer {
            timer: self.runtime.timer()?,
            due: Rc::clone(&self.due),
        })
    }

    fn spawn(&self, task: Task<Self>) -> Result<(), Task<Self>> {
        Runtime::spawn(&self.runtime, task)
    }

    fn context<T>(&self, f: impl FnOnce(&runtime::Context) -> T) -> T {
        self.runtime.context(f)
    }
}

impl Timer for HookedTimer {
    fn poll_until(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let polled = self.timer.poll_until(deadline, cx);
        if polled.is_ready() {
            let happens = self.due.take();
            happens.into_iter().for_each(|happens| happens());
        }
        polled
    }
}
