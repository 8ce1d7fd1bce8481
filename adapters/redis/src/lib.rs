//! Redis or Valkey as the second tier of an async cache.
//!
//! [`Redis::builder`] configures the tier, and `tiered` of a cache's builder makes it the second
//! tier of the cache:
//!
//! ```
//! use cache_redis::Redis;
//! use cache_tokio::{Cache, Tokio, tier::Tiered};
//! use std::time::Duration;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // No server has this address: the cache works without it.
//! let redis = Redis::builder("redis://127.0.0.1:1/")
//!     .namespace("shop:users")
//!     .max_staleness(Duration::from_secs(2))
//!     .lazy()?;
//! let users: Tiered<u64, String, Redis, Tokio> =
//!     Cache::builder().max_capacity(10_000).tiered(redis);
//!
//! let name = users.get_with(7, || async { "alice".to_string() }).await;
//! assert_eq!(name, "alice");
//! // Without the server an invalidation cannot reach the fleet.
//! assert!(users.invalidate(&7).await.is_err());
//! # Ok(())
//! # }
//! ```
//!
//! A cache on smol needs the feature `smol` instead of `tokio`, and the feature `tier` of
//! `cache-smol`. The runtimes of one thread, in the modules `local`, have no tier of this package.
//!
//! # On the server
//!
//! | name | what |
//! |---|---|
//! | `namespace:ctl` | the control key: the generation, and the server that it was confirmed on |
//! | `namespace:generation:s0:key` | the state of a key ([`wire`]); `0` is the schema, the key's text is that of [`TierKey`] |
//! | `namespace:feed` | the channel: `D key…` removed, `F key…` filled, `G generation` a new generation |
//!
//! A clear begins a new generation, and so does a server that comes back with data of the past:
//! its values are then out of reach, and end with their time to live.
//!
//! # Connections
//!
//! A cache has two connections to the server: one for commands, and one for messages and
//! heartbeats. If one breaks, both are opened again, at once at first, then after pauses that grow
//! to 2 s. [`Redis::last_error`] says why there is none.
//!
//! # Untrusted bytes
//!
//! Whatever the server has under a key, a call ends: a state that this package does not know and a
//! value that the codec refuses are counted ([`RedisStats::unreadable`]), and the key is loaded
//! without the server.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

/// The examples of the package's page.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

mod address;
mod codec;
mod error;
mod identity;
mod key;
mod message;
mod names;
mod recovery;
mod scripts;
mod server;
mod session;
mod settings;
mod stats;
mod tier;
mod timer;
pub mod wire;

pub use cache_core::tier::TierSettings;
#[cfg(feature = "json")]
pub use codec::Json;
pub use codec::{Codec, CodecError, MessagePack, Raw};
pub use error::{ConfigError, Error};
pub use key::{KeyReader, KeyWriter, TierKey};
pub use settings::{Builder, ConnectError};
pub use stats::RedisStats;
pub use tier::Redis;
