//! The arguments of a decorated function, and the key that they become.

use alloc::borrow::ToOwned;
use core::borrow::Borrow;
use core::hash::{Hash, Hasher};

use equivalent::Equivalent;

/// The arguments of a call. They find an entry without being cloned, and become an owned key only
/// on a miss.
#[diagnostic::on_unimplemented(
    message = "an argument cannot be part of the key of a cached function",
    label = "each argument of the key must be `Clone + Eq + Hash`"
)]
pub trait Arguments<K>: Hash + Equivalent<K> {
    /// Converts the arguments into the key.
    fn into_key(self) -> K;
}

/// The arguments that make up a key: a tuple of references to them.
///
/// The key is the tuple of their owned forms, or the owned form of a single argument. Arguments and
/// key have the same hash, because a borrowed value hashes like its owned form ([`Borrow`]).
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

impl<A: KeyPart + ?Sized> Equivalent<A::Owned> for Args<&A> {
    fn equivalent(&self, key: &A::Owned) -> bool {
        self.0 == key.borrow()
    }
}

#[diagnostic::do_not_recommend]
impl<A: KeyPart + ?Sized> Arguments<A::Owned> for Args<&A> {
    fn into_key(self) -> A::Owned {
        self.0.to_owned()
    }
}

macro_rules! tuples {
    ($($type:ident $argument:ident $part:ident,)*) => {
        impl<$($type,)*> Equivalent<($($type::Owned,)*)> for Args<($(&$type,)*)>
        where
            $($type: KeyPart + ?Sized,)*
        {
            fn equivalent(&self, ($($part,)*): &($($type::Owned,)*)) -> bool {
                let Self(($($argument,)*)) = self;
                $(*$argument == $part.borrow())&&*
            }
        }

        #[diagnostic::do_not_recommend]
        impl<$($type,)*> Arguments<($($type::Owned,)*)> for Args<($(&$type,)*)>
        where
            $($type: KeyPart + ?Sized,)*
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

/// A key that the attribute's `key` expression computed from the arguments.
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

/// A type that can be part of a key: the type of an argument, or the type that it refers to.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be part of the key of a cached function",
    label = "must be `Clone + Eq + Hash`",
    note = "leave out an argument that the result does not depend on with `skip(…)`, or compute a key from the arguments with `key = \"…\"`"
)]
pub trait KeyPart: ToOwned<Owned: Eq + Hash> + Eq + Hash {}

#[diagnostic::do_not_recommend]
impl<A: ToOwned<Owned: Eq + Hash> + Eq + Hash + ?Sized> KeyPart for A {}

/// Compiles if an argument can be part of a key.
pub const fn is_key_part<A: KeyPart + ?Sized>() {}

/// Replaces an argument in a closure that exists only for the type of its result.
///
/// # Panics
/// Always: such a closure is never called.
pub fn witness<T>() -> T {
    unreachable!("a closure that exists for its type is never called")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DefaultHasher;
    use alloc::string::String;
    use alloc::vec::Vec;
    use core::hash::BuildHasher;

    /// Asserts that arguments find the entry of the key that they become.
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
