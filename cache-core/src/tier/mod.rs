//! A second tier behind the cache, which the caches of several processes share.

mod events;
mod settings;
mod store;

pub use events::TierEvents;
pub use settings::TierSettings;
pub use store::{Fill, Filled, Found, Lease, Put, Read, Tier};
