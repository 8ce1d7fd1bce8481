//! What a decorated function was called with, and the key that it becomes.

use alloc::borrow::ToOwned;
use core::borrow::Borrow;
use core::hash::{Hash, Hasher};

use equivalent::Equivalent;

/// The arguments of a call: they find an entry as they are, and become an owned key on a miss only.
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

impl<A: ToOwned + Eq + Hash + ?Sized> Equivalent<A::Owned> for Args<&A> {
    fn equivalent(&self, key: &A::Owned) -> bool {
        self.0 == key.borrow()
    }
}

impl<A: ToOwned + Eq + Hash + ?Sized> Arguments<A::Owned> for Args<&A> {
    fn into_key(self) -> A::Owned {
        self.0.to_owned()
    }
}

macro_rules! tuples {
    ($($type:ident $argument:ident $part:ident,)*) => {
        impl<$($type,)*> Equivalent<($($type::Owned,)*)> for Args<($(&$type,)*)>
        where
            $($type: ToOwned + Eq + Hash + ?Sized,)*
        {
            fn equivalent(&self, ($($part,)*): &($($type::Owned,)*)) -> bool {
                let Self(($($argument,)*)) = self;
                $(*$argument == $part.borrow())&&*
            }
        }

        impl<$($type,)*> Arguments<($($type::Owned,)*)> for Args<($(&$type,)*)>
        where
            $($type: ToOwned + Eq + Hash + ?Sized,)*
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

/// What an argument must be, in its owned form, to be part of a key.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be part of the key of a cached function",
    label = "must be `Clone + Eq + Hash`",
    note = "an argument that the result does not depend on is left out with `skip(…)`; `key = \"…\"` computes a key from the arguments"
)]
pub trait Key: Clone + Eq + Hash {}

#[diagnostic::do_not_recommend]
impl<K: Clone + Eq + Hash> Key for K {}

/// Stands for an argument where only its type matters.
///
/// # Panics
/// Always: it stands in closures that are never called.
pub fn witness<T>() -> T {
    unreachable!("a closure that is there for its type is never called")
}
