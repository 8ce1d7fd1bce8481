//! A tiered cache, whose second tier a hit does not use.

use std::convert::Infallible;
use std::hint::black_box;
use std::pin::Pin;

use cache_tokio::Tokio;
use cache_tokio::runtime::MultiThread;
use cache_tokio::tier::{Fill, Filled, Found, Lease, Put, Read, Tier, TierEvents, Tiered};
use tokio::runtime::Runtime;

use super::{Operation, stored};

/// A second tier that no call reaches.
#[derive(Debug, Clone, Copy)]
pub(super) struct NoTier;

type Boxed<T> = Pin<Box<dyn Future<Output = Result<T, Infallible>> + Send>>;

impl Tier<u64, u64> for NoTier {
    type Error = Infallible;

    fn fetch(&self, _: Vec<u64>, _: Read) -> Boxed<Vec<Found<u64>>> {
        unreachable!("every key is stored")
    }

    fn fill(&self, _: Vec<Fill<u64, u64>>) -> Boxed<Vec<Filled>> {
        unreachable!("every key is stored")
    }

    fn renew(&self, _: Vec<(u64, Lease)>) -> Boxed<()> {
        unreachable!("every key is stored")
    }

    fn release(&self, _: Vec<(u64, Lease)>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        unreachable!("every key is stored")
    }

    fn put(&self, _: Vec<Put<u64, u64>>) -> Boxed<()> {
        unreachable!("nothing is written")
    }

    fn remove(&self, _: Vec<u64>) -> Boxed<()> {
        unreachable!("nothing is removed")
    }

    fn clear(&self) -> Boxed<()> {
        unreachable!("nothing is removed")
    }

    fn listen(
        &self,
        _: TierEvents<u64, MultiThread>,
    ) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        None
    }
}

/// Runs `operation` on `tiered`, whose first tier is full, `count` times.
pub(super) fn with_tier(
    runtime: &Runtime,
    tiered: &Tiered<u64, u64, NoTier, Tokio>,
    operation: Operation,
    count: u64,
) {
    if operation == Operation::GetTier {
        stored(count).for_each(|key| _ = black_box(tiered.get(&key)));
        return;
    }
    runtime.block_on(async {
        for key in stored(count) {
            black_box(tiered.get_with(key, move || async move { key }).await);
        }
    });
}
