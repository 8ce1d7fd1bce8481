//! Values and keys that are not `Send`, on a runtime that moves tasks between threads.

use std::rc::Rc;

use cache_tokio::Cache;

fn main() {
    let built: Cache<u64, Rc<str>> = Cache::builder().max_capacity(10).build();
    let new: Cache<Rc<str>, u64> = Cache::new(10);
}
