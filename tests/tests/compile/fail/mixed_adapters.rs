//! A cache of one adapter, where one of another is expected.

fn serve(users: &cache_tokio::Cache<u64, u64>) {
    users.insert(1, 1);
}

fn main() {
    let users: cache_tokio::Cache<u64, u64> = cache_smol::Cache::new(10);
    let others: cache_smol::Cache<u64, u64> = cache_smol::Cache::new(10);
    serve(&others);
    let local: cache_tokio::Cache<u64, u64> = cache_tokio::local::Cache::builder().build();
}
