//! What a runtime must be for batches, and the boxed loader.

use alloc::vec::Vec;
use core::hash::{BuildHasher, Hash};

use super::results::LoaderOutput;
use super::work::BatchWork;
use crate::flight::BatchTask;
use crate::runtime::{Flavor, LoadFuture, Runtime, Task};

/// A boxed batch loader for a runtime of flavor `F`.
pub(super) type BoxedLoader<K, V, F> = <F as Flavor>::Loader<Vec<K>, LoaderOutput<K, V, F>>;

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
