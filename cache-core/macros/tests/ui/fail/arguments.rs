use cache_tokio::cached;

#[cached(tll = "60s", refresh_after = "30s")]
async fn unknown(id: u64) -> u64 {
    id
}

#[cached(ttl = "60")]
async fn without_unit(id: u64) -> u64 {
    id
}

#[cached(ttl = 60, tti = "0s")]
async fn without_quotes(id: u64) -> u64 {
    id
}

#[cached(policy = "fifo")]
async fn unknown_policy(id: u64) -> u64 {
    id
}

#[cached(runtime = "tokyo")]
async fn unknown_runtime(id: u64) -> u64 {
    id
}

#[cached(runtime = "smol")]
async fn runtime_not_depended_on(id: u64) -> u64 {
    id
}

#[cached(ttl = "1s", ttl = "2s")]
async fn twice(id: u64) -> u64 {
    id
}

#[cached(result, option)]
async fn both(id: u64) -> Option<u64> {
    Some(id)
}

#[cached(skip(id), key(name))]
async fn skip_and_key(id: u64, name: &str) -> u64 {
    id + name.len() as u64
}

#[cached(skip(self, database), key = "id +")]
async fn no_such_argument(id: u64) -> u64 {
    id
}

#[cached(skip(database))]
async fn no_such_argument_either(id: u64) -> u64 {
    id
}

#[cached(max_capacity = "many")]
async fn no_number(id: u64) -> u64 {
    id
}

#[cached(max_capacity = -1)]
async fn negative(id: u64) -> u64 {
    id
}

fn main() {}
