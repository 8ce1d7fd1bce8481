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
pub trait Arguments: Hash + Equivalent<Self::Key> {
    /// The key.
    type Key: Eq + Hash;

    /// Converts the arguments into the key.
    fn into_key(self) -> Self::Key;
}

/// The arguments that make up a key: one [`Part`], or a tuple of parts.
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

/// An argument that is part of the key.
#[derive(Debug)]
pub struct Part<'a, A: ?Sized>(&'a A);

impl<A: Hash + ?Sized> Hash for Part<'_, A> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Equivalent<()> for Args<()> {
    fn equivalent(&self, (): &()) -> bool {
        true
    }
}

impl Arguments for Args<()> {
    type Key = ();

    fn into_key(self) {}
}

impl<A: ToOwned<Owned: Eq + Hash> + Eq + Hash + ?Sized> Equivalent<A::Owned> for Args<Part<'_, A>> {
    fn equivalent(&self, key: &A::Owned) -> bool {
        self.0.0 == key.borrow()
    }
}

#[diagnostic::do_not_recommend]
impl<A: ToOwned<Owned: Eq + Hash> + Eq + Hash + ?Sized> Arguments for Args<Part<'_, A>> {
    type Key = A::Owned;

    fn into_key(self) -> A::Owned {
        self.0.0.to_owned()
    }
}

macro_rules! tuples {
    ($($type:ident $argument:ident $part:ident,)*) => {
        impl<$($type,)*> Equivalent<($($type::Owned,)*)> for Args<($(Part<'_, $type>,)*)>
        where
            $($type: ToOwned<Owned: Eq + Hash> + Eq + Hash + ?Sized,)*
        {
            fn equivalent(&self, ($($part,)*): &($($type::Owned,)*)) -> bool {
                let Self(($($argument,)*)) = self;
                $($argument.0 == $part.borrow())&&*
            }
        }

        #[diagnostic::do_not_recommend]
        impl<$($type,)*> Arguments for Args<($(Part<'_, $type>,)*)>
        where
            $($type: ToOwned<Owned: Eq + Hash> + Eq + Hash + ?Sized,)*
        {
            type Key = ($($type::Owned,)*);

            fn into_key(self) -> Self::Key {
                let Self(($($argument,)*)) = self;
                ($($argument.0.to_owned(),)*)
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

impl<K: Eq + Hash> Arguments for ByExpression<K> {
    type Key = K;

    fn into_key(self) -> K {
        self.0
    }
}

/// A type that can be part of a key: the type of an argument, or the type that it refers to.
///
/// It has no supertraits, because the compiler would report those before this one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be part of the key of a cached function",
    label = "must be `Clone + Eq + Hash`",
    note = "leave out an argument that the result does not depend on with `skip(…)`, or compute a key from the arguments with `key = \"…\"`"
)]
pub trait KeyPart {}

#[diagnostic::do_not_recommend]
impl<A: ToOwned<Owned: Eq + Hash> + Eq + Hash + ?Sized> KeyPart for A {}

/// An argument that is to become part of the key.
///
/// The conversion is a method: if the type has none, the compiler reports that, and nothing that
/// follows from it.
#[derive(Debug)]
pub struct Argument<'a, A: ?Sized>(pub &'a A);

impl<'a, A: KeyPart + ?Sized> Argument<'a, A> {
    /// The argument as part of the key.
    #[must_use]
    pub const fn part_of_key(self) -> Part<'a, A> {
        Part(self.0)
    }
}

impl<A: ToOwned + ?Sized> Part<'_, A> {
    /// The argument in its owned form, for the load.
    #[must_use]
    pub fn cloned(self) -> A::Owned {
        self.0.to_owned()
    }
}

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

    fn made<A: Arguments>(arguments: A) -> (A::Key, u64) {
        let hash = DefaultHasher::seeded(1).hash_one(&arguments);
        let key = arguments.into_key();
        (key, hash)
    }

    #[test]
    fn arguments_hash_as_the_key_that_they_become() {
        finds_itself(|| made(Args(())), || ());
        finds_itself(
            || made(Args(Argument("name").part_of_key())),
            || String::from("name"),
        );
        finds_itself(|| made(Args(Argument(&7_u64).part_of_key())), || 7_u64);
        finds_itself(
            || {
                made(Args((
                    Argument("name").part_of_key(),
                    Argument(&7_u64).part_of_key(),
                )))
            },
            || (String::from("name"), 7_u64),
        );
        finds_itself(
            || {
                made(Args((
                    Argument(&[1_u8, 2][..]).part_of_key(),
                    Argument("a").part_of_key(),
                    Argument(&Some(1)).part_of_key(),
                )))
            },
            || (Vec::from([1_u8, 2]), String::from("a"), Some(1)),
        );
        finds_itself(
            || made(ByExpression((1, String::new()))),
            || (1, String::new()),
        );
    }

    #[test]
    fn arguments_equal_no_other_key() {
        let arguments = Args((
            Argument("a").part_of_key(),
            Argument(&1_u8).part_of_key(),
            Argument("b").part_of_key(),
        ));
        let key = |a: &str, n, b: &str| (String::from(a), n, String::from(b));
        assert!(arguments.equivalent(&key("a", 1, "b")));
        for other in [key("", 1, "b"), key("a", 2, "b"), key("a", 1, "")] {
            assert!(!arguments.equivalent(&other));
        }
    }
}
