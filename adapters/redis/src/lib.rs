//! Redis or Valkey as the second tier of an async cache.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

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
