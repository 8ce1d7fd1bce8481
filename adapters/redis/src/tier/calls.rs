//! The calls of a cache.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use cache_core::Ttl;
use cache_core::runtime::MultiThread;
use cache_core::tier::{Fill, Filled, Found, Lease, Put, Read, Tier, TierEvents, TierSettings};

use super::Redis;
use super::events::Events;
use super::value::tag;
use crate::codec::Codec;
use crate::error::Error;
use crate::key::TierKey;
use crate::session;
use crate::wire::Tag;

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

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
        let mut replacements = vec![];
        let mut leases = vec![];
        for (index, fill) in fills.into_iter().enumerate() {
            let Fill {
                key,
                lease,
                value,
                ttl,
                announced,
            } = fill;
            let is_stored = ttl != Ttl::After(Duration::ZERO);
            match this.write(&key, this.server.tag(), value.as_ref(), ttl) {
                Ok(write) if is_stored => {
                    results.push(Filled::Refused);
                    match announced {
                        Some(id) => replacements.push((index, tag(lease), id.number(), write)),
                        None => writes.push((index, (tag(lease), write))),
                    }
                }
                result => {
                    results.push(match result {
                        // A value that no tier keeps.
                        Ok(_) => Filled::Refused,
                        Err(_) => Filled::Rejected,
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
                    results[index] = result_of(filled);
                }
            }
            for (index, tag, number, write) in replacements {
                let filled = this.server.replace(tag, number, &write).await?;
                results[index] = result_of(filled);
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
                Ok(write) if is_stored => writes.push((put.id.number(), write)),
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

/// What became of a value: `None` if the server is full.
fn result_of(filled: Option<bool>) -> Filled {
    match filled {
        Some(true) => Filled::Stored,
        Some(false) => Filled::Refused,
        None => Filled::Rejected,
    }
}

fn texts<K: TierKey>(leases: Vec<(K, Lease)>) -> Vec<(String, Tag)> {
    let leases = leases.into_iter();
    leases
        .map(|(key, lease)| (key.to_text(), tag(lease)))
        .collect()
}
