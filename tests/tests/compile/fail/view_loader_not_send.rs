//! The loader of a view is not `Send`, on a runtime that moves tasks between threads.

#![allow(unused_variables)]

use std::rc::Rc;

use cache_tokio::Cache;

fn holds_an_rc(prices: &Cache<u64, u64>) {
    let view = prices.loading(|id: u64| async move {
        let rate = Rc::new(10);
        tokio::task::yield_now().await;
        id * *rate
    });
}

fn captures_an_rc(prices: &Cache<u64, u64>, rate: Rc<u64>) {
    let view = prices.loading(move |id: u64| {
        let price = id * *rate;
        async move { price }
    });
}

fn holds_an_rc_in_a_batch(prices: &Cache<u64, u64>) {
    let view = prices.batching(|ids: Vec<u64>| async move {
        let rate = Rc::new(10);
        tokio::task::yield_now().await;
        ids.iter().map(|id| id * *rate).collect::<Vec<_>>()
    });
}

fn main() {}
