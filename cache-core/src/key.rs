//! Borrowed keys: how a call finds an entry, and makes an owned key only on a miss.

use alloc::borrow::ToOwned;
use core::borrow::Borrow;
use core::hash::{Hash, Hasher};

use equivalent::Equivalent;

/// A borrowed form of the key type `K` that can make an owned key.
///
/// The methods whose names contain `by_ref`, and the views, take one. On a hit they make no owned
/// key. Every type whose owned form ([`ToOwned`]) is `K` implements the trait: `str` for `String`,
/// `[T]` for `Vec<T>`, and `K` itself. For a tuple as key, use [`KeyParts`].
///
/// Implement it for a borrowed key type of your own. Its hash must be that of the owned key.
///
/// ```
/// # use cache_core::{Cache, testing::VirtualRuntime};
/// use cache_core::{Equivalent, ToKey};
///
/// #[derive(PartialEq, Eq, Hash)]
/// struct UserKey {
///     tenant: String,
///     id: u64,
/// }
///
/// #[derive(Hash)]
/// struct UserRef<'a> {
///     tenant: &'a str,
///     id: u64,
/// }
///
/// impl Equivalent<UserKey> for UserRef<'_> {
///     fn equivalent(&self, key: &UserKey) -> bool {
///         self.tenant == key.tenant && self.id == key.id
///     }
/// }
///
/// impl ToKey<UserKey> for UserRef<'_> {
///     fn to_key(&self) -> UserKey {
///         UserKey { tenant: self.tenant.to_owned(), id: self.id }
///     }
/// }
///
/// # let runtime = VirtualRuntime::new();
/// # let cache: Cache<UserKey, &str, _> = Cache::builder_on(runtime.clone()).build();
/// # runtime.block_on(async {
/// let key = UserRef { tenant: "acme", id: 7 };
/// assert_eq!(cache.get_with_by_ref(&key, || async { "alice" }).await, "alice");
/// assert_eq!(cache.get(&key), Some("alice"));
/// # });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a borrowed form of the key type `{K}`",
    label = "the cache cannot make a `{K}` from this",
    note = "a `String` key takes a `&str`, and every key type takes a reference to itself; a tuple as key takes `&KeyParts((&part, &part))`"
)]
pub trait ToKey<K>: Hash + Equivalent<K> {
    /// Makes an owned key.
    fn to_key(&self) -> K;
}

#[diagnostic::do_not_recommend]
impl<K, Q> ToKey<K> for Q
where
    Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
{
    fn to_key(&self) -> K {
        self.to_owned()
    }
}

/// A key, as the methods of a view take it: a `K` itself, or a reference to a borrowed form of `K`
/// ([`ToKey`]), such as a `&str` for a `String`.
///
/// A hit clones no key. A miss clones a key that is passed by value, or makes an owned key from a
/// reference. The compiler infers `By`, which says which of the two the argument is.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a key of a view with keys of type `{K}`",
    label = "the view cannot look this up",
    note = "a view takes a `{K}`, or a reference to a borrowed form of it: `&{K}`, or `&str` for a `String`; a tuple as key takes `&KeyParts((&part, &part))`"
)]
pub trait ViewKey<K, By> {
    /// The form of the key that is looked up.
    #[doc(hidden)]
    type Query: Hash + Equivalent<K> + ?Sized;

    #[doc(hidden)]
    fn query(&self) -> &Self::Query;

    /// Makes an owned key, and keeps this one.
    #[doc(hidden)]
    fn to_key(&self) -> K;

    /// Makes an owned key.
    #[doc(hidden)]
    fn into_key(self) -> K;
}

/// The argument is a key by value: see [`ViewKey`].
#[derive(Debug)]
pub enum ByValue {}

/// The argument is a key by reference: see [`ViewKey`].
#[derive(Debug)]
pub enum ByReference {}

#[diagnostic::do_not_recommend]
impl<K: Eq + Hash + Clone> ViewKey<K, ByValue> for K {
    type Query = K;

    fn query(&self) -> &K {
        self
    }

    fn to_key(&self) -> K {
        self.clone()
    }

    fn into_key(self) -> K {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<K, Q: ToKey<K> + ?Sized> ViewKey<K, ByReference> for &Q {
    type Query = Q;

    fn query(&self) -> &Q {
        self
    }

    fn to_key(&self) -> K {
        (**self).to_key()
    }

    fn into_key(self) -> K {
        self.to_key()
    }
}

/// The borrowed form of a tuple as key: a tuple of references to its parts.
///
/// It finds the entry of a `(String, u64)` by a `&str` and a `&u64`. A tuple may have up to eight
/// parts.
///
/// ```
/// # use cache_core::{Cache, testing::VirtualRuntime};
/// use cache_core::KeyParts;
///
/// # let runtime = VirtualRuntime::new();
/// # let cache: Cache<(String, u64), &str, _> = Cache::builder_on(runtime.clone()).build();
/// # runtime.block_on(async {
/// cache.insert(("acme".to_string(), 7), "alice");
/// assert_eq!(cache.get(&KeyParts(("acme", &7))), Some("alice"));
/// let bob = cache.get_with_by_ref(&KeyParts(("acme", &8)), || async { "bob" }).await;
/// assert_eq!(bob, "bob");
/// # });
/// ```
#[derive(Debug)]
pub struct KeyParts<T>(pub T);

/// A borrowed value hashes like its owned form ([`Borrow`]), so the parts hash like the key.
impl<T: Hash> Hash for KeyParts<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

macro_rules! tuples {
    ($($type:ident $borrowed:ident $owned:ident,)*) => {
        impl<$($type,)*> Equivalent<($($type::Owned,)*)> for KeyParts<($(&$type,)*)>
        where
            $($type: ToOwned + Eq + Hash + ?Sized,)*
        {
            fn equivalent(&self, ($($owned,)*): &($($type::Owned,)*)) -> bool {
                let Self(($($borrowed,)*)) = self;
                $(*$borrowed == $owned.borrow())&&*
            }
        }

        #[diagnostic::do_not_recommend]
        impl<$($type,)*> ToKey<($($type::Owned,)*)> for KeyParts<($(&$type,)*)>
        where
            $($type: ToOwned + Eq + Hash + ?Sized,)*
        {
            fn to_key(&self) -> ($($type::Owned,)*) {
                let Self(($($borrowed,)*)) = self;
                ($((*$borrowed).to_owned(),)*)
            }
        }
    };
}

tuples!(A a x, B b y,);
tuples!(A a1 k1, B a2 k2, C a3 k3,);
tuples!(A a1 k1, B a2 k2, C a3 k3, D a4 k4,);
tuples!(A a1 k1, B a2 k2, C a3 k3, D a4 k4, E a5 k5,);
tuples!(A a1 k1, B a2 k2, C a3 k3, D a4 k4, E a5 k5, F a6 k6,);
tuples!(A a1 k1, B a2 k2, C a3 k3, D a4 k4, E a5 k5, F a6 k6, G a7 k7,);
tuples!(A a1 k1, B a2 k2, C a3 k3, D a4 k4, E a5 k5, F a6 k6, G a7 k7, H a8 k8,);
