//! The report of a warm-up: one count for each element of the sequence.

use cache_core::{LoadError, WarmProgress};

use crate::contract::support::backend::{Backend, yields};
use crate::contract::support::common::{Notices, assert_sound};
use crate::harness::{Boxed, Cache, run, runtime, spawn, until};

fn cache() -> Cache<u32, u64> {
    Cache::builder_on(runtime()).build()
}

type Answer = Boxed<Result<u64, String>>;

/// A key, and its loader, which waits for the backend.
fn loader(backend: &Backend, key: u32) -> (u32, impl FnOnce() -> Answer + use<>) {
    let source = backend.clone();
    let load = move || -> Answer { Box::pin(source.answer(Ok(u64::from(key) * 10))) };
    (key, load)
}

#[test]
fn a_duplicate_key_in_a_warm_up_is_one_load_and_is_reported_as_coalesced() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let (warms, source) = (cache.clone(), backend.clone());
        let seen = Notices::new();
        let sees = seen.clone();
        let warm = spawn(async move {
            let progress = |progress: WarmProgress| {
                sees.push((progress.done, progress.failed, progress.total));
            };
            let loaders = [1, 2, 1, 1].map(|key| loader(&source, key));
            warms.warm_with_progress(10, loaders, progress).await
        });
        until(|| backend.calls() == 2 && cache.stats().coalesced == 2).await;
        backend.open();
        let report = warm.join().await;
        assert_eq!((report.loaded, report.coalesced), (2, 2));
        assert_eq!((report.present, report.failures.len()), (0, 0));
        let stats = cache.stats();
        assert_eq!((stats.misses, stats.loads, stats.coalesced), (4, 2, 2));
        let total = Some(4);
        let expected = [(1, 0, total), (2, 0, total), (3, 0, total), (4, 0, total)];
        assert_eq!(seen.take(), expected, "each element of the sequence counts");
        assert_sound(&cache, |_, _| 1);
    });
}

#[test]
fn a_key_that_repeats_after_its_load_is_reported_as_present() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::opened());
        let loaders = [1, 2, 1].map(|key| loader(&backend, key));
        let report = cache.warm(1, loaders).await;
        assert_eq!((report.loaded, report.coalesced), (2, 0));
        assert_eq!((report.present, report.failures.len()), (1, 0));
        assert_eq!(backend.calls(), 2);
    });
}

#[test]
fn each_element_that_joined_a_failed_load_is_reported_as_failed() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let (warms, source) = (cache.clone(), backend.clone());
        let warm = spawn(async move {
            let loaders = [1, 1, 2].map(|key| {
                let source = source.clone();
                let load = move || source.answer(if key == 1 { Err("down") } else { Ok(20) });
                (key, load)
            });
            warms.warm(10, loaders).await
        });
        until(|| backend.calls() == 2 && cache.stats().coalesced == 1).await;
        backend.open();
        let report = warm.join().await;
        assert_eq!((report.loaded, report.coalesced, report.present), (1, 0, 0));
        let failed = report.failures.iter().map(|(key, error)| match error {
            LoadError::Loader(error) => (*key, **error),
            other => panic!("{key}: {other}"),
        });
        assert_eq!(failed.collect::<Vec<_>>(), [(1, "down"), (1, "down")]);
    });
}

/// The joined load found no value, which a warm-up cannot use, so its own loader runs.
#[test]
fn a_key_whose_own_loader_ran_after_a_join_is_reported_as_loaded() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let (loads, source) = (cache.clone(), backend.clone());
        let none = spawn(async move {
            let load = || source.answer(None);
            loads.optionally_get_with(1, load).await
        });
        until(|| backend.calls() == 1).await;
        let (warms, source) = (cache.clone(), backend.clone());
        let warm = spawn(async move { warms.warm(10, [loader(&source, 1)]).await });
        until(|| cache.stats().coalesced == 1).await;
        backend.open();
        let report = warm.join().await;
        assert_eq!((report.loaded, report.coalesced), (1, 0));
        assert_eq!(none.join().await, None);
    });
}

#[test]
fn a_warm_up_with_only_an_upper_bound_of_its_length_gives_no_total() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::opened());
        let seen = Notices::new();
        let progress = |progress: WarmProgress| seen.push((progress.done, progress.total));
        let odd = (1..6).map(|key| loader(&backend, key));
        let odd = odd.filter(|(key, _)| key % 2 == 1);
        let report = cache.warm_with_progress(2, odd, progress).await;
        assert_eq!(report.loaded, 3);
        assert_eq!(seen.take(), [(1, None), (2, None), (3, None)]);
    });
}

#[test]
fn a_warm_up_does_not_poll_a_sequence_after_its_end() {
    run(|| async {
        let (cache, mut polled) = (cache(), 0);
        let sequence = std::iter::from_fn(|| {
            polled += 1;
            assert!(polled <= 4, "the sequence is polled after its end");
            let load = || async {
                yields(3).await;
                Ok::<_, String>(1)
            };
            (polled < 4).then_some((polled, load))
        });
        let report = cache.warm(8, sequence).await;
        assert_eq!((report.loaded, polled), (3, 4));
    });
}
