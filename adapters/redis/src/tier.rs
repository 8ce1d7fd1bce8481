//! The tier: a cache's keys and values on the server.

use std::sync::Arc;
use std::time::Duration;

use cache_core::Instant as CacheInstant;
use cache_core::Ttl;
use cache_core::runtime::MultiThread;
use cache_core::tier::{Fill, Filled, Found, Lease, Put, Read, Tier, TierEvents, TierSettings};
use redis::Client;

use crate::codec::{Codec, MessagePack};
use crate::error::Error;
use crate::key::TierKey;
use crate::server::{Item, Server, Write};
use crate::session::{self, Listener};
use crate::settings::{Builder, Settings};
use crate::stats::RedisStats;
use crate::wire::{MAX_TIME, State, Stored, Tag};

type BoxFuture<T> = std::pin::Pin<Box<dyn Future<Output = T> + Send>>;

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

    /// What the server stores, or why it stores nothing.
    fn write<K: TierKey, V>(
        &self,
        key: &K,
        tag: Tag,
        value: Option<&V>,
        ttl: Ttl,
    ) -> Result<Write, Error>
    where
        C: Codec<V>,
    {
        let payload = match value {
            Some(value) => Some(self.codec.encode(value).map_err(|error| {
                self.server.counters.unwritable.add(1);
                Error::Encode(error.to_string().into())
            })?),
            None => None,
        };
        let limit = self.server.settings.max_value;
        let size = payload.as_ref().map_or(0, Vec::len);
        if size > limit {
            self.server.counters.too_large.add(1);
            return Err(Error::TooLarge { size, limit });
        }
        let time_to_live = match ttl {
            Ttl::Default => Some(self.server.settings.time_to_live),
            Ttl::Never => None,
            Ttl::After(time) => (time < MAX_TIME).then_some(time),
        };
        let stored = Stored {
            tag,
            made: self.server.earliest_time(),
            time_to_live: time_to_live.unwrap_or(MAX_TIME),
            payload: payload.as_deref(),
        };
        Ok(Write {
            text: key.to_text(),
            state: stored.encode(),
            time_to_live,
        })
    }

    fn found<V>(&self, item: Item) -> Found<V>
    where
        C: Codec<V>,
    {
        let state = match item {
            Item::Leased(tag) => return Found::Leased(lease(tag)),
            Item::Busy(left) => return Found::Busy { left },
            Item::Unusable => return Found::Unreadable,
            Item::Stored(state) => state,
        };
        let found = match State::decode(&state) {
            Some(State::Stored(stored)) => match stored.payload {
                None => Some(Found::Missing),
                Some(payload) => {
                    let value = self.codec.decode(payload).ok();
                    let is_finite = stored.time_to_live < MAX_TIME;
                    let left = stored.left(self.server.latest_time());
                    value.map(|value| Found::Value {
                        value,
                        left: is_finite.then_some(left),
                    })
                }
            },
            _ => None,
        };
        found.unwrap_or_else(|| {
            self.server.counters.unreadable.add(1);
            Found::Unreadable
        })
    }
}

impl<K, V, C> Tier<K, V, MultiThread> for Redis<C>
where
    K: TierKey + Send + Sync + 'static,
    V: Send + Sync + 'static,
    C: Codec<V>,
{
    type Error = Error;

    fn settings(&self) -> TierSettings {
        self.server.settings.tier
    }

    fn fetch(&self, keys: Vec<K>, read: Read) -> BoxFuture<Result<Vec<Found<V>>, Error>> {
        let this = self.clone();
        Box::pin(async move {
            let texts: Vec<_> = keys.iter().map(TierKey::to_text).collect();
            drop(keys);
            let items = this.server.fetch(&texts, read == Read::Confirmed).await?;
            Ok(items.into_iter().map(|item| this.found(item)).collect())
        })
    }

    fn fill(&self, fills: Vec<Fill<K, V>>) -> BoxFuture<Result<Vec<Filled>, Error>> {
        let this = self.clone();
        let mut results = vec![];
        let mut writes = vec![];
        let mut leases = vec![];
        for (index, fill) in fills.into_iter().enumerate() {
            let Fill {
                key,
                lease,
                value,
                ttl,
            } = fill;
            let is_stored = ttl != Ttl::After(Duration::ZERO);
            match this.write(&key, this.server.tag(), value.as_ref(), ttl) {
                Ok(write) if is_stored => {
                    results.push(Filled::Refused);
                    writes.push((index, (tag(lease), write)));
                }
                result => {
                    results.push(match result {
                        // A value that no tier keeps.
                        Ok(_) => Filled::Refused,
                        Err(_) => Filled::TooLarge,
                    });
                    leases.push((key.to_text(), tag(lease)));
                }
            }
        }
        Box::pin(async move {
            if !leases.is_empty() {
                this.server.release(&leases).await?;
            }
            let (indices, writes): (Vec<_>, Vec<_>) = writes.into_iter().unzip();
            if !writes.is_empty() {
                let filled = this.server.fill(&writes).await?;
                for (index, filled) in indices.into_iter().zip(filled) {
                    results[index] = match filled {
                        Some(true) => Filled::Stored,
                        Some(false) => Filled::Refused,
                        None => Filled::TooLarge,
                    };
                }
            }
            Ok(results)
        })
    }

    fn renew(&self, leases: Vec<(K, Lease)>) -> BoxFuture<Result<(), Error>> {
        let this = self.clone();
        Box::pin(async move { this.server.renew(&texts(leases)).await })
    }

    fn release(&self, leases: Vec<(K, Lease)>) -> BoxFuture<()> {
        let this = self.clone();
        Box::pin(async move {
            // A lease that could not be given up ends by itself.
            let _ = this.server.release(&texts(leases)).await;
        })
    }

    fn put(&self, puts: Vec<Put<K, V>>) -> BoxFuture<Result<(), Error>> {
        let this = self.clone();
        let mut writes = vec![];
        let mut removals = vec![];
        let mut error = None;
        for put in puts {
            let is_stored = put.ttl != Ttl::After(Duration::ZERO);
            match this.write(&put.key, this.server.tag(), Some(&put.value), put.ttl) {
                Ok(write) if is_stored => writes.push(write),
                result => {
                    // The old value is out of date all the same.
                    removals.push(put.key.to_text());
                    error = error.or(result.err());
                }
            }
        }
        Box::pin(async move {
            if !removals.is_empty() {
                this.server.remove(&removals).await?;
            }
            if !writes.is_empty() {
                this.server.put(&writes).await?;
            }
            error.map_or(Ok(()), Err)
        })
    }

    fn remove(&self, keys: Vec<K>) -> BoxFuture<Result<(), Error>> {
        let this = self.clone();
        Box::pin(async move {
            let texts: Vec<_> = keys.iter().map(TierKey::to_text).collect();
            drop(keys);
            this.server.remove(&texts).await
        })
    }

    fn clear(&self) -> BoxFuture<Result<(), Error>> {
        let this = self.clone();
        Box::pin(async move { this.server.clear().await })
    }

    fn listen(&self, events: TierEvents<K, MultiThread>) -> Option<BoxFuture<()>> {
        let server = Arc::clone(&self.server);
        Some(Box::pin(session::supervise(
            server,
            Arc::new(Events(events)),
        )))
    }
}

/// The events of a cache, on texts of keys.
struct Events<K>(TierEvents<K, MultiThread>);

impl<K: TierKey + Send + Sync + 'static> Listener for Events<K> {
    fn removed(&self, text: &str) -> bool {
        let key = K::from_text(text);
        key.map(|key| self.0.removed(key)).is_some()
    }

    fn filled(&self, text: &str) -> bool {
        let key = K::from_text(text);
        key.map(|key| self.0.filled(key)).is_some()
    }

    fn cleared(&self) {
        self.0.cleared();
    }

    fn connected(&self) {
        self.0.connected();
    }

    fn answered(&self, sent: CacheInstant) {
        self.0.answered(sent);
    }

    fn failed(&self) {
        self.0.failed();
    }

    fn now(&self) -> Option<CacheInstant> {
        self.0.now()
    }
}

fn texts<K: TierKey>(leases: Vec<(K, Lease)>) -> Vec<(String, Tag)> {
    let leases = leases.into_iter();
    leases
        .map(|(key, lease)| (key.to_text(), tag(lease)))
        .collect()
}

fn tag(lease: Lease) -> Tag {
    Tag(lease.tag().to_be_bytes())
}

fn lease(tag: Tag) -> Lease {
    Lease::new(u64::from_be_bytes(tag.0))
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
