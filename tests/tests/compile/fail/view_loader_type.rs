//! The loader of a view has another argument or another result than the view takes.

#![allow(unused_variables)]

use cache_tokio::Cache;

async fn find(id: u64) -> Option<String> {
    Some(format!("user {id}"))
}

async fn fetch(id: u64) -> String {
    format!("user {id}")
}

async fn count(ids: Vec<u64>) -> usize {
    ids.len()
}

struct Db;

fn option_in_loading(users: &Cache<u64, String>) {
    let view = users.loading(find);
}

fn value_in_loading_optional(users: &Cache<u64, String>) {
    let view = users.loading_optional(fetch);
}

fn other_value(users: &Cache<u64, String>) {
    let view = users.loading(|id: u64| async move { id });
}

fn reference_to_the_key(users: &Cache<u64, String>) {
    let view = users.loading(|id: &u64| fetch(*id));
}

fn future_instead_of_closure(users: &Cache<u64, String>) {
    let view = users.loading(fetch(1));
}

fn one_key_in_a_batch(users: &Cache<u64, String>) {
    let view = users.batching(fetch);
}

fn one_value_for_a_batch(users: &Cache<u64, String>) {
    let view = users.batching(count);
}

fn no_loader(users: &Cache<u64, String>) {
    let view = users.batching(Db);
}

fn main() {}
