use cache_tokio::cached;

struct Borrowing<'a>(&'a str);

impl<'a> Borrowing<'a> {
    #[cached(skip(self))]
    async fn length(&self, id: u64) -> usize {
        self.0.len()
    }
}

fn main() {}
