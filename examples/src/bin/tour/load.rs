//! Runs clients against a source of profiles. Each client sends its next request as soon as the
//! last one completes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cache_examples::bar::Bar;
use cache_examples::shop::{Profile, Shop};
use tokio::task::yield_now;

use crate::BoxError;
use crate::latency::Latencies;
use crate::runtime::{Cache, spawn};
use crate::traffic::Traffic;

/// The source that a client reads profiles from.
pub(crate) trait Source: Clone + Send + 'static {
    fn answer(&self, user: u64) -> impl Future<Output = Result<Arc<Profile>, BoxError>> + Send;
}

/// No cache: every request is a query.
impl Source for Shop {
    async fn answer(&self, user: u64) -> Result<Arc<Profile>, BoxError> {
        Ok(Arc::new(self.profile(user).await?))
    }
}

/// The cache in front of the shop, with all the code that a program needs.
#[derive(Clone, Debug)]
pub(crate) struct Cached {
    pub(crate) cache: Cache<u64, Arc<Profile>>,
    pub(crate) shop: Shop,
}

impl Source for Cached {
    async fn answer(&self, user: u64) -> Result<Arc<Profile>, BoxError> {
        let load = || {
            let shop = self.shop.clone();
            async move { shop.profile(user).await.map(Arc::new) }
        };
        Ok(self.cache.try_get_with(user, load).await?)
    }
}

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) requests: u64,
    pub(crate) elapsed: Duration,
    pub(crate) latencies: Latencies,
    /// A digest of all answers.
    pub(crate) digest: u64,
}

/// Sends all requests of `traffic` to `source`.
pub(crate) async fn drive(
    traffic: &Traffic,
    source: &impl Source,
    bar: Bar,
) -> Result<Run, BoxError> {
    let bar = Arc::new(bar);
    let started = Instant::now();
    let client = |users| spawn(client(Arc::clone(users), source.clone(), Arc::clone(&bar)));
    let clients: Vec<_> = traffic.clients.iter().map(client).collect();
    let mut run = Run::new();
    for client in clients {
        run.add(&client.await??);
    }
    run.elapsed = started.elapsed();
    Ok(run)
}

async fn client(users: Arc<[u32]>, source: impl Source, bar: Arc<Bar>) -> Result<Run, BoxError> {
    let mut run = Run::new();
    for users in users.chunks(128) {
        for &user in users {
            let started = Instant::now();
            let profile = source.answer(u64::from(user)).await?;
            run.latencies.record(started.elapsed());
            run.digest = run.digest.wrapping_add(digest(&profile, user));
        }
        run.requests += users.len() as u64;
        bar.add(users.len() as u64);
        // A client with only hits would otherwise never yield its thread.
        yield_now().await;
    }
    Ok(run)
}

impl Run {
    fn new() -> Self {
        Self {
            requests: 0,
            elapsed: Duration::ZERO,
            latencies: Latencies::new(),
            digest: 0,
        }
    }

    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.latencies.merge(&other.latencies);
        self.digest = self.digest.wrapping_add(other.digest);
    }
}

/// The sum over all requests does not depend on their order. It changes if an answer is another
/// user's or is out of date.
fn digest(profile: &Profile, requested: u32) -> u64 {
    let mix = |digest: u64, part: u64| digest.wrapping_mul(31).wrapping_add(part);
    let answer = [profile.user, profile.orders, profile.spent]
        .into_iter()
        .fold(0, mix);
    answer.wrapping_mul(u64::from(requested) | 1)
}
