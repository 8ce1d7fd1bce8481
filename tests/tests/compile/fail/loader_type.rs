//! A loader of another type than the method takes.

use cache_tokio::Cache;

async fn fetch(id: u64) -> u64 {
    id
}

async fn try_fetch(id: u64) -> Result<u64, std::io::Error> {
    Ok(id)
}

async fn future_instead_of_closure(users: &Cache<u64, u64>) -> u64 {
    users.get_with(1, fetch(1)).await
}

async fn function_with_an_argument(users: &Cache<u64, u64>) -> u64 {
    users.get_with(1, fetch).await
}

async fn result_in_get_with(users: &Cache<u64, u64>) -> u64 {
    users.get_with(1, || try_fetch(1)).await
}

async fn value_in_try_get_with(users: &Cache<u64, u64>) -> u64 {
    users.try_get_with(1, || fetch(1)).await.unwrap()
}

fn main() {}
