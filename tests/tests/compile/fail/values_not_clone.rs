//! Values that are not `Clone`, and keys that are not `Hash`.

use cache_tokio::Cache;

struct User;

#[derive(PartialEq, Eq)]
struct Id(u64);

fn main() {
    let users: Cache<u64, User> = Cache::new(10);
    let names: Cache<Id, String> = Cache::builder().build();
}
