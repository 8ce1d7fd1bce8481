//! A ttl computed from each entry.

use alloc::boxed::Box;
use core::time::Duration;

use crate::machine::Ttl;

/// Computes how long each entry lives: [`Builder::expire_after`](crate::Builder::expire_after)
/// takes one.
///
/// An entry expires at the earliest of its ttl from this trait, the builder's `time_to_live`
/// (counted from the last write) and `time_to_idle`. [`Ttl::Default`] and [`Ttl::Never`] leave it
/// to the two settings. The cache calls the trait for writes with [`Ttl::Default`]; an explicit ttl
/// overrides both the trait and `time_to_live`. The cache calls the trait while a shard is locked,
/// so its methods must be fast. A method that calls its own cache panics.
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
    /// Returns the ttl of a new entry.
    fn expire_after_create(&self, key: &K, value: &V) -> Ttl;

    /// Returns the ttl of a value that replaces another, or `None`, the default, to keep the time
    /// that the old value had left by its own ttl. The old value would have expired after
    /// `remaining`; `None` if it had no deadline.
    fn expire_after_update(&self, key: &K, value: &V, remaining: Option<Duration>) -> Option<Ttl> {
        let _ = (key, value, remaining);
        None
    }

    /// Returns a new ttl for an entry that was read, or `None`, the default, to keep its
    /// `remaining` time. Each `Some` costs a write lock of the shard.
    fn expire_after_read(&self, key: &K, value: &V, remaining: Option<Duration>) -> Option<Ttl> {
        let _ = (key, value, remaining);
        None
    }
}

impl<K, V, X: Expiry<K, V> + ?Sized> Expiry<K, V> for Box<X> {
    fn expire_after_create(&self, key: &K, value: &V) -> Ttl {
        (**self).expire_after_create(key, value)
    }

    fn expire_after_update(&self, key: &K, value: &V, remaining: Option<Duration>) -> Option<Ttl> {
        (**self).expire_after_update(key, value, remaining)
    }

    fn expire_after_read(&self, key: &K, value: &V, remaining: Option<Duration>) -> Option<Ttl> {
        (**self).expire_after_read(key, value, remaining)
    }
}
