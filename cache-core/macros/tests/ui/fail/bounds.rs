use cache_tokio::cached;

#[derive(Clone, PartialEq)]
struct NotHash;

#[derive(PartialEq, Eq, Hash)]
struct NotClone;

#[derive(Debug)]
struct DbError;

#[cached]
async fn not_hashable(id: u64, key: NotHash) -> u64 {
    id
}

#[cached]
async fn not_owned(key: &NotClone) -> u64 {
    0
}

#[cached]
async fn value_not_clone(id: u64) -> NotClone {
    NotClone
}

#[cached]
async fn error_not_clone(id: u64) -> Result<u64, DbError> {
    Ok(id)
}

#[cached(result)]
async fn no_result(id: u64) -> String {
    id.to_string()
}

#[cached(option)]
async fn no_option(id: u64) -> String {
    id.to_string()
}

type Pair<T> = (T, T);

#[cached(result, option)]
async fn neither(id: u64) -> Pair<u64> {
    (id, id)
}

fn main() {}
