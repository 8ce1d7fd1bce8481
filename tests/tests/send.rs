//! The future of every method is `Send` if its parts are, also if a loader awaits a boxed future,
//! as `async_trait`, `BoxFuture` and trait objects do. Each future is spawned on a multi-threaded
//! runtime, which requires `Send`.

#![allow(missing_docs)]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use cache_core::{BatchWindow, Computed, Loaded, Loader, Op};
use cache_tokio::{BatchLoader, Cache, LoadingCache, OptionalLoadingCache, cached};
use futures_util::StreamExt;

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A backend behind a trait object, in the form that `async_trait` generates.
trait Repo: Send + Sync {
    fn find<'a>(&'a self, key: &'a str) -> Boxed<'a, Result<usize, String>>;

    fn find_all<'a>(&'a self, keys: &'a [String]) -> Boxed<'a, Vec<usize>>;
}

/// A backend that returns the length of a key.
struct Lengths;

impl Repo for Lengths {
    fn find<'a>(&'a self, key: &'a str) -> Boxed<'a, Result<usize, String>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            Ok(key.len())
        })
    }

    fn find_all<'a>(&'a self, keys: &'a [String]) -> Boxed<'a, Vec<usize>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            keys.iter().map(String::len).collect()
        })
    }
}

fn repo() -> Arc<dyn Repo> {
    Arc::new(Lengths)
}

fn cache() -> Cache<String, usize> {
    Cache::builder().build()
}

/// A cached function that awaits a boxed future.
#[cached]
async fn cached_length(key: String) -> usize {
    repo().find(&key).await.unwrap_or(0)
}

/// The same for a fallible function.
#[cached]
async fn cached_find(key: String) -> Result<usize, String> {
    let found = repo().find(&key).await;
    found.map(|length| length + 1)
}

/// Runs `call` as a task that may move between threads.
async fn spawned<T: Send + 'static>(call: impl Future<Output = T> + Send + 'static) -> T {
    tokio::spawn(call).await.expect("the task does not panic")
}

/// A loader of single keys and of batches, as a type of its own.
#[derive(Clone)]
struct Finder(Arc<dyn Repo>);

impl Loader<String> for Finder {
    type Output = Result<usize, String>;

    async fn load(self, key: String) -> Self::Output {
        self.0.find(&key).await
    }
}

impl Loader<Vec<String>> for Finder {
    type Output = Vec<usize>;

    async fn load(self, keys: Vec<String>) -> Self::Output {
        self.0.find_all(&keys).await
    }
}

/// Spawns a call of each method of a view, with keys by value and by reference.
macro_rules! spawn_view {
    ($view:expr, $found:expr) => {{
        let (view, found) = ($view, $found);
        let calls = view.clone();
        let one = spawned(async move { calls.get("one").await }).await;
        assert_eq!(one.unwrap(), found(3));
        let calls = view.clone();
        let one = spawned(async move { calls.get("three".to_owned()).await }).await;
        assert_eq!(one.unwrap(), found(5));
        let calls = view.clone();
        let keys = vec!["one".to_owned(), "three".to_owned()];
        let many = spawned(async move { calls.get_all(keys).await }).await;
        assert!(many.into_iter().flatten().eq([found(3), found(5)]));
        let calls = view.clone();
        let keys = ["two".to_owned(), "seven".to_owned()];
        let many = spawned(async move { calls.get_all(keys.iter().map(|key| &**key)).await });
        assert!(many.await.into_iter().flatten().eq([found(3), found(5)]));
        let calls = view.clone();
        let keys = ["eleven".to_owned()];
        let each = spawned(async move { calls.get_each(keys).collect::<Vec<_>>().await });
        let each = each
            .await
            .into_iter()
            .map(|(key, found)| (key, found.unwrap()));
        assert!(each.eq([("eleven".to_owned(), found(6))]));
        let calls = view.clone();
        let each = spawned(async move {
            let keys = ["twelve".to_owned()];
            calls
                .get_each(&keys)
                .map(|(key, found)| (key.len(), found))
                .collect::<Vec<_>>()
                .await
        });
        let each = each
            .await
            .into_iter()
            .map(|(key, found)| (key, found.unwrap()));
        assert!(each.eq([(6, found(6))]));
        let refreshed = spawned(async move { view.refresh("one").await }).await;
        assert_eq!(refreshed.unwrap(), found(3));
    }};
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_whose_loader_awaits_a_boxed_future_are_spawned() {
    let source = repo();
    let loader = move |keys: Vec<String>| {
        let source = Arc::clone(&source);
        async move { source.find_all(&keys).await }
    };
    let window = BatchWindow::Yield(1);
    let view: BatchLoader<String, usize> = cache()
        .batching_builder(loader)
        .batch_window(window)
        .build();
    spawn_view!(view, Some);
    let view = cache().batching_builder(Finder(repo()));
    spawn_view!(view.batch_window(window).build(), Some);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_whose_loader_awaits_a_boxed_future_is_spawned() {
    let source = repo();
    let view: LoadingCache<String, usize, String> = cache().loading(move |key: String| {
        let source = Arc::clone(&source);
        async move { source.find(&key).await }
    });
    spawn_view!(view, |found| found);
    spawn_view!(cache().loading(Finder(repo())), |found| found);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_optional_view_whose_loader_awaits_a_boxed_future_is_spawned() {
    let source = repo();
    let loader = move |key: String| {
        let source = Arc::clone(&source);
        async move { source.find(&key).await.map(Some) }
    };
    let view: OptionalLoadingCache<String, usize, String> = cache().loading_optional(loader);
    spawn_view!(view, Some);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_up_whose_loaders_await_boxed_futures_is_spawned() {
    let (cache, source) = (cache(), repo());
    let warms = cache.clone();
    let report = spawned(async move {
        let keys = ["one", "two", "three"];
        let loaders = keys.iter().map(|key| {
            let (key, source) = ((*key).to_owned(), Arc::clone(&source));
            (key.clone(), move || async move { source.find(&key).await })
        });
        warms.warm(2, loaders).await
    });
    let report = report.await;
    assert_eq!((report.loaded, report.failures.len()), (3, 0));
    let (source, progress) = (repo(), Arc::new(std::sync::Mutex::new(vec![])));
    let notes = Arc::clone(&progress);
    let report = spawned(async move {
        let loaders = vec!["one".to_owned(), "four".to_owned()].into_iter();
        let loaders = loaders.map(|key| {
            let source = Arc::clone(&source);
            (key.clone(), move || async move { source.find(&key).await })
        });
        let note = |progress: cache_core::WarmProgress| {
            notes.lock().expect("no panic").push(progress.done);
        };
        cache.warm_with_progress(2, loaders, note).await
    });
    let report = report.await;
    assert_eq!((report.present, report.loaded), (1, 1));
    assert_eq!(*progress.lock().expect("no panic"), [1, 2]);
}

/// Spawns a call of each method, with a loader that awaits a boxed future.
macro_rules! spawn_loads {
    ($($method:ident($($key:tt)*) $answer:expr => $expected:expr;)*) => {$({
        let (cache, source) = (cache(), repo());
        let answer = spawned(async move {
            let id = "four".to_owned();
            let load = || {
                let (source, id) = (Arc::clone(&source), id.clone());
                async move { $answer(source.find(&id).await) }
            };
            cache.$method($($key)* id.clone(), load).await
        });
        assert_eq!(answer.await, $expected, stringify!($method));
    })*};
}

#[tokio::test(flavor = "multi_thread")]
async fn loads_that_await_a_boxed_future_are_spawned() {
    let value = |found: Result<usize, String>| found.expect("a value");
    let weighed = |found: Result<usize, String>| found.map(Loaded::new);
    let same = |found: Result<usize, String>| found;
    spawn_loads! {
        get_with() value => 4;
        get_with_by_ref(&) value => 4;
        optionally_get_with() Result::ok => Some(4);
        optionally_get_with_by_ref(&) Result::ok => Some(4);
    }
    spawn_loads! {
        get_with_scoped() value => 4;
        optionally_get_with_scoped() Result::ok => Some(4);
    }
    macro_rules! fallible {
        ($($method:ident($($key:tt)*) $answer:expr;)*) => {$({
            let (cache, source) = (cache(), repo());
            let answer = spawned(async move {
                let id = "four".to_owned();
                let load = || {
                    let (source, id) = (Arc::clone(&source), id.clone());
                    async move { $answer(source.find(&id).await) }
                };
                cache.$method($($key)* id.clone(), load).await
            });
            assert_eq!(answer.await.unwrap(), 4, stringify!($method));
        })*};
    }
    fallible! {
        try_get_with() same;
        try_get_with_by_ref(&) same;
        try_get_with_scoped() same;
        load_with() weighed;
        load_with_by_ref(&) weighed;
        load_with_scoped() weighed;
        refresh() same;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn loads_that_may_find_nothing_and_await_a_boxed_future_are_spawned() {
    let (cache, source) = (cache(), repo());
    let answers = spawned(async move {
        let id = "four".to_owned();
        let load = || {
            let (source, id) = (Arc::clone(&source), id.clone());
            async move { source.find(&id).await.map(Some) }
        };
        let first = cache.try_optionally_get_with("one".into(), load).await;
        let second = cache.try_optionally_get_with_by_ref("two", load).await;
        let load = || async { source.find(&id).await.map(Some) };
        let third = cache.try_optionally_get_with_scoped("three".into(), load);
        [first, second, third.await]
    });
    for answer in answers.await {
        assert_eq!(answer.unwrap(), Some(4));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scoped_loads_that_borrow_a_boxed_future_are_spawned() {
    let (cache, source) = (cache(), repo());
    let answers = spawned(async move {
        let id = "four".to_owned();
        let load = || async { source.find(&id).await };
        let first = cache.try_get_with_scoped("one".into(), load).await;
        let second = cache.entry("two".into());
        let second = second.or_insert_with_scoped(|| async { source.find(&id).await.unwrap_or(0) });
        (first, second.await.value)
    });
    let (first, second) = answers.await;
    assert_eq!((first.unwrap(), second), (4, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_whose_computation_awaits_a_boxed_future_are_spawned() {
    let (cache, source) = (cache(), repo());
    let answers = spawned(async move {
        let first = cache.entry("one".into()).or_insert(1).await.value;
        let load = {
            let source = Arc::clone(&source);
            || async move { source.find("two").await.unwrap_or(0) }
        };
        let second = cache.entry("two".into()).or_insert_with(load).await.value;
        let compute = |old: Option<usize>| {
            let source = &source;
            async move { Op::put(old.unwrap_or(0) + source.find("two").await.unwrap_or(0)) }
        };
        let third = cache.entry("one".into()).and_compute_with(compute).await;
        (first, second, third)
    });
    assert_eq!(answers.await, (1, 3, Computed::Put(4)));
}

#[tokio::test(flavor = "multi_thread")]
async fn cached_functions_that_await_a_boxed_future_are_spawned() {
    let length = spawned(async { cached_length("four".to_owned()).await });
    assert_eq!(length.await, 4);
    let found = spawned(async { cached_find("four".to_owned()).await });
    assert_eq!(found.await.unwrap(), 5);
}
