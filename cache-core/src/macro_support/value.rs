//! The type of the cached values, and what a decorated function does with its cache.

use core::fmt;
use core::hash::BuildHasher;
use core::marker::PhantomData;

use super::{Arguments, PendingLoad};
use crate::builder::{Builder, SupportsCache};
use crate::cache::Cache;
use crate::runtime::Runtime;

/// A type of values that can be cached. It has no supertraits, as `KeyPart`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be cached",
    label = "must be `Clone`",
    note = "return an `Arc` of a value that cannot be cloned or is expensive to clone"
)]
pub trait Value {}

#[diagnostic::do_not_recommend]
impl<V: Clone + 'static> Value for V {}

/// What a function with values of type `V` does with its cache.
///
/// The functions are methods: if there is no such value, the compiler reports that, and nothing
/// that follows from it.
pub struct Values<V>(PhantomData<fn() -> V>);

impl<V: Value> Values<V> {
    /// The values that are cached.
    #[must_use]
    pub const fn to_cache() -> Self {
        Self(PhantomData)
    }
}

impl<V: Clone + 'static> Values<V> {
    /// Returns the cached value for `arguments`.
    ///
    /// # Errors
    /// On a miss, the load that is to be started or joined. If `refreshes`, the load that replaces
    /// a stored value, and fences a load that is in flight.
    pub fn look_up<A, R, S>(
        self,
        cache: &Cache<A::Key, V, R, S>,
        arguments: A,
        refreshes: bool,
    ) -> Result<V, PendingLoad<'_, A::Key, V, R, S>>
    where
        A: Arguments,
        R: Runtime,
        S: BuildHasher,
    {
        let hash = cache.hash(&arguments);
        if !refreshes
            && let Some(value) = cache
                .inner()
                .look_up_by::<true, _, _>(hash, &arguments, |value| value)
        {
            cache.inner().requests.count(true);
            return Ok(value);
        }
        Err(PendingLoad::new(
            cache,
            hash,
            arguments.into_key(),
            refreshes,
        ))
    }

    /// Removes the entry for `arguments`: see [`Cache::invalidate`].
    pub fn invalidate<A, R, S>(self, cache: &Cache<A::Key, V, R, S>, arguments: A)
    where
        A: Arguments,
        R: Runtime,
        S: BuildHasher,
    {
        cache.invalidate(&arguments);
    }

    /// Removes all entries: see [`Cache::invalidate_all`]. `witness` is never called.
    pub fn clear<A, R, S>(self, cache: &Cache<A::Key, V, R, S>, witness: impl FnOnce() -> A)
    where
        A: Arguments,
        R: Runtime,
        S: BuildHasher,
    {
        let _ = witness;
        cache.invalidate_all();
    }

    /// Builds the cache: see [`Builder::build`]. `witness` is never called.
    pub fn build<A, R, S>(
        self,
        builder: Builder<A::Key, V, R, S>,
        witness: impl FnOnce() -> A,
    ) -> Cache<A::Key, V, R, S>
    where
        A: Arguments,
        R: SupportsCache<A::Key, V, S>,
        S: BuildHasher,
    {
        let _ = witness;
        builder.build()
    }
}

impl<V> fmt::Debug for Values<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Values").finish_non_exhaustive()
    }
}
