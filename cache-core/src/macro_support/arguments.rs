//! What a decorated function was called with, and the key that it becomes.

use alloc::borrow::ToOwned;
use core::borrow::Borrow;
use core::hash::{Hash, Hasher};

use equivalent::Equivalent;

/// The arguments of a call: they find an entry as they are, and become an owned key on a miss only.
#[diagnostic::on_unimplemented(
    message = "an argument cannot be part of the key of a cached function",
    label = "each part must be `Clone + Eq + Hash`"
)]
pub trait Arguments<K>: Hash + Equivalent<K> {
    /// The key.
    fn into_key(self) -> K;
}

/// The arguments that make up a key: a tuple of references to them.
///
/// The key is the tuple of their owned forms, or the one owned form of a single argument. The two
/// hash alike, because what is borrowed hashes as its owned form does ([`Borrow`]).
#[derive(Debug)]
pub struct Args<T>(pub T);

impl<T: Hash> Hash for Args<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Equivalent<()> for Args<()> {
    fn equivalent(&self, (): &()) -> bool {
        true
    }
}

impl Arguments<()> for Args<()> {
    fn into_key(self) {}
}

impl<A: Part + ?Sized> Equivalent<A::Owned> for Args<&A> {
    fn equivalent(&self, key: &A::Owned) -> bool {
        self.0 == key.borrow()
    }
}

#[diagnostic::do_not_recommend]
impl<A: Part + ?Sized> Arguments<A::Owned> for Args<&A> {
    fn into_key(self) -> A::Owned {
        self.0.to_owned()
    }
}

macro_rules! tuples {
    ($($type:ident $argument:ident $part:ident,)*) => {
        impl<$($type,)*> Equivalent<($($type::Owned,)*)> for Args<($(&$type,)*)>
        where
            $($type: Part + ?Sized,)*
        {
            fn equivalent(&self, ($($part,)*): &($($type::Owned,)*)) -> bool {
                let Self(($($argument,)*)) = self;
                $(*$argument == $part.borrow())&&*
            }
        }

        #[diagnostic::do_not_recommend]
        impl<$($type,)*> Arguments<($($type::Owned,)*)> for Args<($(&$type,)*)>
        where
            $($type: Part + ?Sized,)*
        {
            fn into_key(self) -> ($($type::Owned,)*) {
                let Self(($($argument,)*)) = self;
                ($($argument.to_owned(),)*)
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

/// A key that an expression has made of the arguments.
#[derive(Debug)]
pub struct ByExpression<K>(pub K);

impl<K: Hash> Hash for ByExpression<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<K: Eq + Hash> Equivalent<K> for ByExpression<K> {
    fn equivalent(&self, key: &K) -> bool {
        self.0 == *key
    }
}

impl<K: Eq + Hash> Arguments<K> for ByExpression<K> {
    fn into_key(self) -> K {
        self.0
    }
}

/// An argument that can be part of a key, by the type that it has or refers to.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be part of the key of a cached function",
    label = "must be `Clone + Eq + Hash`",
    note = "an argument that the result does not depend on is left out with `skip(…)`; `key = \"…\"` computes a key from the arguments"
)]
pub trait Part: ToOwned<Owned: Eq + Hash> + Eq + Hash {}

#[diagnostic::do_not_recommend]
impl<A: ToOwned<Owned: Eq + Hash> + Eq + Hash + ?Sized> Part for A {}

/// Compiles if an argument can be part of a key.
pub const fn is_part<A: Part + ?Sized>() {}

/// Stands for an argument where only its type matters.
///
/// # Panics
/// Always: it stands in closures that are never called.
pub fn witness<T>() -> T {
    unreachable!("a closure that is there for its type is never called")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DefaultHasher;
    use alloc::string::String;
    use alloc::vec::Vec;
    use core::hash::BuildHasher;

    /// Arguments find the entry that they have become.
    fn finds_itself<K: Eq + Hash>(arguments: impl Fn() -> (K, u64), key_of: impl Fn() -> K) {
        let (key, hash) = arguments();
        assert!(key == key_of());
        assert_eq!(hash, DefaultHasher::seeded(1).hash_one(&key));
    }

    fn made<K>(arguments: impl Arguments<K>) -> (K, u64) {
        let hash = DefaultHasher::seeded(1).hash_one(&arguments);
        let key = arguments.into_key();
        (key, hash)
    }

    #[test]
    fn arguments_hash_as_the_key_that_they_become() {
        finds_itself(|| made(Args(())), || ());
        finds_itself(|| made(Args("name")), || String::from("name"));
        finds_itself(|| made(Args(&7_u64)), || 7_u64);
        finds_itself(
            || made(Args(("name", &7_u64))),
            || (String::from("name"), 7_u64),
        );
        finds_itself(
            || made(Args((&[1_u8, 2][..], "a", &Some(1)))),
            || (Vec::from([1_u8, 2]), String::from("a"), Some(1)),
        );
        finds_itself(
            || made(ByExpression((1, String::new()))),
            || (1, String::new()),
        );
    }

    #[test]
    fn arguments_equal_no_other_key() {
        let arguments = Args(("a", &1_u8, "b"));
        let key = |a: &str, n, b: &str| (String::from(a), n, String::from(b));
        assert!(arguments.equivalent(&key("a", 1, "b")));
        for other in [key("", 1, "b"), key("a", 2, "b"), key("a", 1, "")] {
            assert!(!arguments.equivalent(&other));
        }
    }
}
