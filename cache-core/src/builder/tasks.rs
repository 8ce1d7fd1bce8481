//! How a cache boxes its background tasks.
//!
//! Whether a task can be spawned depends on `K`, `V`, `R` and `S`. Only [`Builder::build`] has that
//! bound; it stores functions that box the tasks, so the methods of a cache need no bound.
//!
//! [`Builder::build`]: crate::Builder::build

use crate::inner::{BoxLoadTask, Inner};
use crate::janitor::{BoxJanitorTask, JanitorTask};
use crate::load::LoadTask;
use crate::runtime::{LoadFuture, Runtime};

/// The functions that box the background tasks of a cache.
#[derive(Debug)]
#[expect(unnameable_types, reason = "a hidden method returns it")]
pub struct TaskBoxes<K, V, R: Runtime, S> {
    pub(super) load: BoxLoadTask<K, V, R, S>,
    pub(super) janitor: BoxJanitorTask<Inner<K, V, R, S>>,
}

/// A runtime that supports a cache from `K` to `V` with hasher `S`.
///
/// A runtime that moves tasks between threads supports keys, values and hashers that are
/// `Send + Sync + 'static`. A runtime of one thread supports all that are `'static`. Every runtime
/// with these types implements the trait.
///
/// ```
/// use cache_core::testing::VirtualRuntime;
/// use cache_core::{Cache, DefaultHasher, SupportsCache};
///
/// fn sessions<R: SupportsCache<u64, String, DefaultHasher>>(runtime: R) -> Cache<u64, String, R> {
///     Cache::builder_on(runtime).max_capacity(1_000).build()
/// }
/// # drop(sessions(VirtualRuntime::new()));
/// ```
#[diagnostic::on_unimplemented(
    message = "the runtime `{Self}` does not support a cache from `{K}` to `{V}`",
    label = "a key, value or hasher of this cache cannot be shared between threads",
    note = "a runtime that moves tasks between threads needs keys, values and hashers that are \
            `Send + Sync + 'static`",
    note = "use `Arc` instead of `Rc` and `Mutex` instead of `RefCell`, or use a runtime of \
            one thread (the `local` module of an adapter, such as `cache_tokio::local`)",
    note = "generic code needs the bound `SupportsCache<K, V, S>` on its runtime"
)]
pub trait SupportsCache<K, V, S>: Runtime {
    /// Returns the functions that box the background tasks of a cache.
    #[doc(hidden)]
    fn task_boxes() -> TaskBoxes<K, V, Self, S>;
}

// Otherwise rustc reports the first field deep inside the tasks that is not `Send`.
#[diagnostic::do_not_recommend]
impl<K, V, S, R> SupportsCache<K, V, S> for R
where
    K: Eq,
    V: Clone + 'static,
    R: Runtime,
    LoadTask<K, V, R, S>: LoadFuture<R::Flavor, Output = ()>,
    JanitorTask<Inner<K, V, R, S>>: LoadFuture<R::Flavor, Output = ()>,
{
    fn task_boxes() -> TaskBoxes<K, V, R, S> {
        TaskBoxes {
            load: |inner, flight| LoadTask::new(inner, flight).boxed(|()| ()),
            janitor: |task| task.boxed(|()| ()),
        }
    }
}
