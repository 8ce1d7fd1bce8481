//! Caches beside a cache: those that a tiered cache keeps for itself.

use core::time::Duration;

use super::Builder;
use crate::inner::Hooks;
use crate::machine::GatedSettings;
use crate::opt_in::{Gated, GatedState};
use crate::runtime::Runtime;

impl<K, V, R: Runtime, S> Builder<K, V, R, S> {
    /// A builder for another cache with the same runtime, hasher and settings of loads.
    pub(crate) fn companion<K2, V2>(&self, max_capacity: u64) -> Builder<K2, V2, R, S>
    where
        R: Clone,
        S: Clone,
    {
        Builder {
            runtime: self.runtime.clone(),
            hasher: self.hasher.clone(),
            name: None,
            max_capacity: Some(max_capacity),
            shards: Gated::UNSET,
            settings: GatedSettings::default(),
            hooks: Hooks {
                weigher: None,
                expiry: Gated::UNSET,
                listener: Gated::UNSET,
                name_key: GatedState::UNSET,
                observer: GatedState::UNSET,
            },
            options: self.options,
            ttl_jitter: GatedState::UNSET,
            refreshing: GatedState::UNSET,
            janitor: Gated::UNSET,
        }
    }

    pub(crate) const fn clock(&self) -> &R {
        &self.runtime
    }

    /// The time to live of entries.
    pub(crate) const fn default_ttl(&self) -> Option<Duration> {
        self.settings.time_to_live
    }

    /// How long the cache remembers that a loader found no value.
    pub(crate) fn missing_ttl(&self) -> Option<Duration> {
        self.options.negative_ttl.value()
    }
}
