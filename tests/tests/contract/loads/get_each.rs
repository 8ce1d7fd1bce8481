//! `get_each`: a stream of results, in the order in which they are ready.

use std::panic::AssertUnwindSafe;

use futures_util::stream::FusedStream;
use futures_util::{FutureExt, Stream, StreamExt};

use crate::contract::support::backend::{Backend, poll_once};
use crate::contract::support::batch_backend::{Store, WINDOW, building, cache, ten, tens};
use crate::contract::support::common::boom;
use crate::harness::{advance, run, until};

#[test]
fn each_result_of_a_loading_view_is_returned_once_it_is_ready() {
    run(|| async {
        let (cache, even, odd) = (cache(), Backend::new(), Backend::new());
        let sources = [even.clone(), odd.clone()];
        let view = cache.loading(move |key: u32| sources[key as usize % 2].answer(ten(key)));
        cache.insert(7, 70);
        let mut each = view.get_each([2, 3, 7]);
        assert_eq!(each.size_hint(), (3, Some(3)));
        let (key, hit) = each.next().await.expect("three results");
        assert_eq!((key, hit.unwrap()), (7, 70));
        assert!(poll_once(&mut each.next()).is_pending());
        odd.open();
        let (key, loaded) = each.next().await.expect("three results");
        assert_eq!((key, loaded.unwrap()), (3, 30));
        assert!(!each.is_terminated());
        even.open();
        let (key, loaded) = each.next().await.expect("three results");
        assert_eq!((key, loaded.unwrap()), (2, 20));
        assert!(each.is_terminated());
        assert!(each.next().await.is_none());
        assert!(each.next().await.is_none(), "the stream stays at its end");
    });
}

#[test]
fn the_results_of_one_batch_do_not_wait_for_the_next_batch() {
    run(|| async {
        let (cache, store) = (cache(), Store::new());
        let view = building(&cache, &store, tens).max_batch_size(2).build();
        let mut each = view.get_each(&[1, 2, 3]);
        assert!(poll_once(&mut each.next()).is_pending());
        store.answer_one();
        let mut first = vec![];
        for _ in 0..2 {
            let (key, loaded) = each.next().await.expect("three results");
            first.push((*key, loaded.unwrap()));
        }
        first.sort_unstable();
        assert_eq!(first, [(1, Some(10)), (2, Some(20))]);
        advance(WINDOW).await;
        store.open();
        let (key, loaded) = each.next().await.expect("three results");
        assert_eq!((*key, loaded.unwrap()), (3, Some(30)));
        assert!(each.next().await.is_none());
        assert_eq!(store.requested(), [vec![1, 2], vec![3]]);
    });
}

#[test]
fn the_loads_begin_with_the_first_poll_and_end_with_the_drop_of_the_stream() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let source = backend.clone();
        let view = cache.loading(move |key: u32| source.answer(ten(key)));
        let mut each = view.get_each([1, 2]);
        assert_eq!(cache.flight_count(), 0);
        assert!(poll_once(&mut each.next()).is_pending());
        assert_eq!((cache.flight_count(), backend.calls()), (2, 2));
        drop(each);
        until(|| cache.flight_count() == 0).await;
        let mut each = view.get_each::<u32, _>([]);
        assert!(each.next().await.is_none());
    });
}

#[test]
fn a_panic_of_one_loader_leaves_the_other_results_in_the_stream() {
    run(|| async {
        let cache = cache();
        let view = cache.loading(|key: u32| async move {
            if key == 1 {
                boom();
            }
            ten(key)
        });
        let mut each = view.get_each([1, 2]);
        let first = AssertUnwindSafe(each.next()).catch_unwind().await;
        assert!(first.is_err());
        let (key, loaded) = each.next().await.expect("the other result");
        assert_eq!((key, loaded.unwrap()), (2, 20));
        assert!(each.is_terminated());
    });
}
