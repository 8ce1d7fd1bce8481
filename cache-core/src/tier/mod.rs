//! A second tier behind the cache, which the caches of several processes share.
//!
//! [`Builder::tiered`](crate::Builder::tiered) makes a [`Tiered`] cache of a builder and a
//! [`Tier`]. A tier stores values and delivers messages; the protocol is here, so it is the same
//! for every tier, and [`testing::MemoryTier`](crate::testing) runs it without a server.
//!
//! | file | what it holds |
//! |---|---|
//! | `store`, `events`, `settings` | what a tier implements, reports and sets |
//! | `tiered`, `weak`, `build` | the handle, its weak form, its construction |
//! | `writes`, `own_writes` | its writes; when the first tier takes what this process has written |
//! | `loads`, `load` | its loading methods; one load: lookup, lease, loader, fill |
//! | `scoped`, `refresh` | a load whose loader borrows; a load that replaces a value |
//! | `loading` | its views with a loader |
//! | `batch`, `batch_builder`, `batch_load` | its batching views, their settings; one load by a batch loader |
//! | `client`, `breaker` | calls of the tier; when they are refused |
//! | `lease`, `waits` | leases of this process; loads that wait for those of others |
//! | `state` | what the handles share; what becomes of a report |
//! | `support` | what a runtime must be |
//!
//! # A load
//!
//! 1. The caller reads the clock. If the time is past the horizon, it uses neither values nor
//!    flights of the first tier, but those of a small cache by intervals of half of
//!    `max_staleness`. Otherwise it looks the key up in the first tier. `inner/horizon.rs` has the
//!    proof of the bound.
//! 2. A miss joins the flight of the key, as in every cache. The loader of that flight requests the
//!    key from a batching view whose loader is [`Tier::fetch`]: concurrent misses become one fetch.
//! 3. The fetch returns a value, or a lease for this process, or the lease of another. In the last
//!    case the load waits until the tier reports that the key is filled, and fetches again, also
//!    from time to time.
//! 4. With a lease, the caller's loader runs, and its value goes to the tier by [`Tier::fill`]. The
//!    flight ends as every other: the value is stored unless the flight was fenced.

mod batch;
mod batch_builder;
mod batch_load;
mod breaker;
mod build;
mod client;
mod events;
mod lease;
mod load;
mod loading;
mod loads;
mod own_writes;
mod refresh;
mod scoped;
mod settings;
mod state;
mod stats;
mod store;
#[doc(hidden)]
#[macro_use]
pub mod support;
mod tiered;
mod waits;
mod weak;
mod writes;

pub use batch::TieredBatchLoader;
pub use batch_builder::TieredBatchLoaderBuilder;
pub use events::TierEvents;
pub use loading::{TieredLoadingCache, TieredOptionalLoadingCache};
pub use settings::TierSettings;
pub use stats::TierStats;
pub use store::{Fill, Filled, Found, Lease, Put, Read, Tier, WriteId};
pub use support::SupportsTier;
pub use tiered::Tiered;
pub use weak::WeakTiered;
