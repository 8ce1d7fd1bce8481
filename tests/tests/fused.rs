//! The futures of the loading methods and of views implement `FusedFuture`: each says when it has returned its
//! answer, and panics if it is polled after that.

#![allow(missing_docs)]

use std::future::ready;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use cache_core::testing::VirtualRuntime;
use cache_core::{Cache, Loaded};
use futures_util::future::FusedFuture;

type Keys = Cache<String, usize, VirtualRuntime>;

fn cache() -> Keys {
    Cache::builder_on(VirtualRuntime::new()).build()
}

/// Polls `load`, which is ready at once, and then once more.
fn check<F: FusedFuture>(load: F) {
    let mut load = Box::pin(load);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(!load.is_terminated());
    assert!(load.as_mut().poll(&mut cx).is_ready());
    assert!(load.is_terminated());
    let again = AssertUnwindSafe(|| Pin::new(&mut load).poll(&mut cx).is_ready());
    let panic = catch_unwind(again).unwrap_err();
    let message = panic.downcast_ref::<&str>().expect("a fixed message");
    assert_eq!(
        *message,
        "the future of a load was polled after it had returned its answer"
    );
    assert!(load.is_terminated());
}

/// Checks the future of each method on `key`, by value and by reference.
fn check_each(cache: impl Fn() -> Keys, key: &str) {
    let owned = || key.to_owned();
    check(cache().get_with(owned(), || ready(1)));
    check(cache().get_with_by_ref(key, || ready(1)));
    check(cache().get_with_scoped(owned(), || ready(1)));
    check(cache().get_with_by_ref_scoped(key, || ready(1)));
    check(cache().optionally_get_with(owned(), || ready(None)));
    check(cache().optionally_get_with_by_ref(key, || ready(None)));
    check(cache().optionally_get_with_scoped(owned(), || ready(None)));
    check(cache().optionally_get_with_by_ref_scoped(key, || ready(None)));
    check(cache().try_get_with(owned(), || ready(Err(()))));
    check(cache().try_get_with_by_ref(key, || ready(Err(()))));
    check(cache().try_get_with_scoped(owned(), || ready(Err(()))));
    check(cache().try_get_with_by_ref_scoped(key, || ready(Err(()))));
    let none = || ready(Ok::<_, ()>(None));
    check(cache().try_optionally_get_with(owned(), none));
    check(cache().try_optionally_get_with_by_ref(key, none));
    check(cache().try_optionally_get_with_scoped(owned(), none));
    check(cache().try_optionally_get_with_by_ref_scoped(key, none));
    let loaded = || ready(Ok::<_, ()>(Loaded::new(1)));
    check(cache().load_with(owned(), loaded));
    check(cache().load_with_by_ref(key, loaded));
    check(cache().load_with_scoped(owned(), loaded));
    check(cache().load_with_by_ref_scoped(key, loaded));
    check(cache().refresh(owned(), || ready(Ok::<_, ()>(1))));
    let view = cache().loading(|_: String| ready(Err::<usize, _>("down")));
    check(view.get(owned()));
    check(view.get(key));
    check(view.get_all([key, key]));
    check(view.refresh(key));
}

/// Polls `load` while its batch is open, and then until it is ready.
fn check_batch(runtime: &VirtualRuntime, load: impl FusedFuture) {
    let mut load = Box::pin(load);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(!load.is_terminated());
    assert!(load.as_mut().poll(&mut cx).is_pending());
    assert!(!load.is_terminated());
    runtime.advance(Duration::from_secs(1));
    assert!(load.as_mut().poll(&mut cx).is_ready());
    assert!(load.is_terminated());
}

#[test]
fn the_future_of_a_batching_view_is_terminated_once_it_is_ready() {
    let runtime = VirtualRuntime::new();
    let cache: Keys = Cache::builder_on(runtime.clone()).build();
    let lengths = |keys: Vec<String>| ready(keys.iter().map(String::len).collect::<Vec<_>>());
    let view = cache.batching(lengths);
    check_batch(&runtime, view.get("get"));
    check_batch(&runtime, view.get_all(["get", "all"]));
    check_batch(&runtime, view.refresh("get"));
    check(view.get("get"));
    check(view.get_all(["get", "all"]));
}

#[test]
fn the_future_of_a_miss_is_terminated_once_it_is_ready() {
    check_each(cache, "missing");
}

#[test]
fn the_future_of_a_hit_is_terminated_once_it_is_ready() {
    let filled = || {
        let cache = cache();
        cache.insert("stored".to_owned(), 1);
        cache
    };
    check_each(filled, "stored");
}

#[test]
fn the_future_of_a_waiter_is_terminated_once_it_is_ready() {
    let runtime = VirtualRuntime::new();
    let cache: Cache<u32, u32, _> = Cache::builder_on(runtime.clone()).build();
    let (send, receive) = futures_util::future::abortable(std::future::pending::<()>());
    let mut leader = Box::pin(cache.get_with(1, || async {
        let _ = send.await;
        7
    }));
    let mut waiter = Box::pin(cache.get_with_scoped(1, || ready(8)));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(leader.as_mut().poll(&mut cx).is_pending());
    assert!(waiter.as_mut().poll(&mut cx).is_pending());
    assert!(!leader.is_terminated() && !waiter.is_terminated());
    receive.abort();
    runtime.run_until_idle();
    assert!(leader.as_mut().poll(&mut cx).is_ready());
    assert!(waiter.as_mut().poll(&mut cx).is_ready());
    assert!(leader.is_terminated() && waiter.is_terminated());
}
