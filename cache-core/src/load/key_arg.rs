//! The key of a loading method, owned or borrowed.

use core::hash::Hash;
use core::marker::PhantomData;

use equivalent::Equivalent;

use crate::key::{ToKey, ViewKey};

/// A key, owned or borrowed.
#[expect(unnameable_types, reason = "an argument of the loading methods")]
pub trait KeyArg<K> {
    /// What finds the entry of the key.
    type Query: Hash + Equivalent<K> + ?Sized;

    /// Returns what finds the entry.
    fn query(&self) -> &Self::Query;

    /// Returns an owned key for the cache.
    fn take(&mut self) -> K;

    /// Puts back a key that the cache has not used.
    fn put_back(&mut self, key: K);
}

/// A key by value.
#[derive(Debug)]
#[expect(unnameable_types, reason = "the default of a type parameter")]
pub struct Owned<K>(Option<K>);

/// A key by reference.
#[derive(Debug)]
#[expect(unnameable_types, reason = "a type parameter that is inferred")]
pub struct Borrowed<'a, Q: ?Sized>(pub(crate) &'a Q);

impl<K> Owned<K> {
    pub(crate) const fn new(key: K) -> Self {
        Self(Some(key))
    }
}

impl<K: Eq + Hash> KeyArg<K> for Owned<K> {
    type Query = K;

    fn query(&self) -> &K {
        self.0
            .as_ref()
            .expect("a key is not looked up while it is taken")
    }

    fn take(&mut self) -> K {
        let key = self.0.take();
        key.expect("a key that was taken is put back before the next attempt")
    }

    fn put_back(&mut self, key: K) {
        self.0 = Some(key);
    }
}

impl<K, Q> KeyArg<K> for Borrowed<'_, Q>
where
    Q: ToKey<K> + ?Sized,
{
    type Query = Q;

    fn query(&self) -> &Q {
        self.0
    }

    fn take(&mut self) -> K {
        self.0.to_key()
    }

    fn put_back(&mut self, _: K) {}
}

/// The key of a call of a view, as its caller passed it.
pub(crate) struct Argument<N, By>(N, PhantomData<fn() -> By>);

impl<N, By> Argument<N, By> {
    pub(crate) const fn new(key: N) -> Self {
        Self(key, PhantomData)
    }

    /// Makes an owned key, and keeps this one.
    pub(crate) fn to_key<K>(&self) -> K
    where
        N: ViewKey<K, By>,
    {
        self.0.to_key()
    }
}

impl<K, N: ViewKey<K, By>, By> KeyArg<K> for Argument<N, By> {
    type Query = N::Query;

    fn query(&self) -> &N::Query {
        self.0.query()
    }

    fn take(&mut self) -> K {
        self.0.to_key()
    }

    fn put_back(&mut self, _: K) {}
}
