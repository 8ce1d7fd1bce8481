//! One batch on its way: through its window, past the permits, to the loader and back.

use alloc::vec::Vec;
use core::fmt;
use core::future::Future;
use core::hash::{BuildHasher, Hash};
use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;

use super::Shop;
use super::desk::{Leaving, Member};
use super::output::BatchOutput;
use super::verdict::{BatchVerdict, Extra, verdict_of};
use crate::load::{Errand, Limit, Verdict, abandon, crash, land};
use crate::machine::{BatchWindow, Generation};
use crate::panic;
use crate::runtime::{Erases, Flavor, Holds, Runtime, Timer};
use crate::sync::{Arc, Mutex, Weak};

/// The work of one batch. Dropping it ends the flights of its keys: whoever waits for one of them
/// asks anew.
pub struct BatchRun<K: 'static, V: 'static, R: Runtime, L, S> {
    shop: Arc<Shop<K, V, R, L, S>>,
    errand: Weak<Errand<R>>,
    generation: Generation,
    stage: Stage<K, V, R>,
    /// Who is in the batch, once it has left its window.
    members: Vec<Member<K, V, R>>,
}

enum Stage<K: 'static, V: 'static, R: Runtime> {
    /// In the window; how often the executor has come round, and a timer once one was needed.
    Window(u32, Option<R::Timer>),
    /// Out of the window, after this long, and without a permit.
    Queue(Duration),
    /// At the loader.
    Call(Call<K, V, R>),
    Done,
}

struct Call<K: 'static, V: 'static, R: Runtime> {
    future: <R::Flavor as Flavor>::Future<BatchVerdict<K, V, R>>,
    limit: Option<Limit<R>>,
    /// What tells whether a shard was written to since the batch left.
    epochs: Vec<u64>,
}

impl<K, V, R: Runtime, L, S> BatchRun<K, V, R, L, S> {
    pub(super) const fn new(
        shop: Arc<Shop<K, V, R, L, S>>,
        errand: Weak<Errand<R>>,
        generation: Generation,
    ) -> Self {
        Self {
            shop,
            errand,
            generation,
            stage: Stage::Window(0, None),
            members: Vec::new(),
        }
    }

    /// Waits until the window leaves.
    fn poll_window(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Stage::Window(rounds, timer) = &mut self.stage else {
            return Poll::Ready(());
        };
        let (runtime, generation) = (&self.shop.cache.runtime, self.generation);
        let (window, deadline) = self
            .shop
            .desk
            .with(|desk| (desk.window(), desk.deadline(generation)));
        if let Some(deadline) = deadline {
            *timer = timer.take().or_else(|| runtime.timer());
            // Whether it is ready says the clock, below.
            let _ = timer.as_mut().map(|timer| timer.poll_until(deadline, cx));
        }
        // Where there is no timer, a window lasts until the executor has come round once.
        let rounds_at_most = match (window, &timer) {
            (BatchWindow::Yield(most), _) => Some(most),
            (_, None) => Some(1),
            (_, Some(_)) => None,
        };
        let at_once = rounds_at_most.is_some_and(|most| *rounds >= most);
        let now = runtime.now();
        let (leaving, is_open) = self.shop.desk.with(|desk| {
            let leaving = desk.collect(generation, now, at_once);
            (leaving, desk.is_open(generation))
        });
        if let Some(Leaving { members, opened }) = leaving {
            self.members = members;
            self.stage = Stage::Queue(now.since(opened));
        } else if !is_open {
            self.stage = Stage::Done;
        } else {
            if rounds_at_most.is_some() {
                *rounds += 1;
                cx.waker().wake_by_ref();
            }
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// Waits for a permit, and takes leave: from here on the keys are asked for.
    fn poll_queue(&mut self, waited: Duration) -> Poll<()> {
        let Some(errand) = self.errand.upgrade() else {
            self.stage = Stage::Done;
            return Poll::Ready(());
        };
        if !self.shop.desk.with(|desk| desk.permit(&errand)) {
            return Poll::Pending;
        }
        self.members.retain(|member| member.flight.depart());
        if self.members.is_empty() {
            self.finish();
        } else {
            let counters = &self.shop.cache.batch_counters;
            counters.record(self.members.len(), waited);
        }
        Poll::Ready(())
    }

    /// Ends a batch that had a permit.
    fn finish(&mut self) {
        self.stage = Stage::Done;
        self.members.clear();
        self.shop.finished();
    }

    /// Ends a batch whose loader panicked. The panic hook has reported it; everybody who waits gets
    /// an error.
    fn crash(&mut self) {
        for member in &self.members {
            // Listeners may panic too: the others are told all the same.
            drop(panic::catch(|| {
                crash(&self.shop.cache, &member.flight, None)
            }));
        }
        self.finish();
    }

    /// Runs a part of the loader: a load of one of its keys inside it is noticed, and a panic ends
    /// the batch.
    fn inside<T>(shop: &Shop<K, V, R, L, S>, errand: usize, f: impl FnOnce() -> T) -> Option<T> {
        let runtime = &shop.cache.runtime;
        runtime.context(|context| context.enter(errand));
        let answer = panic::catch(f);
        runtime.context(|context| context.leave());
        answer.ok()
    }
}

impl<K, V, R, L, S, Fut, O> BatchRun<K, V, R, L, S>
where
    K: Eq + Hash + Clone + 'static,
    V: Clone,
    R: Runtime,
    L: FnOnce(Vec<K>) -> Fut + Clone,
    Fut: Future<Output = O>,
    O: BatchOutput<K, V>,
    R::Flavor: Holds<Fut> + Erases<O::Error>,
    S: BuildHasher,
{
    /// Calls the loader.
    fn call(&mut self) {
        let cache = &self.shop.cache;
        let keys: Vec<K> = self
            .members
            .iter()
            .map(|member| member.key.clone())
            .collect();
        let epochs = cache.shards.epochs();
        let limit = cache.options.load_timeout;
        let limit = limit.map(|after| Limit::new(after, cache.runtime.now()));
        let loader = self.shop.loader.clone();
        let called = Self::inside(&self.shop, self.errand_address(), || {
            R::Flavor::hold(loader(keys), verdict_of::<K, V, R, O>)
        });
        match called {
            Some(future) => {
                self.stage = Stage::Call(Call {
                    future,
                    limit,
                    epochs,
                });
            }
            None => self.crash(),
        }
    }

    /// Waits for the loader, and hands out what it brings.
    fn poll_call(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let errand = self.errand_address();
        let Stage::Call(call) = &mut self.stage else {
            return Poll::Ready(());
        };
        let shop = &self.shop;
        let polled = Self::inside(shop, errand, || {
            let polled = Pin::new(&mut call.future).poll(cx);
            match (polled, &mut call.limit) {
                (Poll::Pending, Some(limit)) => limit
                    .poll(&shop.cache.runtime, cx)
                    .map(BatchVerdict::TimedOut),
                (polled, _) => polled,
            }
        });
        let Some(polled) = polled else {
            self.crash();
            return Poll::Ready(());
        };
        let verdict = ready!(polled);
        let epochs = mem::take(&mut call.epochs);
        self.hand_out(verdict, &epochs);
        self.finish();
        Poll::Ready(())
    }

    /// Ends every flight of the batch with what the loader brought for it.
    fn hand_out(&self, verdict: BatchVerdict<K, V, R>, epochs: &[u64]) {
        let cache = &self.shop.cache;
        let hash = |key: &K| cache.hash(key);
        let (verdicts, extra) = verdict.by_member(&self.members, hash);
        for (member, verdict) in self.members.iter().zip(verdicts) {
            let verdict = self.with_ttl(verdict);
            // A weigher or a listener may panic: the others are served all the same.
            drop(panic::catch(|| land(cache, &member.flight, verdict)));
        }
        for Extra { key, loaded } in extra {
            drop(panic::catch(|| self.shop.offer(key, loaded, Some(epochs))));
        }
    }

    fn with_ttl(
        &self,
        verdict: Verdict<V, <R::Flavor as Flavor>::Error>,
    ) -> Verdict<V, <R::Flavor as Flavor>::Error> {
        match verdict {
            Verdict::Value(loaded) => Verdict::Value(self.shop.with_ttl(loaded)),
            other => other,
        }
    }

    fn errand_address(&self) -> usize {
        self.errand.upgrade().map_or(0, |errand| errand.address())
    }
}

impl<K, V, R, L, S, Fut, O> Future for BatchRun<K, V, R, L, S>
where
    K: Eq + Hash + Clone + 'static,
    V: Clone,
    R: Runtime,
    L: FnOnce(Vec<K>) -> Fut + Clone,
    Fut: Future<Output = O>,
    O: BatchOutput<K, V>,
    R::Flavor: Holds<Fut> + Erases<O::Error>,
    S: BuildHasher,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match &self.stage {
                Stage::Window(..) => ready!(self.poll_window(cx)),
                Stage::Queue(waited) => {
                    let waited = *waited;
                    ready!(self.poll_queue(waited));
                    if !self.members.is_empty() {
                        self.call();
                    }
                }
                Stage::Call(_) => ready!(self.poll_call(cx)),
                Stage::Done => return Poll::Ready(()),
            }
        }
    }
}

/// Nothing in it is ever pinned.
impl<K, V, R: Runtime, L, S> Unpin for BatchRun<K, V, R, L, S> {}

impl<K, V, R: Runtime, L, S> Drop for BatchRun<K, V, R, L, S> {
    fn drop(&mut self) {
        let now = self.shop.cache.runtime.now();
        match self.stage {
            Stage::Done => return,
            Stage::Window(..) => {
                let left = self
                    .shop
                    .desk
                    .with(|desk| desk.collect(self.generation, now, true));
                self.members = left.map_or_else(Vec::new, |left| left.members);
            }
            Stage::Queue(_) => self.shop.left_the_queue(self.errand.as_ptr().addr()),
            Stage::Call(_) => self.shop.finished(),
        }
        for member in &self.members {
            abandon(&self.shop.cache, &member.flight, false);
        }
    }
}

impl<K, V, R: Runtime, L, S> fmt::Debug for BatchRun<K, V, R, L, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchRun")
            .field("generation", &self.generation)
            .field("members", &self.members.len())
            .finish_non_exhaustive()
    }
}
