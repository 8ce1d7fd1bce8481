//! The tier: a cache's keys and values on the server.

mod calls;
mod events;
mod value;

use std::sync::Arc;

use redis::Client;

use crate::codec::MessagePack;
use crate::error::Error;
use crate::server::Server;
use crate::session;
use crate::settings::{Builder, Settings};
use crate::stats::RedisStats;

/// Redis or Valkey as the second tier of a cache.
///
/// A clone is a handle of the same tier: keep one for [`stats`](Self::stats). A tier is for one
/// cache.
pub struct Redis<C = MessagePack> {
    server: Arc<Server>,
    codec: Arc<C>,
}

impl Redis {
    /// Starts to configure a tier on the server with this URL.
    ///
    /// `redis://user:password@host:6379/0`, `unix:///run/redis.sock?db=0&user=…&pass=…`; with a TLS
    /// feature `rediss://…`. The schemes `valkey`, `valkeys` and `valkey+unix` work too.
    pub fn builder(url: impl Into<String>) -> Builder {
        Builder::new(url.into())
    }
}

impl<C> Redis<C> {
    pub(crate) fn new(codec: C, client: Client, settings: Settings) -> Self {
        Self {
            server: Arc::new(Server::new(client, settings)),
            codec: Arc::new(codec),
        }
    }

    /// Connects to the server once.
    ///
    /// # Errors
    ///
    /// If the server is out of reach, or cannot be a second tier.
    pub async fn check(&self) -> Result<(), Error> {
        let link = session::connect(&self.server).await?;
        self.server.confirm(&link).await?;
        Ok(())
    }

    /// Returns why the server is not connected; `None` if it is, or if no attempt failed yet.
    #[must_use]
    pub fn last_error(&self) -> Option<Error> {
        self.server.last_error().map(|error| (*error).clone())
    }

    /// Returns what this tier has counted. The protocol's figures are those of the cache.
    #[must_use]
    pub fn stats(&self) -> RedisStats {
        self.server.counters.read()
    }
}

impl<C> Clone for Redis<C> {
    fn clone(&self) -> Self {
        Self {
            server: Arc::clone(&self.server),
            codec: Arc::clone(&self.codec),
        }
    }
}

impl<C> std::fmt::Debug for Redis<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the client: its address may have a password.
        let settings = &self.server.settings;
        f.debug_struct("Redis")
            .field("settings", settings)
            .finish_non_exhaustive()
    }
}
