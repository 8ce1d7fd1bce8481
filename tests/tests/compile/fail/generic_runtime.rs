//! A library that is generic over the runtime, without the bounds that it needs.

use std::future::Future;

use cache_core::runtime::Runtime;
use cache_core::Cache;

fn sessions<R: Runtime>(runtime: R) -> Cache<u64, String, R> {
    Cache::builder_on(runtime).build()
}

async fn session<R: Runtime, F>(cache: &Cache<u64, String, R>, fetch: F) -> String
where
    F: Future<Output = String>,
{
    cache.get_with(1, || fetch).await
}

fn main() {}
