//! A loader's error that is not `Send`, on a runtime that moves tasks between threads.

use std::error::Error;

use cache_tokio::Cache;

async fn fetch() -> Result<u64, Box<dyn Error>> {
    Ok(1)
}

async fn boxed_error(users: &Cache<u64, u64>) -> u64 {
    users.try_get_with_scoped(1, fetch).await.unwrap()
}

fn main() {}
