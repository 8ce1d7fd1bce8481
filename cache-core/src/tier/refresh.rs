//! A load that replaces the value of a key in both tiers.
//!
//! It calls its loader whatever the second tier has, and replaces the state that it read before. A
//! key that another process has removed or written meanwhile has another state: then the value of
//! the loader may be older than that write, so neither tier keeps it.

use core::future::Future;
use core::hash::{BuildHasher, Hash};
use core::pin::pin;
use core::time::Duration;

use super::client::Looked;
use super::lease::LeaseGuard;
use super::load::bounded;
use super::state::TierState;
use super::store::{Fill, Filled, Lease, Read, Tier};
use super::support::SupportsTier;
use crate::flight::{Loaded, LoaderResult, LoaderResultOn};
use crate::machine::Ttl;
use crate::runtime::Runtime;
use crate::sync::Arc;

/// The state that a refresh replaces in the second tier.
enum Replaced<K: 'static, V: 'static, T, R>
where
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
{
    /// A value, or the knowledge that there is none.
    Stored(Lease),
    Leased(Arc<LeaseGuard<K, V, T, R>>),
    /// Not known: another process loads the key, or the second tier does not answer.
    Unknown,
}

impl<K, V, T, R, S> TierState<K, V, T, R, S>
where
    K: Eq + Hash + Clone + 'static,
    V: Clone + 'static,
    T: Tier<K, V, R::Flavor>,
    R: SupportsTier<K, V, T, S>,
    S: BuildHasher + 'static,
{
    /// Loads `key` with `loader`, and replaces its value in the second tier.
    pub(super) async fn refresh<L>(
        &self,
        key: K,
        read: Read,
        loader: L,
    ) -> LoaderResultOn<R::Flavor, V>
    where
        L: Future<Output = LoaderResultOn<R::Flavor, V>>,
    {
        let mut loader = pin!(loader);
        let replaced = self.read_replaced(&key, read).await;
        self.client.counters.refreshes.add(1);
        let result = match &replaced {
            Replaced::Leased(guard) => guard.hold(loader.as_mut()).await,
            Replaced::Stored(_) | Replaced::Unknown => loader.await,
        };
        bounded(match result {
            LoaderResult::Value(loaded) => {
                LoaderResult::Value(self.replace(key, &replaced, loaded).await)
            }
            LoaderResult::Missing => {
                self.client.remove(key).await;
                LoaderResult::Missing
            }
            // The second tier keeps its value, and a lease is given up.
            failed => failed,
        })
    }

    async fn read_replaced(&self, key: &K, read: Read) -> Replaced<K, V, T, R> {
        let looked = self.lookups(read).get(key.clone()).await;
        match looked.ok().flatten().map(|lookup| lookup.0) {
            Some(Looked::Value { tag, .. } | Looked::Missing { tag }) => Replaced::Stored(tag),
            Some(Looked::Leased(guard)) if guard.take() => Replaced::Leased(guard),
            Some(Looked::Leased(_) | Looked::Busy { .. } | Looked::Bypass) | None => {
                Replaced::Unknown
            }
        }
    }

    /// Replaces a state of the second tier by a loaded value. Returns the value for the first tier.
    async fn replace(
        &self,
        key: K,
        replaced: &Replaced<K, V, T, R>,
        loaded: Loaded<V>,
    ) -> Loaded<V> {
        let lease = match replaced {
            Replaced::Stored(tag) => *tag,
            Replaced::Leased(guard) => guard.lease(),
            Replaced::Unknown => {
                // What the second tier has, or gets from the load of another process, may be older.
                self.client.remove(key).await;
                return loaded;
            }
        };
        let write = self.begin_write(&loaded);
        let filled = self.client.fill(Fill {
            key: key.clone(),
            lease,
            value: Some(loaded.value.clone()),
            ttl: loaded.ttl,
            announced: Some(write.id()),
        });
        let filled = filled.await;
        if let (Some(_), Replaced::Leased(guard)) = (filled, replaced) {
            guard.end();
        }
        match filled {
            Some(Filled::Stored) => {
                // The flight stores the value now, and the message of the fill stores it again at
                // its place among those of the other processes.
                write.keep();
                loaded
            }
            Some(Filled::Refused) => {
                // The state may be that of an older load of another process.
                self.client.remove(key).await;
                loaded.ttl(Ttl::After(Duration::ZERO))
            }
            Some(Filled::Rejected) | None => {
                self.client.remove(key).await;
                loaded
            }
        }
    }
}
