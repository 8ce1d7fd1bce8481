//! The future of a loading method.

use alloc::borrow::ToOwned;
use core::future::Future;
use core::hash::{BuildHasher, Hash};
use core::marker::PhantomData;
use core::mem::needs_drop;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use equivalent::Equivalent;

use super::boarding::Boarding;
use super::outcome::{Method, Outcome};
use super::shared::Driver;
use super::ticket::Ticket;
use crate::cache::Inner;
use crate::runtime::{Holds, Runtime};
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
    ask: Ask,
    /// Of the key, once it was needed.
    hash: Option<u32>,
    ticket: Option<Ticket<'a, K, V, R, S>>,
    method: PhantomData<fn() -> M>,
}

/// How a caller asks for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    /// Whether it is there.
    Look,
    /// For a load, since it is not. Like the look this is counted as a request, once.
    Load,
    /// For a load again, since what came was no answer.
    Again,
    /// For a load that is newer than whatever is there.
    Anew,
    /// Not any more: it leads.
    Led,
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
enum Turn<L, A> {
    Answer(A),
    /// To lead by its ticket, with its own loader.
    Lead(L),
}

/// A key as a caller has it.
pub(crate) trait Asked<K> {
    type Name: Hash + Equivalent<K> + ?Sized;

    fn name(&self) -> &Self::Name;

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

impl<K: Eq + Hash> Asked<K> for Owned<K> {
    type Name = K;

    fn name(&self) -> &K {
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

impl<K, Q> Asked<K> for Borrowed<'_, Q>
where
    Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
{
    type Name = Q;

    fn name(&self) -> &Q {
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
            ask: Ask::Look,
            hash: None,
            ticket: None,
            method: PhantomData,
        }
    }

    /// Does not look again whether the key is there, which has this hash.
    #[cfg(any(feature = "macros", test))]
    pub(crate) fn missed(mut self, hash: u32) -> Self {
        (self.ask, self.hash) = (Ask::Load, Some(hash));
        self
    }

    /// Where the answer came from, once there is one.
    pub(crate) const fn source(&self) -> Source {
        match self.ask {
            Ask::Look | Ask::Load | Ask::Anew => Source::Cache,
            Ask::Again => Source::Joined,
            Ask::Led => Source::Own,
        }
    }

    /// Has the key loaded whatever is there.
    pub(crate) fn anew(mut self) -> Self {
        self.ask = Ask::Anew;
        self
    }
}

impl<K, V, R, S, M, N, L> Get<'_, K, V, R, S, M, N, L>
where
    K: Eq,
    V: Clone,
    R: Runtime,
    S: BuildHasher,
    M: Method<V, R::Flavor>,
    N: Asked<K>,
{
    /// Leads with a loader that borrows from the caller.
    pub(crate) async fn inline<Fut>(mut self) -> M::Answer
    where
        L: FnOnce() -> Fut,
        Fut: Future<Output = M::Output>,
    {
        match core::future::poll_fn(|cx| self.poll_turn(Driver::Caller, cx)).await {
            Turn::Answer(answer) => answer,
            Turn::Lead(loader) => {
                let ticket = self.ticket.take().expect("who leads has a ticket");
                ticket.lead_inline::<M, _>(loader).await
            }
        }
    }

    /// Asks, and waits for the load of another if there is one. If this caller is to lead, `driver`
    /// drives the load.
    #[cfg_attr(not(target_os = "none"), inline)]
    fn poll_turn(&mut self, driver: Driver, cx: &mut Context<'_>) -> Poll<Turn<L, M::Answer>> {
        if self.ask == Ask::Look {
            let hash = self.inner.hash(self.key.name());
            if let Some(answer) = self.inner.look_up(hash, self.key.name(), M::hit) {
                self.inner.requests.count(true);
                return Poll::Ready(Turn::Answer(answer));
            }
            (self.ask, self.hash) = (Ask::Load, Some(hash));
        }
        loop {
            if let Some(ticket) = &mut self.ticket {
                let answer = ready!(ticket.poll_for::<M>(cx));
                self.ticket = None;
                if let Some(answer) = answer {
                    return Poll::Ready(Turn::Answer(answer));
                }
            }
            let loader = self.loader.take();
            let loader = loader.expect("a leader gets what its own loader returned");
            let ask = self.ask;
            let hash = self
                .hash
                .unwrap_or_else(|| self.inner.hash(self.key.name()));
            let (inner, key) = (self.inner, self.key.take());
            let boarding = match ask {
                Ask::Anew => Boarding::Lead(Ticket::refresh(inner, hash, key, driver)),
                _ => Ticket::board(inner, hash, key, driver),
            };
            self.hash = Some(hash);
            if ask == Ask::Load {
                let hit = matches!(boarding, Boarding::Hit(_));
                self.inner.requests.count(hit);
            }
            match boarding {
                Boarding::Hit(value) => return Poll::Ready(Turn::Answer(M::hit(value))),
                Boarding::Lead(ticket) => {
                    self.ask = Ask::Led;
                    self.ticket = Some(ticket);
                    return Poll::Ready(Turn::Lead(loader));
                }
                Boarding::Wait(ticket, key) => {
                    self.ask = Ask::Again;
                    self.key.put_back(key);
                    self.loader = Some(loader);
                    self.ticket = Some(ticket);
                }
                Boarding::Reentrant => {
                    let answer = M::answer(Outcome::Reentrant);
                    let answer = answer.expect("every method has an answer to re-entrance");
                    return Poll::Ready(Turn::Answer(answer));
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
    M: Method<V, R::Flavor>,
    M::Output: 'static,
    N: Asked<K>,
    L: FnOnce() -> Fut,
    Fut: Future<Output = M::Output>,
    R::Flavor: Holds<Fut>,
{
    type Output = M::Answer;

    #[cfg_attr(not(target_os = "none"), inline)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<M::Answer> {
        match ready!(self.poll_turn(Driver::Leader, cx)) {
            Turn::Answer(answer) => {
                // As an async function does at its end; and a hit pays for it only where it must.
                if needs_drop::<L>() {
                    self.loader = None;
                }
                Poll::Ready(answer)
            }
            Turn::Lead(loader) => {
                let ticket = self.ticket.as_mut().expect("who leads has a ticket");
                let answer = ready!(ticket.lead::<M, _>(loader, cx));
                self.ticket = None;
                Poll::Ready(answer)
            }
        }
    }
}

/// Nothing in it is ever pinned.
impl<K, V, R: Runtime, S, M, N, L> Unpin for Get<'_, K, V, R, S, M, N, L> {}
