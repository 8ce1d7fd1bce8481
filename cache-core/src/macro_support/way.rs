//! How a borrowed argument comes to its load: made owned, if it can be, or as it is.
//!
//! Which of the two is a matter of its type, and is decided where the type is known: the method of
//! the type itself goes before that of the trait, and is there for what can be made owned.

use alloc::borrow::ToOwned;

use super::{Inline, Missed};
use crate::runtime::Runtime;

/// An argument that is borrowed.
#[derive(Debug)]
pub struct Lent<'a, T: ?Sized>(pub &'a T);

impl<T: ToOwned + ?Sized> Lent<'_, T> {
    /// The load has its own.
    #[must_use]
    pub const fn way(&self) -> Owning {
        Owning
    }
}

/// [`Lent::way`] for what cannot be made owned.
pub trait StaysBorrowed {
    /// The load borrows.
    #[must_use]
    fn way(&self) -> InCaller {
        InCaller
    }
}

impl<T: ?Sized> StaysBorrowed for Lent<'_, T> {}

/// The load owns its arguments, and depends on no caller.
#[derive(Debug, Clone, Copy)]
pub struct Owning;

/// The load borrows from its caller, and stays there.
#[derive(Debug, Clone, Copy)]
pub struct InCaller;

impl Owning {
    /// The way of all arguments: that of the others.
    #[must_use]
    pub fn and<W>(self, other: W) -> W {
        other
    }

    /// The argument for the load.
    #[must_use]
    pub fn own<T: ToOwned + ?Sized>(self, argument: &T) -> T::Owned {
        argument.to_owned()
    }

    /// What was missed, to be loaded in this way.
    pub fn of<K, V, R: Runtime, S>(
        self,
        after_miss: Missed<'_, K, V, R, S>,
    ) -> Missed<'_, K, V, R, S> {
        after_miss
    }
}

impl InCaller {
    /// The way of all arguments: this one, if one of them cannot be made owned.
    #[must_use]
    pub fn and<W>(self, _: W) -> Self {
        self
    }

    /// The argument for the load.
    #[must_use]
    pub fn own<T: ?Sized>(self, argument: &T) -> &T {
        argument
    }

    /// What was missed, to be loaded in this way.
    pub fn of<K, V, R: Runtime, S>(
        self,
        after_miss: Missed<'_, K, V, R, S>,
    ) -> Inline<'_, K, V, R, S> {
        after_miss.inline()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    struct NotClone;

    #[test]
    fn what_can_be_made_owned_is_and_what_cannot_stays_borrowed() {
        let Owning = Lent("a").way();
        let Owning = Lent(&String::new()).way();
        let Owning = Lent(&[1][..]).way();
        let InCaller = Lent(&NotClone).way();
        let InCaller = Lent(&[NotClone][..]).way();
        let text: String = Owning.own("a");
        assert_eq!(text, InCaller.own("a"));
    }

    #[test]
    fn one_argument_that_stays_keeps_the_load_in_its_caller() {
        let Owning = Owning.and(Owning);
        let InCaller = Owning.and(InCaller);
        let InCaller = InCaller.and(Owning);
        let InCaller = InCaller.and(InCaller);
    }
}
