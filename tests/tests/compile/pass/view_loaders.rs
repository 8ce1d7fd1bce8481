//! The remedies for the loader of a view that borrows: it owns a clone of what it needs, or it is a
//! type that implements `Loader`.

use std::sync::Arc;

use cache_tokio::{BatchLoader, Cache, Loader, LoadingCache};

struct Db;

impl Db {
    async fn user(&self, id: u64) -> std::io::Result<String> {
        Ok(format!("user {id}"))
    }

    async fn users(&self, ids: Vec<u64>) -> std::io::Result<Vec<String>> {
        Ok(ids.iter().map(|id| format!("user {id}")).collect())
    }
}

#[derive(Clone)]
struct Users(Arc<Db>);

impl Loader<Vec<u64>> for Users {
    type Output = std::io::Result<Vec<String>>;

    async fn load(self, ids: Vec<u64>) -> Self::Output {
        self.0.users(ids).await
    }
}

struct App {
    users: LoadingCache<u64, String, std::io::Error>,
    batches: BatchLoader<u64, String, std::io::Error>,
}

fn app(db: Arc<Db>) -> App {
    let users: Cache<u64, String> = Cache::new(100);
    let batches = users.batching(Users(Arc::clone(&db)));
    let users = users.loading(move |id: u64| {
        let db = Arc::clone(&db);
        async move { db.user(id).await }
    });
    App { users, batches }
}

fn main() {
    let _ = |db| {
        let app = app(db);
        tokio::spawn(async move {
            app.users.get(1).await.unwrap();
            app.batches.get(2).await.unwrap();
        });
    };
}
