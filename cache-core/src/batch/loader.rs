//! What a batch loader and its runtime must be.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::hash::{BuildHasher, Hash};

use super::output::BatchOutput;
use super::results::{LoaderOutput, erase_errors};
use super::work::BatchWork;
use crate::flight::BatchTask;
use crate::runtime::{
    CurrentThread, Flavor, LoadErrorType, LoadFuture, MultiThread, Runtime, Task,
};

/// A boxed batch loader for a runtime of flavor `F`.
pub(super) type BoxedLoader<K, V, F> = <F as Flavor>::BatchLoader<K, LoaderOutput<K, V, F>>;

/// A batch loader for keys `K` and values `V` on a runtime of flavor `F`.
///
/// Every `FnOnce(Vec<K>) -> impl Future<Output: BatchOutput<K, V>>` that is `Clone + 'static`
/// implements this trait. On a runtime that moves tasks between threads the loader and its error
/// must also be `Send + Sync`, and its future `Send`. No other type can implement it.
///
/// Name it in the bounds of a function that is generic over the loader of a view:
///
/// ```
/// use cache_core::{BatchLoaderFn, BatchLoader, runtime::Runtime, testing::VirtualRuntime};
///
/// async fn name<L>(names: &BatchLoader<u64, String, VirtualRuntime, L>, id: u64) -> Option<String>
/// where
///     L: BatchLoaderFn<u64, String, <VirtualRuntime as Runtime>::Flavor>,
/// {
///     names.get(id).await.ok().flatten()
/// }
/// ```
pub trait BatchLoaderFn<K, V, F: Flavor>: Sized {
    /// The loader's error, for one key or for the whole batch.
    type Error: LoadErrorType<F> + 'static;

    /// Boxes the loader and erases its types.
    #[doc(hidden)]
    fn into_boxed(self) -> BoxedLoader<K, V, F>;
}

/// Implements [`BatchLoaderFn`] for one flavor. Only with a known flavor can the compiler check that
/// the boxed loader is `Send` where it must be.
macro_rules! batch_loader_fn {
    ($flavor:ident, loaders: [$($loader:tt)*]) => {
        impl<K, V, L, Fut, O> BatchLoaderFn<K, V, $flavor> for L
        where
            L: FnOnce(Vec<K>) -> Fut + Clone + $($loader)* 'static,
            Fut: LoadFuture<$flavor, Output = O>,
            O: BatchOutput<K, V>,
            O::Error: LoadErrorType<$flavor> + 'static,
            K: 'static,
            V: 'static,
        {
            type Error = O::Error;

            fn into_boxed(self) -> BoxedLoader<K, V, $flavor> {
                Box::new(move |keys| self.clone()(keys).boxed(erase_errors::<K, V, $flavor, O>))
            }
        }
    };
}

batch_loader_fn!(MultiThread, loaders: [Send + Sync +]);
batch_loader_fn!(CurrentThread, loaders: []);

/// A runtime that supports batches for a cache from `K` to `V` with hasher `S`: every runtime that
/// [supports the cache](crate::SupportsCache) whose keys are `Clone`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not support batches for a cache from `{K}` to `{V}`",
    note = "the keys of batches are `Clone`"
)]
pub trait SupportsBatching<K: 'static, V: 'static, S>: Runtime {
    /// Boxes the work of a batch.
    #[doc(hidden)]
    fn box_work(work: BatchWork<K, V, Self, S>) -> Task<Self>;

    /// Boxes the background task of a batch.
    #[doc(hidden)]
    fn box_task(task: BatchTask<Self>) -> Task<Self>;
}

impl<K, V, S, R> SupportsBatching<K, V, S> for R
where
    K: Eq + Hash + Clone + 'static,
    V: Clone + 'static,
    S: BuildHasher,
    R: Runtime,
    BatchWork<K, V, R, S>: LoadFuture<R::Flavor, Output = ()>,
    BatchTask<R>: LoadFuture<R::Flavor, Output = ()>,
{
    fn box_work(work: BatchWork<K, V, R, S>) -> Task<R> {
        work.boxed(|()| ())
    }

    fn box_task(task: BatchTask<R>) -> Task<R> {
        task.boxed(|()| ())
    }
}
