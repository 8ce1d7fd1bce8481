//! What the loader of a view must be.

use super::{Flavor, LoadFuture, MultiThread};

/// A loader that a view keeps: it loads one key (`A` is the key) or a batch (`A` is a `Vec` of
/// keys) on a runtime of flavor `F`.
///
/// Every closure and function from `A` to a future implements it. It must be `Clone + 'static` and,
/// on a runtime that moves tasks between threads, `Send + Sync`; its future must be `'static` and
/// there also `Send`. The view runs a clone for each load.
///
/// Implement it for a type of your own to give the loader a name, or to load single keys and
/// batches with the same type. The default of `F` fits every runtime that moves tasks between
/// threads, such as Tokio. The runtime of this example has one thread:
///
/// ```
/// use std::collections::HashMap;
///
/// use cache_core::{Cache, Loader, runtime::CurrentThread, testing::VirtualRuntime};
///
/// #[derive(Clone)]
/// struct Users(/* a pool of connections, cheap to clone */);
///
/// // On Tokio: `impl Loader<Vec<u64>> for Users`.
/// impl Loader<Vec<u64>, CurrentThread> for Users {
///     type Output = Result<HashMap<u64, String>, std::io::Error>;
///
///     async fn load(self, ids: Vec<u64>) -> Self::Output {
///         // SELECT id, name FROM users WHERE id = ANY($1)
///         Ok(ids.into_iter().map(|id| (id, format!("user {id}"))).collect())
///     }
/// }
///
/// let runtime = VirtualRuntime::new();
/// let cache: Cache<u64, String, _> = Cache::builder_on(runtime.clone()).build();
/// let users = cache.batching(Users());
/// let found = runtime.block_on(users.get(7));
/// assert_eq!(found.unwrap().as_deref(), Some("user 7"));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a loader of `{A}` for this view",
    label = "expected a function from `{A}` to a future",
    note = "a loader is a `Clone` closure with one argument of type `{A}` that returns a future, or a type that implements `Loader<{A}>`"
)]
pub trait Loader<A, F: Flavor = MultiThread>: SharedLoader<F> + Clone {
    /// What a load returns. The method that makes the view says which types it accepts.
    type Output: 'static;

    /// Loads `argument`: a key, or the keys of a batch.
    fn load(self, argument: A) -> impl LoadFuture<F, Output = Self::Output>;
}

impl<A, F, L, Fut> Loader<A, F> for L
where
    F: Flavor,
    L: FnOnce(A) -> Fut + SharedLoader<F> + Clone,
    Fut: LoadFuture<F, Output: 'static>,
{
    type Output = Fut::Output;

    fn load(self, argument: A) -> impl LoadFuture<F, Output = Fut::Output> {
        self(argument)
    }
}

/// A loader that the tasks of a runtime can share.
///
/// It must be `'static` and, on a runtime that moves tasks between threads, `Send + Sync`.
/// Implemented for every type that qualifies.
#[diagnostic::on_unimplemented(
    message = "the tasks of this runtime cannot share the loader `{Self}`",
    label = "this loader must be `'static`, and `Send + Sync` unless the runtime has one thread",
    note = "capture an `Arc`, an atomic or a `Mutex` instead of a reference, an `Rc`, a `Cell` or a `RefCell`, or use a runtime of one thread (the `local` module of an adapter)"
)]
pub trait SharedLoader<F: Flavor>: Sized {
    /// Boxes the loader; the output of each load goes through `map`.
    #[doc(hidden)]
    fn into_boxed<A, T: 'static>(
        self,
        map: fn(<Self as Loader<A, F>>::Output) -> T,
    ) -> F::Loader<A, T>
    where
        Self: Loader<A, F>;

    /// Boxes a loader that also gets the stored value; the output of each load goes through `map`.
    #[doc(hidden)]
    fn into_boxed_reload<K, V, Fut, T: 'static>(
        self,
        map: fn(Fut::Output) -> T,
    ) -> F::Loader<(K, Option<V>), T>
    where
        Self: Fn(K, Option<V>) -> Fut,
        Fut: LoadFuture<F, Output: 'static>;
}
