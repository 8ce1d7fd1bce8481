use cache_tokio::cached;

#[cached(skip(name), clone(name))]
fn not_async(id: u64, name: &str) -> u64 {
    id + name.len() as u64
}

#[cached]
const fn constant(id: u64) -> u64 {
    id
}

#[cached]
async fn anonymous(id: impl Into<u64>) -> u64 {
    id.into()
}

#[cached]
async fn mutable(id: u64, log: &mut Vec<u64>) -> u64 {
    log.push(id);
    id
}

#[cached]
async fn within(name: Option<&str>) -> usize {
    name.map_or(0, str::len)
}

#[cached]
async fn borrowing(name: &str) -> &str {
    name
}

#[cached]
async fn unnamed(id: u64) -> impl Iterator<Item = u64> {
    0..id
}

#[cached(clone(id), skip(id))]
async fn owned_already(id: u64) -> u64 {
    id
}

#[cached]
async fn long(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8, i: u8) -> u8 {
    a + b + c + d + e + f + g + h + i
}

#[cached]
fn by_hand(id: u64) -> impl Future<Output = u64> {
    async move { id }
}

#[cached]
async extern "C" fn foreign(id: u64) -> u64 {
    id
}

#[cached]
async fn within_static(name: &'static Option<&str>) -> usize {
    name.map_or(0, str::len)
}

#[cached]
async fn of_static(name: &str) -> std::borrow::Cow<'_, str> {
    name.into()
}

#[cached]
async fn unnamed_argument(_: &mut u8) -> u8 {
    0
}

fn main() {}
