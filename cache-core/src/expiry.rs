//! An expiry computed from each entry.

use alloc::boxed::Box;
use core::time::Duration;

use crate::machine::Ttl;

/// Decides for each entry how long it lives: `expire_after` on the builder takes one.
///
/// It is asked where the writer left the choice to the cache ([`Ttl::Default`]); an explicit ttl
/// wins. It must be quick and must not use the cache: a shard is locked meanwhile. A call that it
/// makes to its own cache panics.
///
/// ```
/// use cache_core::{Expiry, Ttl};
/// use core::time::Duration;
///
/// struct ByRole;
///
/// impl Expiry<u64, String> for ByRole {
///     fn expire_after_create(&self, _: &u64, role: &String) -> Ttl {
///         match role.as_str() {
///             "guest" => Ttl::After(Duration::from_secs(60)),
///             _ => Ttl::Default,
///         }
///     }
/// }
/// ```
pub trait Expiry<K, V> {
    /// How long a value lives that is written where there was none.
    fn expire_after_create(&self, key: &K, value: &V) -> Ttl;

    /// How long a value lives that replaces another, which had `remaining` to live (`None`: for
    /// ever). As after a creation, unless implemented.
    fn expire_after_update(&self, key: &K, value: &V, remaining: Option<Duration>) -> Ttl {
        let _ = remaining;
        self.expire_after_create(key, value)
    }

    /// How long an entry lives after a read; `None` leaves its `remaining` time as it is. Costs a
    /// write to the shard at every read that is answered with `Some`.
    fn expire_after_read(&self, key: &K, value: &V, remaining: Option<Duration>) -> Option<Ttl> {
        let _ = (key, value, remaining);
        None
    }
}

impl<K, V, X: Expiry<K, V> + ?Sized> Expiry<K, V> for Box<X> {
    fn expire_after_create(&self, key: &K, value: &V) -> Ttl {
        (**self).expire_after_create(key, value)
    }

    fn expire_after_update(&self, key: &K, value: &V, remaining: Option<Duration>) -> Ttl {
        (**self).expire_after_update(key, value, remaining)
    }

    fn expire_after_read(&self, key: &K, value: &V, remaining: Option<Duration>) -> Option<Ttl> {
        (**self).expire_after_read(key, value, remaining)
    }
}
