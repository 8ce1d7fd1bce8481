//! The loader of a view borrows: the view outlives what it borrows from.

#![allow(unused_variables)]

use cache_tokio::Cache;

struct Db;

impl Db {
    async fn user(&self, id: u64) -> String {
        format!("user {id}")
    }

    async fn users(&self, ids: Vec<u64>) -> Vec<String> {
        ids.iter().map(|id| format!("user {id}")).collect()
    }
}

struct App {
    db: Db,
    users: Cache<u64, String>,
}

impl App {
    fn from_self(&self) {
        let view = self.users.loading(|id: u64| self.db.user(id));
    }
}

fn from_a_variable(users: &Cache<u64, String>) {
    let db = Db;
    let view = users.loading(|id: u64| async { db.user(id).await });
}

fn from_a_variable_in_a_batch(users: &Cache<u64, String>) {
    let db = Db;
    let view = users.batching(|ids: Vec<u64>| db.users(ids));
}

fn main() {}
