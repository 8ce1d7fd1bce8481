//! How a loader gets a borrowed argument: as an owned copy, if the type has one, or as a borrow.
//!
//! The argument's type decides, and the macro does not know it. So the expanded code calls
//! `load_mode`: the inherent method, which exists if the type can be made owned, takes precedence
//! over the method of the trait [`ScopedFallback`].

use alloc::borrow::ToOwned;

use super::{PendingLoad, PendingScopedLoad};
use crate::runtime::Runtime;

/// A borrowed argument of a decorated function.
#[derive(Debug)]
pub struct BorrowedArgument<'a, T: ?Sized>(pub &'a T);

impl<T: ToOwned + ?Sized> BorrowedArgument<'_, T> {
    /// The loader gets an owned copy.
    #[must_use]
    pub const fn load_mode(&self) -> OwnedLoad {
        OwnedLoad
    }
}

/// [`BorrowedArgument::load_mode`] for types that cannot be made owned.
pub trait ScopedFallback {
    /// The loader borrows.
    #[must_use]
    fn load_mode(&self) -> ScopedLoad {
        ScopedLoad
    }
}

impl<T: ?Sized> ScopedFallback for BorrowedArgument<'_, T> {}

/// The loader owns its arguments, so a background task can poll it.
#[derive(Debug, Clone, Copy)]
pub struct OwnedLoad;

/// The loader borrows from its caller, so only that caller polls it.
#[derive(Debug, Clone, Copy)]
pub struct ScopedLoad;

impl OwnedLoad {
    /// The mode of a loader with this argument and others: the mode of the others.
    #[must_use]
    pub fn and<W>(self, other: W) -> W {
        other
    }

    /// The argument as the loader gets it.
    #[must_use]
    pub fn pass<T: ToOwned + ?Sized>(self, argument: &T) -> T::Owned {
        argument.to_owned()
    }

    /// The load in this mode.
    pub fn apply<K, V, R: Runtime, S>(
        self,
        load: PendingLoad<'_, K, V, R, S>,
    ) -> PendingLoad<'_, K, V, R, S> {
        load
    }
}

impl ScopedLoad {
    /// The mode of a loader with this argument and others: scoped.
    #[must_use]
    pub fn and<W>(self, _: W) -> Self {
        self
    }

    /// The argument as the loader gets it.
    #[must_use]
    pub fn pass<T: ?Sized>(self, argument: &T) -> &T {
        argument
    }

    /// The load in this mode.
    pub fn apply<K, V, R: Runtime, S>(
        self,
        load: PendingLoad<'_, K, V, R, S>,
    ) -> PendingScopedLoad<'_, K, V, R, S> {
        load.scoped()
    }
}

/// A mode of a loader that a background task can poll.
#[diagnostic::on_unimplemented(
    message = "no task can refresh a value of this function in the background",
    label = "the load borrows an argument that the key uses",
    note = "make the type of that argument `Clone`, or pass an owned value"
)]
pub trait InBackground {}

impl InBackground for OwnedLoad {}

/// Returns `mode`, which lets a background task poll the loader.
#[must_use]
pub const fn in_background<M: InBackground + Copy>(mode: M) -> M {
    mode
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    struct NotClone;

    #[test]
    fn a_loader_owns_arguments_that_can_be_made_owned_and_borrows_others() {
        let OwnedLoad = BorrowedArgument("a").load_mode();
        let OwnedLoad = BorrowedArgument(&String::new()).load_mode();
        let OwnedLoad = BorrowedArgument(&[1][..]).load_mode();
        let ScopedLoad = BorrowedArgument(&NotClone).load_mode();
        let ScopedLoad = BorrowedArgument(&[NotClone][..]).load_mode();
        let text: String = OwnedLoad.pass("a");
        assert_eq!(text, ScopedLoad.pass("a"));
    }

    #[test]
    fn one_borrowed_argument_makes_the_load_scoped() {
        let OwnedLoad = OwnedLoad.and(OwnedLoad);
        let ScopedLoad = OwnedLoad.and(ScopedLoad);
        let ScopedLoad = ScopedLoad.and(OwnedLoad);
        let ScopedLoad = ScopedLoad.and(ScopedLoad);
    }
}
