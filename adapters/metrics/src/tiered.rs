//! What a registry reads of a tiered cache: the figures of its first tier, and those of the second.

use std::sync::Arc;

use cache_core::runtime::Runtime;
use cache_core::tier::{Tier, TierStats, Tiered, WeakTiered};
use cache_core::{CacheStats, Histograms};

use crate::observed::{Observed, Register, WeakObserved};

impl<K, V, T, R, S> Observed for Tiered<K, V, T, R, S>
where
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
{
    fn name(&self) -> Option<&str> {
        self.cache().name()
    }

    fn stats(&self) -> CacheStats {
        self.cache().stats()
    }

    fn entry_count(&self) -> u64 {
        self.cache().entry_count()
    }

    fn weighted_size(&self) -> u64 {
        self.cache().weighted_size()
    }

    fn max_capacity(&self) -> Option<u64> {
        self.cache().max_capacity()
    }

    fn flight_count(&self) -> u64 {
        self.cache().flight_count()
    }

    fn memory_used(&self) -> usize {
        self.cache().memory_used()
    }

    fn histograms(&self) -> Option<Histograms> {
        self.cache().histograms()
    }

    fn tier(&self) -> Option<TierStats> {
        Some(self.tier_stats())
    }
}

impl<K, V, T, R, S> WeakObserved for WeakTiered<K, V, T, R, S>
where
    Self: Send + Sync,
    Tiered<K, V, T, R, S>: Observed + Send + Sync + 'static,
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
{
    fn upgrade(&self) -> Option<Arc<dyn Observed + Send + Sync>> {
        let cache = Self::upgrade(self)?;
        Some(Arc::new(cache))
    }
}

#[diagnostic::do_not_recommend]
impl<K, V, T, R, S> Register for Tiered<K, V, T, R, S>
where
    Self: Observed + Send + Sync + 'static,
    WeakTiered<K, V, T, R, S>: Send + Sync + 'static,
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
{
    fn name(&self) -> Option<&str> {
        Observed::name(self)
    }

    fn downgrade(&self) -> Box<dyn WeakObserved> {
        Box::new(self.downgrade())
    }

    fn enable_histograms(&self) {
        self.cache().enable_histograms();
    }
}
