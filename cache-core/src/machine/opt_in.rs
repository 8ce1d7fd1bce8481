//! Optional features of the engine, and the type that ties a setting to the code that serves it.
//!
//! A setting is a value, so a compiler must link the code that serves it into every program,
//! whether the program uses the setting or not. On bare metal that is a third of the cache. There,
//! each optional feature has a flag, and its code runs only behind a test of that flag. If
//! link-time optimization sees no call that enables the flag, the flag is provably false and the
//! gated code is removed. On all other targets every feature is enabled at compile time, and the
//! tests are removed instead.
//!
//! A flag and the setting it gates must not drift apart: a setting whose flag is not enabled would
//! silently do nothing. So only two types lead to gated code:
//!
//! - [`Gated`] owns a setting: to set it enables the feature, and to read it tests the flag.
//! - [`Enabled`] is the proof that a feature was enabled, for features that have no setting of
//!   their own. Constructors of gated state require it.

use core::fmt;
use core::marker::PhantomData;
use core::mem::{self, ManuallyDrop};
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicBool, Ordering};

/// A feature whose code is linked only into programs that enable it. See [`features`].
pub(crate) trait Feature: Sized {
    #[doc(hidden)]
    fn flag() -> &'static Flag;

    /// Enables the feature for the whole program.
    #[inline(always)]
    fn enable() -> Enabled<Self> {
        if cfg!(target_os = "none") {
            // Relaxed: what the caller builds with the proof is published after this write.
            Self::flag().0.store(true, Ordering::Relaxed);
        }
        Enabled(PhantomData)
    }

    /// The proof, if the program enables the feature.
    #[inline(always)]
    fn enabled() -> Option<Enabled<Self>> {
        Self::is_enabled().then_some(Enabled(PhantomData))
    }

    /// Whether the program enables the feature: a constant except on bare metal.
    #[inline(always)]
    fn is_enabled() -> bool {
        cfg!(not(target_os = "none")) || Self::flag().0.load(Ordering::Relaxed)
    }
}

/// The flag of a feature; only [`Feature`] reads and writes it.
pub(crate) struct Flag(AtomicBool);

impl Flag {
    pub(crate) const fn new() -> Self {
        Self(AtomicBool::new(false))
    }
}

/// Defines features: types without values that implement [`Feature`].
macro_rules! features {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) enum $name {}

        impl $crate::machine::opt_in::Feature for $name {
            #[inline(always)]
            fn flag() -> &'static $crate::machine::opt_in::Flag {
                static FLAG: $crate::machine::opt_in::Flag = $crate::machine::opt_in::Flag::new();
                &FLAG
            }
        }
    )*};
}
pub(crate) use features;

/// The proof that feature `F` was enabled.
pub(crate) struct Enabled<F>(PhantomData<F>);

impl<F: Feature> Enabled<F> {
    /// Call it before the gated code: the test of the flag lets the linker remove that code.
    #[inline(always)]
    pub(crate) fn check(self) {
        assert!(F::is_enabled(), "only `enable` returns this proof");
    }
}

impl<F> Clone for Enabled<F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F> Copy for Enabled<F> {}

impl<F> fmt::Debug for Enabled<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Enabled")
    }
}

/// An optional setting, or the state that serves it, together with the feature that it needs.
///
/// A value gets in only with the proof that `F` is enabled, and gets out only past a test of the
/// flag. A switch is a `Gated<(), F>`.
pub(crate) struct Gated<T, F> {
    value: Option<T>,
    feature: PhantomData<F>,
}

impl<T, F> Gated<T, F> {
    /// Not set.
    pub(crate) const UNSET: Self = Self {
        value: None,
        feature: PhantomData,
    };

    /// Set to `value`, by code that runs only if `F` is enabled.
    ///
    /// Such code must not call [`Gated::new`]: the linker would see a call that enables the
    /// feature, and keep the gated code.
    pub(crate) const fn proven(value: T, _: Enabled<F>) -> Self {
        Self {
            value: Some(value),
            feature: PhantomData,
        }
    }
}

impl<T, F: Feature> Gated<T, F> {
    /// Set to `value`; enables the feature.
    #[inline(always)]
    pub(crate) fn new(value: T) -> Self {
        Self::proven(value, F::enable())
    }

    /// The value, if it is set.
    #[inline(always)]
    pub(crate) fn get(&self) -> Option<&T> {
        self.value.as_ref().filter(|_| F::is_enabled())
    }

    /// As [`Gated::get`].
    #[inline(always)]
    pub(crate) fn get_mut(&mut self) -> Option<&mut T> {
        self.value.as_mut().filter(|_| F::is_enabled())
    }

    #[inline(always)]
    pub(crate) fn is_set(&self) -> bool {
        self.get().is_some()
    }

    /// The value itself, if it is set.
    #[inline(always)]
    pub(crate) fn into_value(self) -> Option<T> {
        self.value.filter(|_| F::is_enabled())
    }

    /// The value. Sets it first if it is not set.
    #[inline(always)]
    pub(crate) fn get_or_insert_with(&mut self, _: Enabled<F>, make: impl FnOnce() -> T) -> &mut T {
        self.value.get_or_insert_with(make)
    }

    /// The proof that the feature is enabled, if the value is set.
    #[inline(always)]
    pub(crate) fn proof(&self) -> Option<Enabled<F>> {
        self.get().map(|_| Enabled(PhantomData))
    }

    /// The same feature with the value that `f` makes of this one.
    #[inline(always)]
    pub(crate) fn map<U>(self, f: impl FnOnce(T) -> U) -> Gated<U, F> {
        Gated {
            value: self.into_value().map(f),
            feature: PhantomData,
        }
    }
}

/// State behind a gate. As [`Gated`], and the code that drops it is gated too.
#[derive(Debug)]
pub(crate) struct GatedState<T, F: Feature>(ManuallyDrop<Gated<T, F>>);

impl<T, F: Feature> GatedState<T, F> {
    /// Not set.
    pub(crate) const UNSET: Self = Self::new(Gated::UNSET);

    pub(crate) const fn new(gated: Gated<T, F>) -> Self {
        Self(ManuallyDrop::new(gated))
    }
}

impl<T: Clone, F: Feature> Clone for GatedState<T, F> {
    #[inline(always)]
    fn clone(&self) -> Self {
        if F::is_enabled() {
            Self(self.0.clone())
        } else {
            Self::UNSET
        }
    }
}

impl<T: PartialEq, F: Feature> PartialEq for GatedState<T, F> {
    fn eq(&self, other: &Self) -> bool {
        *self.0 == *other.0
    }
}

impl<T: Eq, F: Feature> Eq for GatedState<T, F> {}

impl<T, F: Feature> Drop for GatedState<T, F> {
    #[inline(always)]
    fn drop(&mut self) {
        if F::is_enabled() {
            let unset = ManuallyDrop::new(Gated::UNSET);
            drop(ManuallyDrop::into_inner(mem::replace(&mut self.0, unset)));
        }
    }
}

impl<T, F: Feature> Deref for GatedState<T, F> {
    type Target = Gated<T, F>;

    fn deref(&self) -> &Gated<T, F> {
        &self.0
    }
}

impl<T, F: Feature> DerefMut for GatedState<T, F> {
    fn deref_mut(&mut self) -> &mut Gated<T, F> {
        &mut self.0
    }
}

impl<F: Feature> Gated<(), F> {
    /// A switch; enables the feature if it is on.
    #[inline(always)]
    pub(crate) fn switch(on: bool) -> Self {
        if on { Self::new(()) } else { Self::UNSET }
    }
}

impl<T: Copy, F: Feature> Gated<T, F> {
    /// A copy of the value, if it is set.
    #[inline(always)]
    pub(crate) fn value(&self) -> Option<T> {
        self.get().copied()
    }
}

impl<T: PartialEq, F> PartialEq for Gated<T, F> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq, F> Eq for Gated<T, F> {}

impl<T, F> Default for Gated<T, F> {
    fn default() -> Self {
        Self::UNSET
    }
}

impl<T: Clone, F> Clone for Gated<T, F> {
    fn clone(&self) -> Self {
        Self {
            value: self.value.clone(),
            feature: PhantomData,
        }
    }
}

impl<T: Copy, F> Copy for Gated<T, F> {}

impl<T: fmt::Debug, F> fmt::Debug for Gated<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

features! {
    /// Exact LRU: its queue, and reads that reorder it.
    LruPolicy;
    /// The idle expiry: deadlines that move on a hit, and their limits.
    IdleExpiry;
    /// An expiry of the user's: the calls to it, reads that move a deadline by it, and the cap of
    /// an entry, which bounds the ttls that the entry gets from it.
    CustomExpiry;
    /// Freshness: values that are due before their ttl ends, or kept after it.
    Freshening;
    /// Remembered results: loads that ended without a value, their timers and their bound.
    RememberedResults;
}
