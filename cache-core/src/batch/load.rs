//! The future of one key's load.

use core::future::Future;
use core::hash::{BuildHasher, Hash};
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use super::BatchLoader;
use super::loader::SupportsBatching;
use crate::error::LoadError;
use crate::load::{FlightHandle, Nullable, Viewed};
use crate::runtime::{LoadErrorType, Runtime};

/// The future of one key's load: it waits for the flight of the key, or has the answer.
///
/// Hand-written, since `get_all` may hold thousands of them: an async block would store each of
/// its parts separately.
pub(super) enum Load<'a, K: 'static, V: 'static, E, R: Runtime, S> {
    Wait {
        view: &'a BatchLoader<K, V, E, R, S>,
        handle: FlightHandle<'a, K, V, R, S>,
        /// For a retry.
        key: K,
    },
    /// `None` once the answer is taken.
    Done(Option<Result<Option<V>, LoadError<E>>>),
}

impl<K, V, E, R: Runtime, S> Load<'_, K, V, E, R, S> {
    pub(super) const fn hit(value: V) -> Self {
        Self::Done(Some(Ok(Some(value))))
    }

    pub(super) const fn is_hit(&self) -> bool {
        matches!(self, Self::Done(Some(Ok(_))))
    }
}

impl<K, V, E, R, S> Future for Load<'_, K, V, E, R, S>
where
    K: Eq + Hash + Clone + 'static,
    V: Clone,
    R: SupportsBatching<K, V, S>,
    E: LoadErrorType<R::Flavor> + 'static,
    S: BuildHasher,
{
    type Output = Result<Option<V>, LoadError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            *self = match &mut *self {
                Self::Wait { view, handle, key } => {
                    if let Some(answer) = ready!(handle.poll_for::<Viewed<Nullable, E>>(cx)) {
                        return Poll::Ready(answer);
                    }
                    // The load was cancelled, or failed with an error of another type.
                    view.join_or_enqueue(handle.flight().hash(), key.clone())
                }
                Self::Done(answer) => {
                    let answer = answer.take();
                    return Poll::Ready(answer.expect("`Load` polled after completion"));
                }
            };
        }
    }
}

/// `Load` never pins its fields.
impl<K, V, E, R: Runtime, S> Unpin for Load<'_, K, V, E, R, S> {}
