use cache_tokio::cached;

trait Load {
    async fn load(&self, id: u64) -> u64;

    #[cached]
    async fn declared(&self, id: u64) -> u64;
}

struct Database;

impl Load for Database {
    #[cached(skip(self))]
    async fn load(&self, id: u64) -> u64 {
        id
    }
}

#[cached]
impl Database {}

#[cached]
struct NoFunction;

fn main() {}
