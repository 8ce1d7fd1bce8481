//! Whether what users hand in must be `Send`: decided once, by the runtime.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::any::Any;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::expiry::Expiry;
use crate::machine::RemovalCause;
use crate::sync::Arc;

/// Whether a runtime moves tasks between threads ([`MultiThread`]) or not ([`CurrentThread`]). Sealed.
pub trait Flavor: sealed::Sealed + Sized + 'static {
    /// A boxed future.
    type Future<T>: Future<Output = T> + Unpin;
    /// A question whether an executor has ended.
    type Watch: Fn() -> bool;
    /// A loader's error whose type was forgotten.
    type Error: Clone;
    /// A boxed batch loader.
    type BatchLoader<K, T>: Fn(Vec<K>) -> Self::Future<T>;
    /// A boxed weigher.
    type Weigher<K, V>: Fn(&K, &V) -> u32;
    /// A boxed eviction listener.
    type Listener<K, V>: Fn(&K, &V, RemovalCause);
    /// A boxed expiry.
    type Expiry<K, V>: Expiry<K, V>;
}

/// A future that the runtime can box: one that is `'static`, and `Send` where tasks move between
/// threads.
#[diagnostic::on_unimplemented(
    message = "the loader's future cannot be spawned: this runtime needs it to be `Send` and `'static`",
    label = "this loader borrows from its caller, or holds a value that is not `Send`",
    note = "for a loader that borrows, use the method that ends in `_inline`; for one that is not `Send`, use a runtime whose tasks stay on one thread"
)]
pub trait LoadFuture<F: Flavor>: Future + Sized {
    /// Boxes the future; its output goes through `map`.
    #[doc(hidden)]
    fn boxed<T: 'static>(self, map: fn(Self::Output) -> T) -> F::Future<T>;
}

pin_project! {
    /// A future whose output goes through a function. An async block would hold the future twice.
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

/// An error that the callers of a load can share: one that is `'static`, and `Send + Sync` where
/// tasks move between threads.
pub trait LoadErrorType<F: Flavor>: Sized {
    /// Erases the type.
    #[doc(hidden)]
    fn erase(error: Arc<Self>) -> F::Error;
    /// The error, if it has this type.
    #[doc(hidden)]
    fn recover(error: &F::Error) -> Option<Arc<Self>>;
}

/// A hook that a cache can keep: a weigher, an eviction listener or an expiry for keys `K` and values
/// `V`. It is `'static`, and `Send + Sync` where tasks move between threads.
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
    /// Boxes an expiry.
    #[doc(hidden)]
    fn into_expiry(self) -> F::Expiry<K, V>
    where
        Self: Expiry<K, V>;
}

/// Tasks move between threads: loaders and errors are `Send`.
#[derive(Debug, Clone, Copy)]
pub enum MultiThread {}

/// One thread of control: nothing needs to be `Send`.
#[derive(Debug, Clone, Copy)]
pub enum CurrentThread {}

/// Implements a flavour: `$bounds` is what a boxed hook must be, `$future` what a future must be.
macro_rules! flavor {
    ($flavor:ident, hooks: [$($hook:tt)*], futures: [$($future:tt)*]) => {
        impl sealed::Sealed for $flavor {}

        impl Flavor for $flavor {
            type Future<T> = Pin<Box<dyn Future<Output = T> + $($future)* 'static>>;
            type Watch = Box<dyn Fn() -> bool + $($hook)* 'static>;
            type Error = Arc<Box<dyn Any + $($hook)* 'static>>;
            type BatchLoader<K, T> = Box<dyn Fn(Vec<K>) -> Self::Future<T> + $($hook)* 'static>;
            type Weigher<K, V> = Box<dyn Fn(&K, &V) -> u32 + $($hook)* 'static>;
            type Listener<K, V> = Box<dyn Fn(&K, &V, RemovalCause) + $($hook)* 'static>;
            type Expiry<K, V> = Box<dyn Expiry<K, V> + $($hook)* 'static>;
        }

        impl<F: Future + $($future)* 'static> LoadFuture<$flavor> for F {
            fn boxed<T: 'static>(
                self,
                map: fn(Self::Output) -> T,
            ) -> <$flavor as Flavor>::Future<T> {
                Box::pin(Mapped { future: self, map })
            }
        }

        impl<E: $($hook)* 'static> LoadErrorType<$flavor> for E {
            fn erase(error: Arc<Self>) -> <$flavor as Flavor>::Error {
                Arc::new(Box::new(error))
            }

            fn recover(error: &<$flavor as Flavor>::Error) -> Option<Arc<Self>> {
                error.downcast_ref::<Arc<Self>>().cloned()
            }
        }

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

            fn into_expiry(self) -> <$flavor as Flavor>::Expiry<K, V>
            where
                Self: Expiry<K, V>,
            {
                Box::new(self)
            }
        }
    };
}

flavor!(MultiThread, hooks: [Send + Sync +], futures: [Send +]);
flavor!(CurrentThread, hooks: [], futures: []);

mod sealed {
    #[expect(unnameable_types, reason = "the trait is sealed by it")]
    pub trait Sealed {}
}
