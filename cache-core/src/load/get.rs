//! The future of a loading method, from the miss on.

use core::future::Future;
use core::marker::PhantomData;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use super::boarding::Boarding;
use super::outcome::{Method, Outcome};
use super::shared::Driver;
use super::ticket::Ticket;
use crate::cache::Inner;
use crate::runtime::{Holds, Runtime};
use crate::sync::Arc;

/// A caller who found nothing, until there is an answer. As long as loads of others end in
/// something that its method cannot return, it asks again; each time it leads, or waits for one in
/// the same position who does.
///
/// By hand, since every load goes through it: the compiler's own would have room for each of its
/// parts apart, and move what goes from one to the next.
pub(crate) struct Get<'a, K, V: 'static, R: Runtime, S, M, L> {
    inner: &'a Arc<Inner<K, V, R, S>>,
    hash: u32,
    ask: Ask,
    /// What it takes to ask, until this caller leads.
    question: Option<(K, L)>,
    ticket: Option<Ticket<'a, K, V, R, S>>,
    method: PhantomData<fn() -> M>,
}

/// How a caller asks for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    /// For the first time: this is counted as a request.
    First,
    /// Again, since what came was no answer.
    Again,
    /// For a load that is newer than whatever is there.
    Anew,
}

/// What a caller gets: the answer, or the lead.
enum Turn<L, A> {
    Answer(A),
    /// To lead by its ticket, with its own loader.
    Lead(L),
}

impl<'a, K, V, R: Runtime, S, M, L> Get<'a, K, V, R, S, M, L> {
    pub(crate) const fn new(
        inner: &'a Arc<Inner<K, V, R, S>>,
        hash: u32,
        key: K,
        loader: L,
    ) -> Self {
        Self {
            inner,
            hash,
            ask: Ask::First,
            question: Some((key, loader)),
            ticket: None,
            method: PhantomData,
        }
    }

    /// Has the key loaded whatever is there.
    pub(crate) fn anew(mut self) -> Self {
        self.ask = Ask::Anew;
        self
    }
}

impl<K, V, R, S, M, L> Get<'_, K, V, R, S, M, L>
where
    K: Eq,
    V: Clone,
    R: Runtime,
    M: Method<V, R::Flavor>,
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
        loop {
            if let Some(ticket) = &mut self.ticket {
                let answer = ready!(ticket.poll_for::<M>(cx));
                self.ticket = None;
                if let Some(answer) = answer {
                    return Poll::Ready(Turn::Answer(answer));
                }
            }
            let question = self.question.take();
            let (key, loader) = question.expect("a leader gets what its own loader returned");
            let ask = core::mem::replace(&mut self.ask, Ask::Again);
            let boarding = match ask {
                Ask::First | Ask::Again => Ticket::board(self.inner, self.hash, key, driver),
                Ask::Anew => Boarding::Lead(Ticket::refresh(self.inner, self.hash, key, driver)),
            };
            if ask == Ask::First {
                let hit = matches!(boarding, Boarding::Hit(_));
                self.inner.requests.count(hit);
            }
            match boarding {
                Boarding::Hit(value) => return Poll::Ready(Turn::Answer(M::hit(value))),
                Boarding::Lead(ticket) => {
                    self.ticket = Some(ticket);
                    return Poll::Ready(Turn::Lead(loader));
                }
                Boarding::Wait(ticket, key) => {
                    self.question = Some((key, loader));
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

impl<K, V, R, S, M, L, Fut> Future for Get<'_, K, V, R, S, M, L>
where
    K: Eq,
    V: Clone,
    R: Runtime,
    M: Method<V, R::Flavor>,
    M::Output: 'static,
    L: FnOnce() -> Fut,
    Fut: Future<Output = M::Output>,
    R::Flavor: Holds<Fut>,
{
    type Output = M::Answer;

    #[cfg_attr(not(target_os = "none"), inline)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<M::Answer> {
        match ready!(self.poll_turn(Driver::Leader, cx)) {
            Turn::Answer(answer) => Poll::Ready(answer),
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
impl<K, V, R: Runtime, S, M, L> Unpin for Get<'_, K, V, R, S, M, L> {}
