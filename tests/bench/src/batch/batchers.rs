//! The batch loaders under test. Each is set up as its own docs recommend, with its cache if it has
//! one.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use async_graphql::dataloader::{self as graphql, HashMapCache, NoCache};
use cache_tokio::{BatchLoader, BatchOutput, BatchWindow, Cache, Loader};
use dataloader::{BatchFn, cached};

use super::backend::{Backend, answer};

/// Loads single keys in batches.
pub(super) trait Batcher: Clone + Send + Sync + 'static {
    fn load(&self, key: u64) -> impl Future<Output = u64> + Send;
}

/// The baseline: no batch loader at all.
#[derive(Clone, Debug)]
pub(super) struct Nothing;

impl Batcher for Nothing {
    async fn load(&self, key: u64) -> u64 {
        answer(key)
    }
}

/// This cache, with a batch function that returns a map.
pub(super) fn ours(backend: Backend, batch: usize) -> impl Batcher {
    view(batch, move |keys: Vec<u64>| async move {
        backend.fetch(&keys).await
    })
}

/// This cache, with a batch function that returns the values in the order of the keys.
pub(super) fn in_order(backend: Backend, batch: usize) -> impl Batcher {
    view(batch, move |keys: Vec<u64>| async move {
        backend.fetch_in_order(&keys).await
    })
}

fn view<L>(batch: usize, loader: L) -> BatchLoader<u64, u64>
where
    L: Loader<Vec<u64>, Output: BatchOutput<u64, u64, Error = Infallible>>,
{
    let cache: Cache<u64, u64> = Cache::new(CAPACITY);
    cache
        .batching_builder(loader)
        .batch_window(BatchWindow::Yield(1))
        .max_batch_size(batch)
        .build()
}

impl Batcher for BatchLoader<u64, u64> {
    async fn load(&self, key: u64) -> u64 {
        self.get(key).await.ok().flatten().unwrap_or(0)
    }
}

/// The `dataloader` package, with its cache.
#[derive(Clone)]
pub(super) struct Dataloader(Arc<cached::Loader<u64, u64, Backend>>);

impl Dataloader {
    pub(super) fn new(backend: Backend, batch: usize) -> Self {
        Self(Arc::new(
            cached::Loader::new(backend).with_max_batch_size(batch),
        ))
    }
}

impl BatchFn<u64, u64> for Backend {
    async fn load(&mut self, keys: &[u64]) -> HashMap<u64, u64> {
        self.fetch(keys).await
    }
}

impl Batcher for Dataloader {
    async fn load(&self, key: u64) -> u64 {
        self.0.try_load(key).await.unwrap_or(0)
    }
}

/// async-graphql's loader, with its cache.
#[derive(Clone)]
pub(super) struct AsyncGraphql(Arc<graphql::DataLoader<Backend, HashMapCache>>);

impl AsyncGraphql {
    pub(super) fn new(backend: Backend, batch: usize) -> Self {
        let loader =
            graphql::DataLoader::with_cache(backend, tokio::spawn, HashMapCache::default());
        Self(Arc::new(loader.max_batch_size(batch)))
    }
}

impl graphql::Loader<u64> for Backend {
    type Value = u64;
    type Error = ();

    async fn load(&self, keys: &[u64]) -> Result<HashMap<u64, u64>, ()> {
        Ok(self.fetch(keys).await)
    }
}

impl Batcher for AsyncGraphql {
    async fn load(&self, key: u64) -> u64 {
        self.0.load_one(key).await.ok().flatten().unwrap_or(0)
    }
}

/// async-graphql's loader with its default settings, without a cache.
#[derive(Clone)]
pub(super) struct AsyncGraphqlWithoutCache(Arc<graphql::DataLoader<Backend, NoCache>>);

impl AsyncGraphqlWithoutCache {
    pub(super) fn new(backend: Backend, batch: usize) -> Self {
        let loader = graphql::DataLoader::new(backend, tokio::spawn);
        Self(Arc::new(loader.max_batch_size(batch)))
    }
}

impl Batcher for AsyncGraphqlWithoutCache {
    async fn load(&self, key: u64) -> u64 {
        self.0.load_one(key).await.ok().flatten().unwrap_or(0)
    }
}

/// Capacity of the cache in entries. Every key fits.
const CAPACITY: u64 = 1_000_000;
