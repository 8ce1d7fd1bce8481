//! Whether what users hand in must be `Send`: decided once, by the runtime.

use alloc::boxed::Box;
use core::any::Any;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::expiry::Expiry;
use crate::machine::RemovalCause;
use crate::sync::Arc;

/// Whether a runtime moves tasks between threads ([`Shared`]) or not ([`Local`]). Sealed.
pub trait Flavor: sealed::Sealed + Sized + 'static {
    /// A boxed future.
    type Future<T>: Future<Output = T> + Unpin;
    /// A question whether an executor has ended.
    type Watch: Fn() -> bool;
    /// A loader's error whose type was forgotten.
    type Error: Clone;
    /// A boxed weigher.
    type Weigher<K, V>: Fn(&K, &V) -> u32;
    /// A boxed eviction listener.
    type Listener<K, V>: Fn(&K, &V, RemovalCause);
    /// A boxed expiry.
    type Expiry<K, V>: Expiry<K, V>;
}

/// Boxes the future `F`, if the flavour can run it.
#[diagnostic::on_unimplemented(
    message = "this loader cannot travel: the runtime moves tasks between threads, so the loader's future must be `Send` and `'static`",
    note = "for a loader that borrows, use the method that ends in `_inline`; for one that is not `Send`, a local runtime"
)]
pub trait Holds<F: Future>: Flavor {
    /// Boxes `future` and has its output go through `map`.
    fn hold<T: 'static>(future: F, map: fn(F::Output) -> T) -> Self::Future<T>;
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

/// Forgets and recovers the error type `E`.
pub trait Erases<E>: Flavor {
    /// Forgets the type.
    fn erase(error: Arc<E>) -> Self::Error;
    /// The error, if it is an `E`.
    fn recover(error: &Self::Error) -> Option<Arc<E>>;
}

/// Boxes the hook `H`: a weigher, a listener or an expiry for `K` and `V`.
pub trait Accepts<H, K, V>: Flavor {
    /// Boxes a weigher.
    fn weigher(hook: H) -> Self::Weigher<K, V>
    where
        H: Fn(&K, &V) -> u32;
    /// Boxes a listener.
    fn listener(hook: H) -> Self::Listener<K, V>
    where
        H: Fn(&K, &V, RemovalCause);
    /// Boxes an expiry.
    fn expiry(hook: H) -> Self::Expiry<K, V>
    where
        H: Expiry<K, V>;
}

/// Tasks move between threads: loaders and errors are `Send`.
#[derive(Debug, Clone, Copy)]
pub enum Shared {}

/// One thread of control: nothing needs to be `Send`.
#[derive(Debug, Clone, Copy)]
pub enum Local {}

/// Implements a flavour: `$bounds` is what a boxed hook must be, `$future` what a future must be.
macro_rules! flavor {
    ($flavor:ident, hooks: [$($hook:tt)*], futures: [$($future:tt)*]) => {
        impl sealed::Sealed for $flavor {}

        impl Flavor for $flavor {
            type Future<T> = Pin<Box<dyn Future<Output = T> + $($future)* 'static>>;
            type Watch = Box<dyn Fn() -> bool + $($hook)* 'static>;
            type Error = Arc<Box<dyn Any + $($hook)* 'static>>;
            type Weigher<K, V> = Box<dyn Fn(&K, &V) -> u32 + $($hook)* 'static>;
            type Listener<K, V> = Box<dyn Fn(&K, &V, RemovalCause) + $($hook)* 'static>;
            type Expiry<K, V> = Box<dyn Expiry<K, V> + $($hook)* 'static>;
        }

        impl<F: Future + $($future)* 'static> Holds<F> for $flavor {
            fn hold<T: 'static>(future: F, map: fn(F::Output) -> T) -> Self::Future<T> {
                Box::pin(Mapped { future, map })
            }
        }

        impl<E: $($hook)* 'static> Erases<E> for $flavor {
            fn erase(error: Arc<E>) -> Self::Error {
                Arc::new(Box::new(error))
            }

            fn recover(error: &Self::Error) -> Option<Arc<E>> {
                error.downcast_ref::<Arc<E>>().cloned()
            }
        }

        impl<H: $($hook)* 'static, K, V> Accepts<H, K, V> for $flavor {
            fn weigher(hook: H) -> Self::Weigher<K, V>
            where
                H: Fn(&K, &V) -> u32,
            {
                Box::new(hook)
            }

            fn listener(hook: H) -> Self::Listener<K, V>
            where
                H: Fn(&K, &V, RemovalCause),
            {
                Box::new(hook)
            }

            fn expiry(hook: H) -> Self::Expiry<K, V>
            where
                H: Expiry<K, V>,
            {
                Box::new(hook)
            }
        }
    };
}

flavor!(Shared, hooks: [Send + Sync +], futures: [Send +]);
flavor!(Local, hooks: [], futures: []);

mod sealed {
    #[expect(unnameable_types, reason = "the trait is sealed by it")]
    pub trait Sealed {}
}
