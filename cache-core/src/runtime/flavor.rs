//! Whether futures, errors and hooks of users must be `Send`: the runtime's flavor decides.

use alloc::boxed::Box;
use core::any::Any;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::loader::{Loader, SharedLoader};
use crate::expiry::Expiry;
use crate::machine::RemovalCause;
use crate::refresh::RefreshEnd;
use crate::sync::Arc;

/// Whether a runtime moves tasks between threads ([`MultiThread`]) or not ([`CurrentThread`]).
///
/// A cache of users' types is bounded by the traits of this module, which say what a flavor
/// requires: on Tokio, async-std and smol `Send` futures and `Send + Sync` errors and hooks, in
/// their `local` modules nothing but `'static`. Sealed: these two flavors are all.
pub trait Flavor: sealed::Sealed + Sized + 'static {
    /// Whether tasks and caches may be on several threads.
    #[doc(hidden)]
    const HAS_THREADS: bool;
    /// A boxed future.
    type Future<T>: Future<Output = T> + Unpin;
    /// A boxed check whether an executor has ended.
    type EndCheck: Fn() -> bool;
    /// A loader's error with its type erased.
    type Error: Clone + LoadErrorType<Self>;
    /// A boxed loader of a view.
    type Loader<A, T>: Fn(A) -> Self::Future<T>;
    /// A boxed function that handles events `E`.
    #[cfg(feature = "tier")]
    type Handler<E, T>: Fn(E) -> T;
    /// A boxed weigher.
    type Weigher<K, V>: Fn(&K, &V) -> u32;
    /// A boxed eviction listener.
    type Listener<K, V>: Fn(&K, &V, RemovalCause);
    /// A boxed refresh listener.
    type RefreshListener<K>: Fn(&K, RefreshEnd<'_>);
    /// A boxed expiry.
    type Expiry<K, V>: Expiry<K, V>;
    /// A boxed check of an error behind its erased type.
    type Check: Fn(&dyn Any) -> bool;

    /// The error behind its erased type: an `Arc` of it.
    #[doc(hidden)]
    fn error_as_any(error: &Self::Error) -> &dyn Any;

    /// Marks an error that no stored value may cover.
    #[doc(hidden)]
    fn refuse(error: Self::Error) -> Self::Error;

    /// The error that was marked, if it was.
    #[doc(hidden)]
    fn refused(error: &Self::Error) -> Option<Self::Error>;

    /// Boxes a future whose output goes through `map`, together with `check`.
    #[doc(hidden)]
    fn checked<T: 'static>(
        future: Self::Future<T>,
        check: Arc<Self::Check>,
        map: fn(T, &Self::Check) -> T,
    ) -> Self::Future<T>;
}

/// The future of a loader that the cache can move into a background task.
///
/// On Tokio, async-std and smol the bound `Fut: LoadFuture<R::Flavor>` means `Fut: Future + Send +
/// 'static`; in their `local` modules it means `Fut: Future + 'static`. A loader that borrows from
/// its caller can use a method whose name ends in `_scoped`; a loader that is not `Send` needs a
/// runtime of one thread, as in the `local` module of an adapter. Implemented for every future that
/// qualifies.
// Its impls are not `do_not_recommend`: for a future that is not `Send`, the compiler names the
// value that is held across an `await`, which is worth more than a message of this trait's own.
#[diagnostic::on_unimplemented(
    message = "the cache cannot move the loader's future `{Self}` into a background task",
    label = "this loader's future must be `'static`, and `Send` unless the runtime has one thread",
    note = "a loader that borrows or is not `Send` needs a method whose name ends in `_scoped`, such as `get_with_scoped`",
    note = "generic code needs the bound `LoadFuture<R::Flavor>` on the future"
)]
pub trait LoadFuture<F: Flavor>: Future + Sized {
    /// Boxes the future; its output goes through `map`.
    #[doc(hidden)]
    fn boxed<T: 'static>(self, map: fn(Self::Output) -> T) -> F::Future<T>;
}

pin_project! {
    /// A future whose output goes through a function. An async block would store the future twice.
    struct Mapped<F: Future, T> {
        #[pin]
        future: F,
        map: fn(F::Output) -> T,
    }
}

impl<F: Future, T> Future for Mapped<F, T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = self.project();
        this.future.poll(cx).map(this.map)
    }
}

/// An error that no stored value may cover. A mark in the error costs loads without one nothing.
struct Refused<X>(X);

/// A future whose output goes through a function that has a check.
struct Checked<Fut, C, T> {
    future: Fut,
    check: Arc<C>,
    map: fn(T, &C) -> T,
}

impl<Fut: Future<Output = T> + Unpin, C, T> Future for Checked<Fut, C, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let output = Pin::new(&mut self.future).poll(cx);
        output.map(|output| (self.map)(output, &self.check))
    }
}

/// A loader that a flight keeps until it needs it.
///
/// On Tokio, async-std and smol the bound `L: DeferredLoader<R::Flavor>` means `L: Send + 'static`;
/// in their `local` modules it means `L: 'static`. Implemented for every type that qualifies.
#[cfg(feature = "tier")]
#[diagnostic::on_unimplemented(
    message = "a load through a second tier cannot keep the loader `{Self}`",
    label = "this loader must be `'static`, and `Send` unless the runtime has one thread",
    note = "capture an `Arc` instead of a reference or an `Rc`, and use `move`"
)]
pub trait DeferredLoader<F: Flavor>: Sized {
    /// Boxes a future that calls `start` with the loader when it is first polled.
    #[doc(hidden)]
    fn deferred<T: 'static>(self, start: fn(Self) -> F::Future<T>) -> F::Future<T>;
}

/// A future that starts another at its first poll.
#[cfg(feature = "tier")]
struct Deferred<L, Fut> {
    loader: Option<L>,
    start: fn(L) -> Fut,
    started: Option<Fut>,
}

#[cfg(feature = "tier")]
impl<L, Fut: Future + Unpin> Future for Deferred<L, Fut> {
    type Output = Fut::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Fut::Output> {
        if let Some(loader) = self.loader.take() {
            self.started = Some((self.start)(loader));
        }
        let started = self
            .started
            .as_mut()
            .expect("the loader has started, and did not panic");
        Pin::new(started).poll(cx)
    }
}

/// `Deferred` never pins its fields.
#[cfg(feature = "tier")]
impl<L, Fut> Unpin for Deferred<L, Fut> {}

/// The error of a loader, which all callers of the load share.
///
/// On Tokio, async-std and smol the bound `E: LoadErrorType<R::Flavor>` means `E: Send + Sync +
/// 'static`; in their `local` modules it means `E: 'static`. Implemented for every type that
/// qualifies.
#[diagnostic::on_unimplemented(
    message = "the loader's error `{Self}` cannot be shared between the callers of a load",
    label = "this error must be `'static`, and `Send + Sync` unless the runtime has one thread",
    note = "return an error that is `Send + Sync`, such as `Box<dyn Error + Send + Sync>` or a `String`, or use a runtime of one thread (the `local` module of an adapter)"
)]
pub trait LoadErrorType<F: Flavor>: Sized {
    /// Erases the type.
    #[doc(hidden)]
    fn erase(error: Arc<Self>) -> F::Error;
    /// The error, if it has this type.
    #[doc(hidden)]
    fn recover(error: &F::Error) -> Option<Arc<Self>>;
}

/// A hook of a cache for keys `K` and values `V`: a weigher, an eviction listener or an expiry.
///
/// On Tokio, async-std and smol the bound `H: Hook<R::Flavor, K, V>` means `H: Send + Sync +
/// 'static`; in their `local` modules it means `H: 'static`. Implemented for every type that
/// qualifies.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a hook of this cache",
    label = "this hook captures a value that is not `Send + Sync`, which this runtime needs",
    note = "capture an `Arc`, an atomic or a `Mutex` instead of an `Rc`, a `Cell` or a `RefCell`, or use a runtime of one thread (the `local` module of an adapter)"
)]
pub trait Hook<F: Flavor, K, V>: Sized {
    /// Boxes a weigher.
    #[doc(hidden)]
    fn into_weigher(self) -> F::Weigher<K, V>
    where
        Self: Fn(&K, &V) -> u32;
    /// Boxes a listener.
    #[doc(hidden)]
    fn into_listener(self) -> F::Listener<K, V>
    where
        Self: Fn(&K, &V, RemovalCause);
    /// Boxes a refresh listener.
    #[doc(hidden)]
    fn into_refresh_listener(self) -> F::RefreshListener<K>
    where
        Self: Fn(&K, RefreshEnd<'_>);
    /// Boxes an expiry.
    #[doc(hidden)]
    fn into_expiry(self) -> F::Expiry<K, V>
    where
        Self: Expiry<K, V>;
    /// Boxes a check of errors `E`.
    #[doc(hidden)]
    fn into_check<E: 'static>(self) -> F::Check
    where
        Self: Fn(&E) -> bool;
}

/// The runtime moves tasks between threads: futures are `Send`, and errors and hooks are
/// `Send + Sync`.
#[derive(Debug, Clone, Copy)]
pub enum MultiThread {}

/// The runtime has one thread of control: nothing needs to be `Send`.
#[derive(Debug, Clone, Copy)]
pub enum CurrentThread {}

/// Implements a flavor: `hooks` are the bounds of boxed hooks and errors, `futures` those of boxed
/// futures.
macro_rules! flavor {
    (
        $flavor:ident, threads: $threads:literal,
        hooks: [$($hook:tt)*], futures: [$($future:tt)*]
    ) => {
        impl sealed::Sealed for $flavor {}

        impl Flavor for $flavor {
            const HAS_THREADS: bool = $threads;
            type Future<T> = Pin<Box<dyn Future<Output = T> + $($future)* 'static>>;
            type EndCheck = Box<dyn Fn() -> bool + $($hook)* 'static>;
            type Error = Arc<Box<dyn Any + $($hook)* 'static>>;
            type Loader<A, T> = Box<dyn Fn(A) -> Self::Future<T> + $($hook)* 'static>;
            #[cfg(feature = "tier")]
            type Handler<E, T> = Box<dyn Fn(E) -> T + $($hook)* 'static>;
            type Weigher<K, V> = Box<dyn Fn(&K, &V) -> u32 + $($hook)* 'static>;
            type Listener<K, V> = Box<dyn Fn(&K, &V, RemovalCause) + $($hook)* 'static>;
            type RefreshListener<K> = Box<dyn Fn(&K, RefreshEnd<'_>) + $($hook)* 'static>;
            type Expiry<K, V> = Box<dyn Expiry<K, V> + $($hook)* 'static>;
            type Check = Box<dyn Fn(&dyn Any) -> bool + $($hook)* 'static>;

            fn error_as_any(error: &Self::Error) -> &dyn Any {
                &***error
            }

            fn refuse(error: Self::Error) -> Self::Error {
                Arc::new(Box::new(Refused(error)))
            }

            fn refused(error: &Self::Error) -> Option<Self::Error> {
                let refused = error.downcast_ref::<Refused<Self::Error>>();
                refused.map(|refused| refused.0.clone())
            }

            fn checked<T: 'static>(
                future: Self::Future<T>,
                check: Arc<Self::Check>,
                map: fn(T, &Self::Check) -> T,
            ) -> Self::Future<T> {
                Box::pin(Checked { future, check, map })
            }
        }

        impl<F: Future + $($future)* 'static> LoadFuture<$flavor> for F {
            fn boxed<T: 'static>(
                self,
                map: fn(Self::Output) -> T,
            ) -> <$flavor as Flavor>::Future<T> {
                Box::pin(Mapped { future: self, map })
            }
        }

        #[cfg(feature = "tier")]
        #[diagnostic::do_not_recommend]
        impl<L: $($future)* 'static> DeferredLoader<$flavor> for L {
            fn deferred<T: 'static>(
                self,
                start: fn(Self) -> <$flavor as Flavor>::Future<T>,
            ) -> <$flavor as Flavor>::Future<T> {
                Box::pin(Deferred {
                    loader: Some(self),
                    start,
                    started: None,
                })
            }
        }

        #[diagnostic::do_not_recommend]
        impl<E: $($hook)* 'static> LoadErrorType<$flavor> for E {
            fn erase(error: Arc<Self>) -> <$flavor as Flavor>::Error {
                Arc::new(Box::new(error))
            }

            fn recover(error: &<$flavor as Flavor>::Error) -> Option<Arc<Self>> {
                error.downcast_ref::<Arc<Self>>().cloned()
            }
        }

        // Recommended, unlike the other impls: the compiler then names the part of a loader that is
        // not `Send`.
        impl<L: $($hook)* 'static> SharedLoader<$flavor> for L {
            fn into_boxed<A, T: 'static>(
                self,
                map: fn(<Self as Loader<A, $flavor>>::Output) -> T,
            ) -> <$flavor as Flavor>::Loader<A, T>
            where
                Self: Loader<A, $flavor>,
            {
                Box::new(move |argument| self.clone().load(argument).boxed(map))
            }

            fn into_boxed_reload<K, V, Fut, T: 'static>(
                self,
                map: fn(Fut::Output) -> T,
            ) -> <$flavor as Flavor>::Loader<(K, Option<V>), T>
            where
                Self: Fn(K, Option<V>) -> Fut,
                Fut: LoadFuture<$flavor, Output: 'static>,
            {
                Box::new(move |(key, old)| self(key, old).boxed(map))
            }
        }

        #[diagnostic::do_not_recommend]
        impl<H: $($hook)* 'static, K, V> Hook<$flavor, K, V> for H {
            fn into_weigher(self) -> <$flavor as Flavor>::Weigher<K, V>
            where
                Self: Fn(&K, &V) -> u32,
            {
                Box::new(self)
            }

            fn into_listener(self) -> <$flavor as Flavor>::Listener<K, V>
            where
                Self: Fn(&K, &V, RemovalCause),
            {
                Box::new(self)
            }

            fn into_refresh_listener(self) -> <$flavor as Flavor>::RefreshListener<K>
            where
                Self: Fn(&K, RefreshEnd<'_>),
            {
                Box::new(self)
            }

            fn into_expiry(self) -> <$flavor as Flavor>::Expiry<K, V>
            where
                Self: Expiry<K, V>,
            {
                Box::new(self)
            }

            fn into_check<E: 'static>(self) -> <$flavor as Flavor>::Check
            where
                Self: Fn(&E) -> bool,
            {
                Box::new(move |error| error.downcast_ref::<Arc<E>>().is_some_and(|error| self(error)))
            }
        }
    };
}

flavor!(MultiThread, threads: true, hooks: [Send + Sync +], futures: [Send +]);
flavor!(CurrentThread, threads: false, hooks: [], futures: []);

mod sealed {
    #[expect(unnameable_types, reason = "the trait is sealed by it")]
    pub trait Sealed {}
}
