use std::sync::Arc;

use cache_tokio::cached;

#[cached(ttl = "5m", refresh_after = "5m")]
async fn due_at_the_end(id: u64) -> u64 {
    id
}

#[cached(ttl, refresh_after = "2m")]
async fn due_after_the_default_ttl(id: u64) -> u64 {
    id
}

#[cached(tti = "5m", stale_while_revalidate = "1m")]
async fn a_window_without_a_ttl(id: u64) -> u64 {
    id
}

#[cached(stale_if_error = std::time::Duration::from_secs(60))]
async fn another_window_without_a_ttl(id: u64) -> Result<u64, String> {
    Ok(id)
}

#[cached(ttl = "5m", stale_while_revalidate = "0s")]
async fn an_empty_window(id: u64) -> u64 {
    id
}

#[cached(ttl = "5m", stale_if_slow = "200ms")]
async fn slow_without_a_kept_value(id: u64) -> u64 {
    id
}

#[cached(ttl = "5m", stale_if_error = "1h")]
async fn failures_of_a_function_without_errors(id: u64) -> u64 {
    id
}

#[cached(ttl = "5m", ttl_jitter = 51)]
async fn too_much_jitter(id: u64) -> u64 {
    id
}

#[cached(ttl = "5m", ttl_jitter = "10%")]
async fn jitter_in_quotes(id: u64) -> u64 {
    id
}

#[cached(ttl_jitter = 10)]
async fn jitter_of_nothing(id: u64) -> u64 {
    id
}

#[cached(ttl = "5m", refresh_after = "4m", skip(database))]
async fn a_load_that_borrows(id: u64, database: &str) -> u64 {
    id + database.len() as u64
}

#[cached(ttl = "5m", stale_while_revalidate = "1m")]
fn not_async(id: u64) -> u64 {
    id
}

struct Users(Arc<str>);

impl Users {
    #[cached(ttl = "5m", stale_while_revalidate = "1m", skip(self))]
    async fn by_id(&self, id: u64) -> u64 {
        id + self.0.len() as u64
    }
}

struct Request {
    path: String,
}

#[cached(ttl = "5m", refresh_after = "4m", key = "request.path.clone()")]
async fn an_argument_that_cannot_be_cloned(request: &Request) -> usize {
    request.path.len()
}

fn main() {}
