//! An eviction listener that is not `Send`, on a runtime that moves tasks between threads.

use std::cell::Cell;
use std::rc::Rc;

use cache_tokio::Cache;

fn main() {
    let count = Rc::new(Cell::new(0));
    let users: Cache<u64, u64> = Cache::builder()
        .eviction_listener(move |_, _, _| count.set(count.get() + 1))
        .build();
}
