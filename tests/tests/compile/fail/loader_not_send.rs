//! A loader that is not `Send`, on a runtime that moves tasks between threads.

use std::rc::Rc;

use cache_tokio::Cache;

async fn holds_an_rc(users: &Cache<u64, u64>) -> u64 {
    users
        .get_with(1, || async {
            let rate = Rc::new(10);
            tokio::task::yield_now().await;
            *rate
        })
        .await
}

async fn moves_an_rc(users: &Cache<u64, u64>, rate: Rc<u64>) -> u64 {
    users.get_with(1, || async move { *rate }).await
}

fn main() {}
