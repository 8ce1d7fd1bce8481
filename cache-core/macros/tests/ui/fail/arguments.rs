use cache_tokio::cached;

#[cached(tll = "60s", frequency = "30s")]
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

#[cached(ttl = "5S", tti = "1h 30")]
async fn unknown_unit(id: u64) -> u64 {
    id
}

#[cached(time_to_live = "60s", runtime = "tokio")]
async fn name_of_another_cache(id: u64) -> u64 {
    id
}

#[cached(max_capacity, skip = "id", result = true)]
async fn other_forms(id: u64) -> Result<u64, ()> {
    Ok(id)
}

#[cached(ttl = "1s", ttl = "2s")]
async fn twice(id: u64) -> u64 {
    id
}

#[cached(result)]
async fn option_is_no_result(id: u64) -> Option<u64> {
    Some(id)
}

#[cached(option)]
async fn number_is_no_option(id: u64) -> u64 {
    id
}

#[cached(cache_err = "5s")]
async fn no_error(id: u64) -> Option<u64> {
    Some(id)
}

#[cached(cache_none)]
async fn no_none(id: u64) -> Result<u64, String> {
    Ok(id)
}

#[cached(builder = |b| b.no_such_setting())]
async fn unknown_setting(id: u64) -> u64 {
    id
}

#[cached(builder = |b| b.hasher(std::hash::RandomState::new()))]
async fn another_type_of_cache(id: u64) -> u64 {
    id
}

#[cached("60s")]
async fn no_argument(id: u64) -> u64 {
    id
}

#[cached(ttl = 5 * 60)]
async fn not_a_duration(id: u64) -> u64 {
    id
}

#[cache_core::cached]
async fn no_adapter(id: u64) -> u64 {
    id
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

#[cached(swr = "1m", ttl)]
async fn another_name_of_a_window(id: u64) -> u64 {
    id
}

fn main() {}
