//! The future of a loading method.

use alloc::borrow::ToOwned;
use core::future::Future;
use core::hash::{BuildHasher, Hash};
use core::marker::PhantomData;
use core::mem::needs_drop;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use equivalent::Equivalent;

use super::handle::FlightHandle;
use super::join::JoinResult;
use super::methods::LoadMethod;
use crate::flight::{Driver, Outcome};
use crate::inner::Inner;
use crate::runtime::{LoadFuture, Runtime};
use crate::sync::Arc;

/// A caller who asks for a key, `N` being what it has of it, until there is an answer. As long as
/// loads of others end in something that its method cannot return, it asks again; each time it
/// leads, or waits for one in the same position who does.
///
/// By hand, since every load goes through it: the compiler's own would have room for each of its
/// parts apart, three times for the loader, and would move what goes from one to the next.
pub(crate) struct Get<'a, K, V: 'static, R: Runtime, S, M, N, L> {
    inner: &'a Arc<Inner<K, V, R, S>>,
    key: N,
    /// Until this caller leads.
    loader: Option<L>,
    attempt: Attempt,
    /// Of the key, once it was needed.
    hash: Option<u32>,
    handle: Option<FlightHandle<'a, K, V, R, S>>,
    method: PhantomData<fn() -> M>,
}

/// How a caller asks for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempt {
    /// Whether it is there.
    Lookup,
    /// For a load, since it is not. Like the look this is counted as a request, once.
    Load,
    /// For a load again, since what came was no answer.
    Retry,
    /// For a load that is newer than whatever is there.
    Refresh,
    /// Not any more: it leads.
    Lead,
}

/// Where the answer of a caller comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The value was there.
    Cache,
    /// The caller's own load.
    Own,
    /// A load of another that the caller joined.
    Joined,
}

/// What a caller gets: the answer, or the lead.
enum Progress<L, A> {
    Answer(A),
    /// To lead by its ticket, with its own loader.
    Lead(L),
}

/// A key as a caller has it.
pub(crate) trait KeyArg<K> {
    type Query: Hash + Equivalent<K> + ?Sized;

    fn query(&self) -> &Self::Query;

    /// An owned key for the cache.
    fn take(&mut self) -> K;

    /// A key that the cache has not used.
    fn put_back(&mut self, key: K);
}

/// A key by value.
pub(crate) struct Owned<K>(Option<K>);

/// A key by reference.
pub(crate) struct Borrowed<'a, Q: ?Sized>(pub(crate) &'a Q);

impl<K> Owned<K> {
    pub(crate) const fn new(key: K) -> Self {
        Self(Some(key))
    }
}

impl<K: Eq + Hash> KeyArg<K> for Owned<K> {
    type Query = K;

    fn query(&self) -> &K {
        self.0
            .as_ref()
            .expect("the key is looked up before it is taken")
    }

    fn take(&mut self) -> K {
        let key = self.0.take();
        key.expect("the key was put back if it was taken")
    }

    fn put_back(&mut self, key: K) {
        self.0 = Some(key);
    }
}

impl<K, Q> KeyArg<K> for Borrowed<'_, Q>
where
    Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
{
    type Query = Q;

    fn query(&self) -> &Q {
        self.0
    }

    fn take(&mut self) -> K {
        self.0.to_owned()
    }

    fn put_back(&mut self, _: K) {}
}

impl<'a, K, V, R: Runtime, S, M, N, L> Get<'a, K, V, R, S, M, N, L> {
    pub(crate) const fn new(inner: &'a Arc<Inner<K, V, R, S>>, key: N, loader: L) -> Self {
        Self {
            inner,
            key,
            loader: Some(loader),
            attempt: Attempt::Lookup,
            hash: None,
            handle: None,
            method: PhantomData,
        }
    }

    /// Does not look again whether the key is there, which has this hash.
    #[cfg(any(feature = "macros", test))]
    pub(crate) fn after_miss(mut self, hash: u32) -> Self {
        (self.attempt, self.hash) = (Attempt::Load, Some(hash));
        self
    }

    /// Where the answer came from, once there is one.
    pub(crate) const fn source(&self) -> Source {
        match self.attempt {
            Attempt::Lookup | Attempt::Load | Attempt::Refresh => Source::Cache,
            Attempt::Retry => Source::Joined,
            Attempt::Lead => Source::Own,
        }
    }

    /// Has the key loaded whatever is there.
    pub(crate) fn refreshing(mut self) -> Self {
        self.attempt = Attempt::Refresh;
        self
    }
}

impl<K, V, R, S, M, N, L> Get<'_, K, V, R, S, M, N, L>
where
    K: Eq,
    V: Clone,
    R: Runtime,
    S: BuildHasher,
    M: LoadMethod<V, R::Flavor>,
    N: KeyArg<K>,
{
    /// Leads with a loader that borrows from the caller.
    pub(crate) async fn inline<Fut>(mut self) -> M::Answer
    where
        L: FnOnce() -> Fut,
        Fut: Future<Output = M::Output>,
    {
        match core::future::poll_fn(|cx| self.poll_join(Driver::Caller, cx)).await {
            Progress::Answer(answer) => answer,
            Progress::Lead(loader) => {
                let handle = self.handle.take().expect("who leads has a handle");
                handle.lead_inline::<M, _>(loader).await
            }
        }
    }

    /// Asks, and waits for the load of another if there is one. If this caller is to lead, `driver`
    /// drives the load.
    fn poll_join(&mut self, driver: Driver, cx: &mut Context<'_>) -> Poll<Progress<L, M::Answer>> {
        if self.attempt == Attempt::Lookup {
            let hash = self.inner.hash(self.key.query());
            if let Some(answer) = self.inner.look_up(hash, self.key.query(), M::hit) {
                self.inner.requests.count(true);
                return Poll::Ready(Progress::Answer(answer));
            }
            (self.attempt, self.hash) = (Attempt::Load, Some(hash));
        }
        loop {
            if let Some(handle) = &mut self.handle {
                let answer = ready!(handle.poll_for::<M>(cx));
                self.handle = None;
                if let Some(answer) = answer {
                    return Poll::Ready(Progress::Answer(answer));
                }
            }
            let loader = self.loader.take();
            let loader = loader.expect("a leader gets what its own loader returned");
            let attempt = self.attempt;
            let hash = self
                .hash
                .unwrap_or_else(|| self.inner.hash(self.key.query()));
            let (inner, key) = (self.inner, self.key.take());
            let joined = match attempt {
                Attempt::Refresh => {
                    JoinResult::Lead(FlightHandle::refresh(inner, hash, key, driver))
                }
                _ => FlightHandle::join_or_lead(inner, hash, key, driver),
            };
            self.hash = Some(hash);
            if attempt == Attempt::Load {
                let hit = matches!(joined, JoinResult::Hit(_));
                self.inner.requests.count(hit);
            }
            match joined {
                JoinResult::Hit(value) => return Poll::Ready(Progress::Answer(M::hit(value))),
                JoinResult::Lead(handle) => {
                    self.attempt = Attempt::Lead;
                    self.handle = Some(handle);
                    return Poll::Ready(Progress::Lead(loader));
                }
                JoinResult::Wait(handle, key) => {
                    self.attempt = Attempt::Retry;
                    self.key.put_back(key);
                    self.loader = Some(loader);
                    self.handle = Some(handle);
                }
                JoinResult::Reentrant => {
                    let answer = M::answer(Outcome::Reentrant);
                    let answer = answer.expect("every method has an answer to re-entrance");
                    return Poll::Ready(Progress::Answer(answer));
                }
            }
        }
    }
}

impl<K, V, R, S, M, N, L, Fut> Future for Get<'_, K, V, R, S, M, N, L>
where
    K: Eq,
    V: Clone,
    R: Runtime,
    S: BuildHasher,
    M: LoadMethod<V, R::Flavor>,
    M::Output: 'static,
    N: KeyArg<K>,
    L: FnOnce() -> Fut,
    Fut: Future<Output = M::Output>,
    Fut: LoadFuture<R::Flavor>,
{
    type Output = M::Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<M::Answer> {
        match ready!(self.poll_join(Driver::Leader, cx)) {
            Progress::Answer(answer) => {
                // As an async function does at its end; and a hit pays for it only where it must.
                if needs_drop::<L>() {
                    self.loader = None;
                }
                Poll::Ready(answer)
            }
            Progress::Lead(loader) => {
                let handle = self.handle.as_mut().expect("who leads has a handle");
                let answer = ready!(handle.lead::<M, _>(loader, cx));
                self.handle = None;
                Poll::Ready(answer)
            }
        }
    }
}

/// Nothing in it is ever pinned.
impl<K, V, R: Runtime, S, M, N, L> Unpin for Get<'_, K, V, R, S, M, N, L> {}
