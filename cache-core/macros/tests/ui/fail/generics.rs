use cache_tokio::cached;

#[cached]
async fn of_answer<T: Default + Clone + Send + Sync>(id: u64) -> T {
    T::default()
}

#[cached]
async fn of_argument<T>(name: T) -> usize
where
    T: AsRef<str> + Clone + Eq + std::hash::Hash,
{
    name.as_ref().len()
}

#[cached(key = "id")]
async fn not_in_key<T: ToString>(id: u64, name: T) -> String {
    format!("{id}{}", name.to_string())
}

fn main() {}
