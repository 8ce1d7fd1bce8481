//! A loader that borrows, in a method whose loader must be `'static`.

use cache_tokio::Cache;

struct Db;

impl Db {
    async fn user(&self, id: u64) -> String {
        format!("user {id}")
    }

    async fn try_user(&self, id: u64) -> Result<String, std::io::Error> {
        Ok(format!("user {id}"))
    }
}

struct App {
    db: Db,
    users: Cache<u64, String>,
    names: Cache<String, String>,
}

impl App {
    async fn from_self(&self, id: u64) -> String {
        self.users.get_with(id, || self.db.user(id)).await
    }

    async fn from_an_argument(&self, name: &str) -> String {
        self.names.get_with_by_ref(name, || async { name.to_uppercase() }).await
    }
}

async fn from_a_variable(users: &Cache<u64, String>) -> String {
    let db = Db;
    users.try_get_with(1, || db.try_user(1)).await.unwrap()
}

fn main() {}
