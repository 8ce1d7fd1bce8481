//! Tests of a program that uses the cache: a day passes in milliseconds.
//!
//! The cache uses Tokio's clock, so a test that pauses the clock controls expiry, batch windows and
//! timeouts. `cargo test -p cache-examples --bin paused_clock` runs the tests. The program itself
//! runs the same code on the real clock.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cache_tokio::{Cache, LoadError};

const HOUR: Duration = Duration::from_secs(3_600);

/// The code under test: exchange rates, which are requested at most once an hour.
#[derive(Clone)]
struct Rates {
    cache: Cache<String, f64>,
    requests: Arc<AtomicU32>,
}

impl Rates {
    fn new() -> Self {
        let cache = Cache::builder()
            .time_to_live(HOUR)
            .load_timeout(Duration::from_secs(5));
        Self {
            cache: cache.build(),
            requests: Arc::default(),
        }
    }

    async fn rate(&self, currency: &str) -> Result<f64, LoadError<io::Error>> {
        let bank = self.clone();
        let name = currency.to_owned();
        let request = || async move { bank.request(&name).await };
        self.cache.try_get_with_by_ref(currency, request).await
    }

    /// A request to a bank, which takes a tenth of a second, or for one currency a minute.
    async fn request(&self, currency: &str) -> io::Result<f64> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let slow = currency == "XAU";
        tokio::time::sleep(Duration::from_millis(if slow { 60_000 } else { 100 })).await;
        Ok(1.25)
    }
}

#[tokio::main]
async fn main() -> Result<(), LoadError<io::Error>> {
    let rates = Rates::new();
    println!("CHF: {}", rates.rate("CHF").await?);
    assert_eq!(rates.cache.entry_count(), 1);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{Instant, sleep};

    fn requests(rates: &Rates) -> u32 {
        rates.requests.load(Ordering::Relaxed)
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_is_requested_once_an_hour() {
        let rates = Rates::new();
        for _ in 0..24 {
            rates.rate("CHF").await.unwrap();
            rates.rate("CHF").await.unwrap();
            sleep(HOUR).await;
        }
        assert_eq!(requests(&rates), 24);
    }

    #[tokio::test(start_paused = true)]
    async fn concurrent_callers_share_a_request() {
        let rates = Rates::new();
        let started = Instant::now();
        let calls: Vec<_> = (0..100)
            .map(|_| {
                let rates = rates.clone();
                tokio::spawn(async move { rates.rate("CHF").await.unwrap() })
            })
            .collect();
        for call in calls {
            assert_eq!(call.await.unwrap(), 1.25);
        }
        assert_eq!(requests(&rates), 1);
        assert_eq!(started.elapsed(), Duration::from_millis(100));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_takes_too_long_ends_in_an_error() {
        let rates = Rates::new();
        let error = rates.rate("XAU").await.unwrap_err();
        assert!(matches!(error, LoadError::TimedOut(_)), "{error}");
        assert_eq!(rates.cache.entry_count(), 0);
    }
}
