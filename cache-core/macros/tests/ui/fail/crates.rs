use cache_tokio::cached;

#[cached(crate = no_such_crate)]
async fn unknown_crate(id: u64) -> u64 {
    id
}

fn main() {}
