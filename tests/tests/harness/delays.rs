//! Random delays of tasks on real threads. With `CONTRACT_DELAYS=7`, orders of tasks are common
//! that are rare on an idle machine. The seed chooses the delays; the threads still race.

use std::future::Future;
use std::pin::Pin;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

/// The seed of the delays; `None` if there are no delays.
static SEED: LazyLock<Option<u64>> = LazyLock::new(|| {
    let seed = std::env::var("CONTRACT_DELAYS").ok()?;
    let number = seed
        .parse()
        .unwrap_or_else(|_| panic!("CONTRACT_DELAYS is {seed:?}, but it must be a whole number"));
    Some(number)
});

/// How many random numbers all threads have drawn.
static DRAWN: AtomicU64 = AtomicU64::new(0);

/// A random number below `bound` (SplitMix64), or 0 without delays.
fn draw(bound: u64) -> u64 {
    let Some(seed) = *SEED else {
        return 0;
    };
    let drawn = DRAWN.fetch_add(1, Ordering::Relaxed) + 1;
    let mut z = seed.wrapping_add(drawn.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (z ^ (z >> 31)) % bound
}

/// Stops this thread at times, for as long as other threads need to run their tasks.
pub fn stall() {
    let micros = match draw(1_024) {
        1_000..1_018 => draw(50),
        1_018..1_023 => draw(500),
        1_023 => draw(5_000),
        _ => return,
    };
    std::thread::sleep(Duration::from_micros(micros));
}

/// A future that yields before some of its polls, and stops its thread before others.
pub struct Delayed<F> {
    future: F,
    /// How many times it yields before the next poll.
    yields: u64,
    /// How many more polls are delayed. Tasks with many polls are numerous enough without delays.
    delays: u32,
}

impl<F> Delayed<F> {
    pub fn new(future: F) -> Self {
        let bound = [1, 1, 4, 64][draw(4) as usize];
        let yields = draw(bound);
        Self {
            future,
            yields,
            delays: SEED.map_or(0, |_| 12),
        }
    }
}

impl<F: Future + Unpin> Future for Delayed<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if self.delays == 0 {
            return Pin::new(&mut self.future).poll(cx);
        }
        if self.yields > 0 {
            self.yields -= 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        stall();
        self.delays -= 1;
        let bound = [1, 1, 1, 1, 1, 2, 4, 16][draw(8) as usize];
        self.yields = draw(bound);
        Pin::new(&mut self.future).poll(cx)
    }
}
