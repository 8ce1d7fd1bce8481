//! Events between two steps of one caller. A runtime or a listener injects them.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::time::Duration;

use cache_core::runtime::{Context, CurrentThread, ExecutorId, Runtime, Task};
use cache_core::sync::{LocalMutex, LocalRwLock};
use cache_core::testing::{VirtualRuntime, VirtualTimer};
use cache_core::{Cache, Instant, Ttl};

use crate::contract::support::backend::{Backend, parked, poll_once};
use crate::contract::support::batch_backend::{Store, tens};

/// A runtime that runs a closure the next time the cache requests the executor.
#[derive(Clone)]
struct Busy {
    runtime: VirtualRuntime,
    does: Once,
}

type Once = Rc<RefCell<Option<Box<dyn FnOnce()>>>>;

impl Busy {
    fn on(runtime: &VirtualRuntime) -> Self {
        let (runtime, does) = (runtime.clone(), Rc::default());
        Self { runtime, does }
    }

    fn does(&self, what: impl FnOnce() + 'static) {
        *self.does.borrow_mut() = Some(Box::new(what));
    }

    fn has_done(&self) -> bool {
        self.does.borrow().is_none()
    }
}

impl Runtime for Busy {
    type Flavor = CurrentThread;
    type Lock<T> = LocalRwLock<T>;
    type Mutex<T> = LocalMutex<T>;
    type Timer = VirtualTimer;

    fn now(&self) -> Instant {
        self.runtime.now()
    }

    fn timer(&self) -> Option<VirtualTimer> {
        self.runtime.timer()
    }

    fn spawn(&self, task: Task<Self>) -> Result<(), Task<Self>> {
        Runtime::spawn(&self.runtime, task)
    }

    fn executor(&self) -> Option<ExecutorId> {
        let does = self.does.borrow_mut().take();
        if let Some(does) = does {
            does();
        }
        Some(ExecutorId::default())
    }

    fn context<T>(&self, f: impl FnOnce(&Context) -> T) -> T {
        self.runtime.context(f)
    }
}

#[test]
fn a_load_that_wakes_while_a_waiter_parks_is_polled_by_that_waiter() {
    let runtime = VirtualRuntime::without_spawner();
    let busy = Busy::on(&runtime);
    let cache: Cache<u32, u64, _> = Cache::builder_on(busy.clone()).build();
    let backend = Backend::new();
    let _leader = parked(cache.get_with(1, || backend.answer(10)));
    let _driver = parked(cache.get_with(1, || backend.answer(11)));
    busy.does({
        let backend = backend.clone();
        move || backend.open()
    });
    let answer = runtime.block_on(cache.get_with(1, || backend.answer(12)));
    assert!(busy.has_done());
    assert_eq!((answer, backend.calls()), (10, 1));
}

#[test]
fn a_waiter_that_parks_while_its_load_ends_returns_the_value() {
    let runtime = VirtualRuntime::new();
    let busy = Busy::on(&runtime);
    let cache: Cache<u32, u64, _> = Cache::builder_on(busy.clone()).build();
    let backend = Backend::new();
    let leader = parked(cache.get_with(1, || backend.answer(10)));
    let spawner = parked(cache.get_with(1, || backend.answer(11)));
    runtime.run_until_idle();
    busy.does({
        let (runtime, backend) = (runtime.clone(), backend.clone());
        move || {
            backend.open();
            runtime.run_until_idle();
        }
    });
    let mut waiter = Box::pin(cache.get_with(1, || backend.answer(12)));
    assert!(poll_once(&mut waiter).is_ready());
    assert!(busy.has_done());
    let answers = runtime.block_on(async { (leader.await, spawner.await) });
    assert_eq!((answers, backend.calls()), ((10, 10), 1));
}

#[test]
fn a_batch_that_wakes_while_a_caller_parks_is_polled_by_that_caller() {
    let runtime = VirtualRuntime::without_spawner();
    let busy = Busy::on(&runtime);
    let cache: Cache<u32, u64, _> = Cache::builder_on(busy.clone()).build();
    let store = Store::new();
    let source = store.clone();
    let view = cache
        .batching_builder(move |keys: Vec<u32>| source.fetch(keys, tens))
        .max_batch_size(1)
        .build();
    let _opener = parked(view.get(1));
    let mut driver = parked(view.get(1));
    assert!(poll_once(&mut driver).is_pending());
    assert_eq!(store.batches(), 1);
    busy.does({
        let store = store.clone();
        move || store.open()
    });
    let answer = runtime.block_on(view.get(1));
    assert!(busy.has_done());
    assert_eq!(answer.unwrap(), Some(10));
}

struct Counting(AtomicUsize);

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

type Answer = Result<Option<u64>, cache_core::LoadError<std::convert::Infallible>>;
type Call = Pin<Box<dyn Future<Output = Answer>>>;

/// The opener registers the flight of its key, and the listener runs before the flight is in the
/// batch. A caller that joins in between must be woken later, because the opener may never be
/// polled again.
#[test]
fn a_caller_that_joins_before_the_key_is_in_its_batch_is_woken_once_it_is() {
    let runtime = VirtualRuntime::without_spawner();
    let (once, joins): (Once, Rc<RefCell<Option<Call>>>) = Default::default();
    let on_notice = Rc::clone(&once);
    let cache: Cache<u32, u64, _> = Cache::builder_on(runtime.clone())
        .shards(1)
        .eviction_listener(move |_: &u32, _: &u64, _| {
            let joins = on_notice.borrow_mut().take();
            joins.into_iter().for_each(|joins| joins());
        })
        .build();
    let store = Store::opened();
    let source = store.clone();
    let view = cache.batching(move |keys: Vec<u32>| source.fetch(keys, tens));
    let woken = Arc::new(Counting(AtomicUsize::new(0)));
    cache.insert_with_ttl(9, 90, Ttl::After(Duration::from_secs(1)));
    runtime.advance(Duration::from_secs(1));
    *once.borrow_mut() = Some(Box::new({
        let (view, joins, waker) = (view.clone(), Rc::clone(&joins), Waker::from(woken.clone()));
        move || {
            let mut call: Call = Box::pin(async move { view.get(1).await });
            let polled = call.as_mut().poll(&mut TaskContext::from_waker(&waker));
            assert!(polled.is_pending());
            *joins.borrow_mut() = Some(call);
        }
    }));
    let _opener = parked(view.get(1));
    let joined = joins.borrow_mut().take().expect("the listener joined");
    assert!(woken.0.load(Ordering::SeqCst) > 0, "the caller was woken");
    assert_eq!(runtime.block_on(joined).unwrap(), Some(10));
    assert_eq!(
        (store.requested(), cache.stats().coalesced),
        (vec![vec![1]], 1)
    );
}

/// The callers are dropped while the loader runs in the background, so they cannot drop it.
#[test]
fn a_batch_whose_callers_are_all_dropped_inside_its_loader_is_dropped() {
    let runtime = VirtualRuntime::new();
    let cache: Cache<u32, u64, _> = Cache::builder_on(runtime.clone()).build();
    let (members, held): (Rc<RefCell<Vec<Call>>>, _) = (Rc::default(), Rc::new(()));
    let (leave, holds) = (Rc::clone(&members), Rc::clone(&held));
    let view = cache.batching(move |keys: Vec<u32>| {
        let (leave, holds) = (Rc::clone(&leave), Rc::clone(&holds));
        async move {
            let _holds = holds;
            let leave = leave.take();
            drop(leave);
            std::future::pending::<()>().await;
            tens(keys)
        }
    });
    let calls = (1..3).map(|key| -> Call {
        let view = view.clone();
        parked(async move { view.get(key).await })
    });
    members.borrow_mut().extend(calls);
    view.dispatch();
    runtime.run_until_idle();
    assert!(members.borrow().is_empty(), "all callers were dropped");
    assert_eq!((cache.flight_count(), cache.stats().loads_dropped), (0, 2));
    drop(view);
    assert_eq!(Rc::strong_count(&held), 1);
}

/// The loader wakes itself while a caller is about to park.
#[test]
fn a_batch_driven_by_a_task_and_its_callers_is_polled_again_when_it_wakes() {
    let runtime = VirtualRuntime::new();
    let cache: Cache<u32, u64, _> = Cache::builder_on(runtime.clone()).build();
    let member: Rc<RefCell<Option<Call>>> = Rc::default();
    let poll_member = {
        let member = Rc::clone(&member);
        move || {
            let mut member = member.borrow_mut();
            member.as_mut().map(|member| poll_once(member).is_pending())
        }
    };
    let loader = {
        let poll_member = poll_member.clone();
        move |keys: Vec<u32>| {
            let (poll_member, mut polls) = (poll_member.clone(), 0);
            std::future::poll_fn(move |cx| {
                polls += 1;
                if polls == 2 {
                    cx.waker().wake_by_ref();
                    assert_eq!(poll_member(), Some(true));
                }
                if polls < 3 {
                    Poll::Pending
                } else {
                    Poll::Ready(tens(keys.clone()))
                }
            })
        }
    };
    let view = cache.batching_builder(loader).max_batch_size(2).build();
    let opener = parked(view.get(1));
    let parks = view.clone();
    // This call fills the batch, which is at its loader from then on.
    *member.borrow_mut() = Some(parked(async move { parks.get(2).await }));
    // The batch was spawned for the opener. From now on the task and the other caller drive it.
    drop(opener);
    runtime.run_until_idle();
    assert_eq!([1, 2].map(|key| cache.get(&key)), [10, 20].map(Some));
}

/// The keys may be loaded again as soon as their flights have ended.
#[test]
fn the_loader_of_a_batch_is_dropped_before_its_first_flight_ends() {
    let runtime = VirtualRuntime::new();
    let (held, seen) = (Rc::new(()), Rc::new(RefCell::new(Vec::new())));
    let (sees, weak) = (Rc::clone(&seen), Rc::downgrade(&held));
    let cache: Cache<u32, u64, _> = Cache::builder_on(runtime.clone())
        .eviction_listener(move |_: &u32, _: &u64, _| {
            sees.borrow_mut().push(weak.strong_count());
        })
        .build();
    let holds = RefCell::new(Some(held));
    let holds = Rc::new(holds);
    let view = cache.batching(move |keys: Vec<u32>| {
        // Held until the future is dropped, not only until it is ready.
        let held = holds.take();
        std::future::poll_fn(move |_| {
            let _held = &held;
            Poll::Ready(tens(keys.clone()))
        })
    });
    (1..4).for_each(|key| cache.insert(key, 0));
    let calls = async { tokio::join!(view.refresh(1), view.refresh(2), view.refresh(3)) };
    let (one, two, three) = runtime.block_on(calls);
    assert_eq!(
        [one, two, three].map(Result::unwrap),
        [10, 20, 30].map(Some)
    );
    assert_eq!(*seen.borrow(), [0; 3]);
}
