use cache_tokio::cached;

struct State<T>(T);

#[cached]
async fn str(id: u64) -> u64 {
    id
}

#[cached(name = u32)]
async fn number(id: u64) -> u64 {
    id
}

#[cached]
async fn r#bool(id: u64) -> u64 {
    id
}

#[cached(skip(state, b))]
async fn patterns(State(pool): State<u8>, (a, b): (u8, u8), _: u8) -> u8 {
    pool + a + b
}

#[cached(key(argument_0))]
async fn no_name(_: u64) -> u64 {
    0
}

#[cached(clone(T), skip(Self))]
async fn no_argument<T: 'static>(id: u64) -> u64 {
    id
}

#[cached(skip(x), key = "y")]
async fn conditional(#[cfg(any())] x: u8, #[cfg(all())] z: u8) -> u8 {
    z
}

#[cached(skip(w))]
async fn conditional_too(#[cfg(any())] x: u8, #[cfg(all())] z: u8) -> u8 {
    z
}

#[cached]
async fn many_conditions(
    #[cfg(unix)] a: u8,
    #[cfg(windows)] b: u8,
    #[cfg(test)] c: u8,
    #[cfg(panic = "abort")] d: u8,
    #[cfg(debug_assertions)] e: u8,
) -> u8 {
    0
}

fn main() {}
