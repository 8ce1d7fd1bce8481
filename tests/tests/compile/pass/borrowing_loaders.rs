//! The remedies for a loader that borrows: a clone and `async move`, or a `_scoped` method.

use std::sync::Arc;

use cache_tokio::Cache;

struct Db;

impl Db {
    async fn user(&self, id: u64) -> String {
        format!("user {id}")
    }
}

struct App {
    db: Arc<Db>,
    users: Cache<u64, String>,
    names: Cache<String, usize>,
}

impl App {
    async fn cloned(&self, id: u64) -> String {
        let load = || {
            let db = Arc::clone(&self.db);
            async move { db.user(id).await }
        };
        self.users.get_with(id, load).await
    }

    async fn scoped(&self, id: u64) -> String {
        self.users.get_with_scoped(id, || self.db.user(id)).await
    }

    async fn by_ref_scoped(&self, name: &str) -> usize {
        let load = || async { name.len() };
        self.names.get_with_by_ref_scoped(name, load).await
    }
}

fn spawned(app: Arc<App>) {
    tokio::spawn(async move {
        app.cloned(1).await;
        app.scoped(2).await;
        app.by_ref_scoped("three").await;
    });
}

fn main() {
    let _ = spawned;
}
