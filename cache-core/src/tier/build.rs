//! How a tiered cache is built.

use core::hash::{BuildHasher, Hash};
use core::time::Duration;

use super::client::Client;
use super::events::TierEvents;
use super::own_writes::OwnWrites;
use super::state::TierState;
use super::store::{Read, Tier};
use super::support::SupportsTier;
use super::tiered::Tiered;
use crate::builder::Builder;
use crate::error::BuildError;
use crate::flight::Loaded;
use crate::machine::Ttl;
use crate::runtime::Runtime;
use crate::sync::{Arc, Mutex};

/// The number of values that calls past the horizon share.
const INTERIM_CAPACITY: u64 = 1_024;

/// The longest time to live in the first tier: ten years.
const LONGEST_TTL: Duration = Duration::from_secs(10 * 365 * 24 * 3_600);

/// A value for the first tier, which needs a deadline: see
/// [`look_up_within_horizon`](crate::inner::Inner::look_up_within_horizon).
pub(super) fn with_deadline<V>(mut loaded: Loaded<V>) -> Loaded<V> {
    loaded.ttl = match loaded.ttl {
        Ttl::Default => Ttl::Default,
        Ttl::After(ttl) => Ttl::After(ttl.min(LONGEST_TTL)),
        Ttl::Never => Ttl::After(LONGEST_TTL),
    };
    loaded
}

impl<K, V, R, S> Builder<K, V, R, S>
where
    K: Eq + Hash + Clone + 'static,
    V: Clone + 'static,
    R: Runtime,
    S: BuildHasher + Clone + 'static,
{
    /// Builds the cache as the first tier in front of `tier`.
    ///
    /// The cache spawns the listener of the tier: at once if the call is made inside of the
    /// runtime, or else at the first load.
    ///
    /// # Panics
    /// If a setting of the builder or of the tier is invalid, with the message of the
    /// [`BuildError`] that [`Builder::try_tiered`] returns.
    ///
    /// ```
    /// use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// use core::time::Duration;
    ///
    /// let runtime = VirtualRuntime::new();
    /// let tier = MemoryTier::new(runtime.clone());
    /// let users = Cache::builder_on(runtime.clone())
    ///     .max_capacity(10_000)
    ///     .time_to_live(Duration::from_secs(60))
    ///     .tiered(tier);
    /// assert_eq!(runtime.block_on(users.get_with(7, || async { "alice" })), "alice");
    /// ```
    #[must_use]
    #[track_caller]
    pub fn tiered<T>(self, tier: T) -> Tiered<K, V, T, R, S>
    where
        T: Tier<K, V, R::Flavor>,
        R: SupportsTier<K, V, T, S>,
    {
        match self.try_tiered(tier) {
            Ok(tiered) => tiered,
            Err(error) => panic!("{error}"),
        }
    }

    /// Builds the cache as [`Builder::tiered`] does, or returns the first invalid setting.
    ///
    /// # Errors
    /// [`BuildError`], which names the invalid setting, its value and the rule.
    ///
    /// ```
    /// use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// use core::time::Duration;
    ///
    /// let runtime = VirtualRuntime::new();
    /// let tier = MemoryTier::<u64, u64>::new(runtime.clone()).max_staleness(Duration::ZERO);
    /// let error = Cache::builder_on(runtime).try_tiered(tier).unwrap_err();
    /// assert_eq!(error.to_string(), "max_staleness is 0ns, but it must be longer than zero");
    /// ```
    pub fn try_tiered<T>(self, tier: T) -> Result<Tiered<K, V, T, R, S>, BuildError>
    where
        T: Tier<K, V, R::Flavor>,
        R: SupportsTier<K, V, T, S>,
    {
        let settings = tier.settings();
        settings.check()?;
        // Every entry must have a deadline: only then does a hit read the clock.
        let time_to_live = self
            .default_ttl()
            .map_or(LONGEST_TTL, |ttl| ttl.min(LONGEST_TTL));
        let negative_ttl = self.missing_ttl();
        let lookups = self.companion(0).try_build()?;
        let interim = self
            .companion(INTERIM_CAPACITY)
            .time_to_live(settings.max_staleness / 2)
            .try_build()?;
        let client = Arc::new(Client::new(tier, self.clock().clone(), settings));
        let batches = self.companion(0).try_build()?;
        let state = Arc::new(TierState {
            cache: self.time_to_live(time_to_live).try_build()?,
            interim,
            plain: R::lookups(&lookups, &client, Read::Plain),
            confirmed: R::lookups(&lookups, &client, Read::Confirmed),
            client,
            batches,
            time_to_live,
            negative_ttl,
            writes: OwnWrites::new(),
            listener: R::Mutex::new(None),
        });
        let events = TierEvents::new(R::box_handler(Arc::downgrade(&state)));
        match state.client.tier.listen(events) {
            Some(task) => state.listener.with(|listener| *listener = Some(task)),
            None => state.cache.inner().horizon.remove(),
        }
        state.start_listener();
        Ok(Tiered {
            cache: state.cache.clone(),
            state,
        })
    }
}
