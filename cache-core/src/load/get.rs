//! The future of a loading method.

use core::future::{Future, Ready};
use core::hash::BuildHasher;
use core::marker::PhantomData;
use core::mem::{self, needs_drop};
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use futures_core::FusedFuture;

use super::attempt::{Attempt, Source};
use super::fused::{Fused, polled_after_completion};
use super::handle::FlightHandle;
use super::join::{JoinResult, SoloJoin};
use super::key_arg::KeyArg;
use super::methods::LoadMethod;
use super::solo::{Led, SoloLead};
use crate::flight::{Driver, Fault, LoaderResultOn, Outcome};
use crate::inner::Inner;
use crate::opt_in::{Feature, Takeover};
use crate::runtime::{Flavor, LoadFuture, Runtime};
use crate::sync::Arc;

/// The future of a loading method `M`. `N` is the key, owned or borrowed.
///
/// It looks the key up, then leads a load or joins one. If the joined load ends with an outcome
/// that the method cannot return, it retries.
///
/// Hand-written, since every load goes through it: an async block would store the loader three
/// times, and move it from one place to the next.
pub(crate) struct Get<'a, K, V, R: Runtime, S, M, N, L> {
    pub(super) inner: &'a Arc<Inner<K, V, R, S>>,
    pub(super) key: N,
    /// Taken when this caller leads.
    loader: Option<L>,
    attempt: Attempt,
    /// The hash of the key, once computed.
    hash: Option<u32>,
    pub(super) handle: Option<FlightHandle<'a, K, V, R, S>>,
    method: PhantomData<fn() -> M>,
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

    /// Skips the lookup of a key that has been missed. `hash` is its hash.
    #[cfg(any(feature = "macros", feature = "tier", test))]
    pub(crate) fn after_miss(mut self, hash: u32) -> Self {
        (self.attempt, self.hash) = (Attempt::Load, Some(hash));
        self
    }

    /// Where the answer comes from.
    pub(crate) const fn source(&self) -> Source {
        self.attempt.source()
    }

    /// Loads a key that a warm-up has missed.
    pub(crate) fn warming(mut self) -> Self {
        self.attempt = Attempt::Warm;
        self
    }

    /// Loads the key whether or not it has a value.
    pub(crate) fn refreshing(mut self) -> Self {
        self.attempt = Attempt::Refresh;
        self
    }
}

impl<'a, K, V, R, S, M, N, L> Get<'a, K, V, R, S, M, N, L>
where
    K: Eq,
    V: Clone,
    R: Runtime,
    S: BuildHasher,
    M: LoadMethod<V, R::Flavor>,
    N: KeyArg<K>,
{
    /// The same load with a loader that may borrow: only this caller polls it.
    pub(crate) fn scoped<Fut>(self) -> Fused<impl Future<Output = M::Answer>>
    where
        L: FnOnce() -> Fut,
        Fut: Future<Output = M::Output>,
    {
        Takeover::enable();
        let driver = match self.inner.options.takeover_after {
            Some(_) => Driver::Scoped,
            None => Driver::Caller,
        };
        Fused::new(self.join_or_lead(driver))
    }

    /// The same load with a loader that is ready at once: no waiter takes its lead.
    pub(crate) async fn ready_at_once(self) -> M::Answer
    where
        L: FnOnce() -> Ready<M::Output>,
    {
        self.join_or_lead(Driver::Caller).await
    }

    async fn join_or_lead<Fut>(mut self, driver: Driver) -> M::Answer
    where
        L: FnOnce() -> Fut,
        Fut: Future<Output = M::Output>,
    {
        if self.attempt == Attempt::Lookup
            && let Some(answer) = self.look_up()
        {
            return answer;
        }
        match core::future::poll_fn(|cx| self.poll_join(driver, cx)).await {
            Some(answer) => answer,
            None => {
                let (handle, loader) = (self.handle.take(), self.take_loader());
                let handle = handle.expect("a leader has a handle");
                handle.lead_scoped::<M, _>(loader).await
            }
        }
    }

    /// Returns the answer of a hit. After a miss, a poll joins the load and does not look up again.
    #[inline(always)]
    pub(crate) fn look_up(&mut self) -> Option<M::Answer> {
        self.look_up_or_absent().ok()
    }

    /// As [`Get::look_up`].
    ///
    /// # Errors
    /// As [`Inner::look_up_or_absent`].
    #[inline(always)]
    fn look_up_or_absent(&mut self) -> Result<M::Answer, Option<u64>> {
        let hash = self.inner.hash(self.key.query());
        let found = self.inner.look_up_or_absent(hash, self.key.query(), M::hit);
        if found.is_ok() {
            self.inner.requests.count(true);
            self.attempt = Attempt::Complete(Source::Cache);
        } else {
            (self.attempt, self.hash) = (Attempt::Load, Some(hash));
        }
        found
    }

    /// After a miss, joins the load of the key and waits for it. Ready with the answer, or with
    /// `None` if this caller has to lead: `handle` then has the new flight, which `driver` drives.
    #[cfg_attr(target_os = "none", inline(never))]
    fn poll_join(&mut self, driver: Driver, cx: &mut Context<'_>) -> Poll<Option<M::Answer>> {
        loop {
            if let Some(handle) = &mut self.handle {
                let answer = match handle.poll_for::<M>(cx) {
                    Poll::Ready(answer) => answer,
                    Poll::Pending => return self.poll_slow(cx).map(Some),
                };
                self.handle = None;
                if answer.is_some() {
                    return self.complete(answer);
                }
            }
            let attempt = self.attempt;
            if let Attempt::Complete(_) = attempt {
                polled_after_completion();
            }
            let hash = self
                .hash
                .unwrap_or_else(|| self.inner.hash(self.key.query()));
            let (inner, key) = (self.inner, self.key.take());
            let joined = attempt.join(inner, hash, key, driver);
            self.hash = Some(hash);
            if let Some(answer) = self.record_join(joined) {
                return Poll::Ready(answer);
            }
        }
    }

    /// Counts the request and keeps the handle of a caller that has joined. Returns its answer, or
    /// `Some(None)` if it has to lead; `None` if it has to wait.
    fn record_join(&mut self, joined: JoinResult<'a, K, V, R, S>) -> Option<Option<M::Answer>> {
        if matches!(self.attempt, Attempt::Load | Attempt::Warm) {
            let hit = matches!(joined, JoinResult::Hit(..));
            self.inner.requests.count(hit);
        }
        let answer = match joined {
            JoinResult::Hit(value, mut refresh) => {
                if let Some(refresh) = mem::take(&mut *refresh).into_value() {
                    self.handle = Some(refresh.0);
                }
                M::hit(value)
            }
            JoinResult::Lead(handle) => {
                self.attempt = Attempt::Lead;
                self.handle = Some(handle);
                return Some(None);
            }
            JoinResult::Wait(handle, key) => {
                self.attempt = Attempt::Retry;
                self.key.put_back(key);
                self.handle = Some(handle);
                return None;
            }
            JoinResult::Reentrant => {
                let answer = M::answer(Outcome::Fault(Fault::Reentrant));
                answer.expect("every method can return a fault")
            }
        };
        self.attempt = Attempt::Complete(self.source());
        Some(Some(answer))
    }

    pub(super) fn complete<T>(&mut self, answer: T) -> Poll<T> {
        self.attempt = Attempt::Complete(self.source());
        Poll::Ready(answer)
    }

    /// The loader, for a caller that leads.
    pub(super) fn take_loader(&mut self) -> L {
        let loader = self.loader.take();
        loader.expect("a leader gets the answer of its own loader, and does not lead again")
    }
}

/// The loader of a caller whose key is an `N`.
pub(crate) trait StartLoad<V, F: Flavor, M, N> {
    /// Calls the loader and boxes its future.
    fn start(self, key: &N) -> LoadingOn<F, V>;
}

/// The boxed future of a loader.
#[cfg_attr(
    not(feature = "tier"),
    expect(unreachable_pub, reason = "part of what a tiered cache boxes")
)]
pub type LoadingOn<F, V> = <F as Flavor>::Future<LoaderResultOn<F, V>>;

impl<V, F, M, N, L, Fut> StartLoad<V, F, M, N> for L
where
    V: Clone + 'static,
    F: Flavor,
    M: LoadMethod<V, F>,
    M::Output: 'static,
    L: FnOnce() -> Fut,
    Fut: Future<Output = M::Output>,
    Fut: LoadFuture<F>,
{
    fn start(self, _: &N) -> LoadingOn<F, V> {
        self().boxed(M::result)
    }
}

impl<K, V, R, S, M, N, L> Future for Get<'_, K, V, R, S, M, N, L>
where
    K: Eq,
    V: Clone + 'static,
    R: Runtime,
    S: BuildHasher,
    M: LoadMethod<V, R::Flavor>,
    N: KeyArg<K>,
    L: StartLoad<V, R::Flavor, M, N>,
{
    type Output = M::Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<M::Answer> {
        // A hit does not call `poll_join`, which is a function of its own on a microcontroller.
        let found = match self.attempt {
            Attempt::Lookup => self.look_up_or_absent(),
            _ => Err(None),
        };
        let joined = match (found, self.hash) {
            (Ok(answer), _) => Some(answer),
            (Err(absent), Some(hash))
                if self.attempt == Attempt::Load && self.inner.may_lead_solo() =>
            {
                let key = self.key.take();
                match FlightHandle::join_or_lead_solo(self.inner, hash, key, absent) {
                    SoloJoin::Lead(solo) => return self.lead_solo(solo, cx),
                    SoloJoin::Other(joined) => match self.record_join(joined) {
                        Some(joined) => joined,
                        None => ready!(self.poll_join(Driver::Leader, cx)),
                    },
                }
            }
            _ => {
                let joined = ready!(self.poll_join(Driver::Leader, cx));
                if joined.is_some() {
                    self.run_refresh();
                }
                joined
            }
        };
        if let Some(answer) = joined {
            // An async function drops its captures when it returns. A hit pays for that only if the
            // loader has a drop.
            if needs_drop::<L>() {
                self.loader = None;
            }
            return Poll::Ready(answer);
        }
        let loader = self.take_loader();
        let Self { handle, key, .. } = &mut *self;
        let handle = handle.as_mut().expect("a leader has a handle");
        let answer = match handle.lead::<M>(|| loader.start(key), cx) {
            Poll::Ready(answer) => answer,
            Poll::Pending => return self.poll_slow(cx),
        };
        self.handle = None;
        self.complete(answer)
    }
}

impl<'a, K, V, R, S, M, N, L> Get<'a, K, V, R, S, M, N, L>
where
    K: Eq,
    V: Clone + 'static,
    R: Runtime,
    S: BuildHasher,
    M: LoadMethod<V, R::Flavor>,
    N: KeyArg<K>,
    L: StartLoad<V, R::Flavor, M, N>,
{
    /// Calls the loader and polls it once. A load that is not complete then has a flight.
    #[inline]
    fn lead_solo(
        &mut self,
        solo: SoloLead<'a, K, V, R, S>,
        cx: &mut Context<'_>,
    ) -> Poll<M::Answer> {
        self.inner.requests.count(false);
        self.attempt = Attempt::Lead;
        let loader = self.take_loader();
        let answer = match solo.lead::<M>(|| loader.start(&self.key), cx) {
            Led::Ended(answer) => answer,
            Led::Flight(handle, first) => {
                let answer = ready!(self.handle.insert(handle).lead_on::<M>(first, cx));
                self.handle = None;
                answer
            }
        };
        self.attempt = Attempt::Complete(Source::Own);
        Poll::Ready(answer)
    }
}

impl<K, V, R, S, M, N, L> FusedFuture for Get<'_, K, V, R, S, M, N, L>
where
    K: Eq,
    V: Clone + 'static,
    R: Runtime,
    S: BuildHasher,
    M: LoadMethod<V, R::Flavor>,
    N: KeyArg<K>,
    L: StartLoad<V, R::Flavor, M, N>,
{
    fn is_terminated(&self) -> bool {
        matches!(self.attempt, Attempt::Complete(_))
    }
}

/// `Get` never pins its fields.
impl<K, V, R: Runtime, S, M, N, L> Unpin for Get<'_, K, V, R, S, M, N, L> {}
