use std::sync::Arc;

use cache_tokio::cached;

struct Service;

impl Service {
    #[cached]
    async fn by_reference(&self, id: u64) -> u64 {
        id
    }

    #[cached(skip(name), ttl = "1s")]
    async fn in_arc(self: Arc<Self>, name: &str, (a, b): (u8, u8)) -> usize {
        name.len() + usize::from(a + b)
    }

    #[cached(key(self, id))]
    async fn in_key(&self, id: u64) -> u64 {
        id
    }
}

fn main() {}
