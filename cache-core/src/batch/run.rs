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
use super::crew::unite;
use super::desk::{Leaving, Member};
use super::output::BatchOutput;
use super::verdict::{BatchVerdict, Extra, Sorted, VerdictOn, verdict_of};
use crate::asked::BATCH_MAPS;
use crate::load::{Driver, Errand, Flight, Homes, Limit, Verdict, abandon, crash, land};
use crate::machine::{BatchWindow, Generation};
use crate::panic;
use crate::runtime::{Erases, Flavor, Holds, Runtime, Timer, working};
use crate::sync::{Arc, Mutex, Weak};

/// The work of one batch. Dropping it ends the flights of its keys: whoever waits for one of them
/// asks anew.
pub struct BatchRun<K: 'static, V: 'static, R: Runtime, L, S> {
    shop: Arc<Shop<K, V, R, L, S>>,
    errand: Weak<Errand<R>>,
    generation: Generation,
    stage: Stage<K, V, R>,
    /// Who had this polled last.
    driver: Driver,
    /// Who is in the batch, once it has left its window.
    members: Vec<Member<K, V, R>>,
    homes: Homes<R>,
}

enum Stage<K: 'static, V: 'static, R: Runtime> {
    /// In the window, with a timer once one was needed.
    Window(Option<R::Timer>),
    /// Out of the window, after this long, and without a permit.
    Queue(Duration),
    /// On the way to the loader or back, with a permit.
    Busy,
    /// At the loader, with a permit.
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
    pub(super) fn new(
        shop: Arc<Shop<K, V, R, L, S>>,
        errand: Weak<Errand<R>>,
        generation: Generation,
    ) -> Self {
        Self {
            shop,
            errand,
            generation,
            stage: Stage::Window(None),
            driver: Driver::Task,
            members: Vec::new(),
            homes: Homes::new(),
        }
    }

    /// Notes who has this polled. Another one is perhaps on another runtime: a timer of the one
    /// before might never fire.
    fn note_driver(&mut self) {
        let Some(errand) = self.errand.upgrade() else {
            return;
        };
        let driver = errand.driver();
        if driver != self.driver || driver == Driver::Anyone {
            self.driver = driver;
            match &mut self.stage {
                Stage::Window(timer) => *timer = None,
                Stage::Call(call) => call.limit.iter_mut().for_each(Limit::forget_timer),
                Stage::Queue(_) | Stage::Busy | Stage::Done => {}
            }
        }
    }

    /// Waits until the window leaves.
    fn poll_window(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let rounds = self.errand.upgrade().map_or(0, |errand| errand.rounds());
        let Stage::Window(timer) = &mut self.stage else {
            return Poll::Ready(());
        };
        let (runtime, generation) = (&self.shop.cache.runtime, self.generation);
        let (window, deadline) = self
            .shop
            .desk
            .with(|desk| (desk.window(), desk.deadline(generation)));
        let mut has_come_due = false;
        if let Some(deadline) = deadline {
            *timer = working(timer.take(), runtime);
            let timer = timer.as_mut();
            has_come_due = timer.is_some_and(|timer| timer.poll_until(deadline, cx).is_ready());
        }
        // Where there is no timer, a window lasts until the executor has come round once.
        let rounds_at_most = match (window, &timer) {
            (BatchWindow::Yield(most), _) => Some(most as usize),
            (_, None) => Some(1),
            (_, Some(_)) => None,
        };
        let at_once = rounds_at_most.is_some_and(|most| rounds >= most);
        let now = self.shop.cache.now();
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
            // Whether it is time says the clock: a member who came just now may have put it off, and
            // the timer is to be set anew.
            if has_come_due || rounds_at_most.is_some() {
                cx.waker().wake_by_ref();
            }
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// Waits for a permit.
    fn poll_queue(&self) -> Poll<()> {
        let errand = self.errand.upgrade();
        let may = errand.is_some_and(|errand| self.shop.desk.with(|desk| desk.permit(&errand)));
        if may { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Ends a batch that had a permit.
    fn finish(&mut self) {
        self.stage = Stage::Done;
        let members = mem::take(&mut self.members);
        // Keys are foreign, and their drops too.
        drop(panic::catch(move || drop(members)));
        self.shop.finished();
    }

    /// Drops what is left of the loader: its keys may be asked for again once their flights end. A
    /// panic in it has been reported.
    fn drop_call(&mut self) {
        let stage = mem::replace(&mut self.stage, Stage::Busy);
        let runtime = &self.shop.cache.runtime;
        drop(panic::catch(|| runtime.around(|| drop(stage))));
    }

    /// Ends a batch whose loader panicked. The panic hook has reported it; everybody who waits gets
    /// an error. If the loader died with an executor, they ask anew.
    fn crash(&mut self) {
        if self.homes.has_ended(&self.shop.cache.runtime) {
            self.abandon_all();
        }
        for flight in self.members.iter().flat_map(Member::flights) {
            self.crash_one(flight);
        }
        self.finish();
    }

    fn abandon_all(&self) {
        for flight in self.members.iter().flat_map(Member::flights) {
            // A waker may panic: the others are told all the same.
            drop(panic::catch(|| abandon(&self.shop.cache, flight)));
        }
    }

    fn crash_one(&self, flight: &Flight<V, R>) {
        // Listeners and wakers may panic too: the others are told all the same.
        drop(panic::catch(|| crash(&self.shop.cache, flight, None)));
    }

    /// Runs a part of the loader: a load of one of its keys inside it is noticed, and a panic ends
    /// the batch.
    fn inside<T>(shop: &Shop<K, V, R, L, S>, errand: usize, f: impl FnOnce() -> T) -> Option<T> {
        let runtime = &shop.cache.runtime;
        runtime.context(|context| context.enter(errand));
        let answer = panic::catch(|| runtime.around(f));
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
    /// Takes leave with a permit, and calls the loader: from here on the keys are asked for.
    fn call(&mut self, waited: Duration) {
        self.stage = Stage::Busy;
        let (shop, members) = (&self.shop, &mut self.members);
        let called = Self::inside(shop, Self::address(&self.errand), || {
            members.retain(|member| member.flight.depart());
            unite(members);
            if members.is_empty() {
                return None;
            }
            let cache = &shop.cache;
            cache.batch_counters.record(members.len(), waited);
            let keys: Vec<K> = members.iter().map(|member| member.key.clone()).collect();
            let limit = cache.options.load_timeout();
            let limit = limit.map(|after| Limit::new(after, cache.now()));
            let epochs = cache.shards().epochs();
            let loader = shop.loader.clone();
            Some(Call {
                future: R::Flavor::hold(loader(keys), verdict_of::<K, V, R, O>),
                limit,
                epochs,
            })
        });
        match called {
            Some(Some(call)) => self.stage = Stage::Call(call),
            Some(None) => self.finish(),
            None => self.crash(),
        }
    }

    /// Waits for the loader, and hands out what it brings.
    fn poll_call(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Stage::Call(call) = &mut self.stage else {
            return Poll::Ready(());
        };
        let shop = &self.shop;
        let polled = Self::inside(shop, Self::address(&self.errand), || {
            let polled = Pin::new(&mut call.future).poll(cx);
            match (polled, &mut call.limit) {
                (Poll::Pending, Some(limit)) => limit
                    .poll(&shop.cache.runtime, cx)
                    .map(BatchVerdict::TimedOut),
                (polled, _) => polled,
            }
        });
        let verdict = match polled {
            Some(Poll::Ready(verdict)) => Some(verdict),
            Some(Poll::Pending) => {
                self.homes.note(&shop.cache.runtime);
                return Poll::Pending;
            }
            None => None,
        };
        let epochs = mem::take(&mut call.epochs);
        self.drop_call();
        let by_member = verdict.and_then(|verdict| self.by_member(verdict));
        match by_member {
            Some(by_member) => {
                self.hand_out(by_member, &epochs);
                self.finish();
            }
            None => self.crash(),
        }
        Poll::Ready(())
    }

    /// The verdict of each member. `None` if a key panicked.
    fn by_member(&self, verdict: BatchVerdict<K, V, R>) -> Option<Sorted<K, V, R>> {
        let hash = |key: &K| self.shop.cache.hash(key);
        panic::catch(|| verdict.by_member(&self.members, hash)).ok()
    }

    /// Ends every flight of the batch with what the loader brought for it.
    fn hand_out(&self, (verdicts, extra): Sorted<K, V, R>, epochs: &[u64]) {
        for (member, verdict) in self.members.iter().zip(verdicts) {
            let verdict = self.with_ttl(verdict);
            for twin in &member.twins {
                self.bring(&twin.flight, || verdict.clone());
            }
            self.bring(&member.flight, || verdict);
        }
        for Extra { key, loaded } in extra.into_iter().filter(|_| BATCH_MAPS.is_up()) {
            drop(panic::catch(|| self.shop.offer(key, loaded, Some(epochs))));
        }
    }

    /// Ends one flight. A clone, a weigher or a listener may panic in it: the others are served all
    /// the same.
    fn bring(&self, flight: &Flight<V, R>, verdict: impl FnOnce() -> VerdictOn<V, R>) {
        let brought = panic::catch(|| land(&self.shop.cache, flight, verdict()));
        if brought.is_err() {
            self.crash_one(flight);
        }
    }

    fn with_ttl(&self, verdict: VerdictOn<V, R>) -> VerdictOn<V, R> {
        match verdict {
            Verdict::Value(loaded) => Verdict::Value(self.shop.with_ttl(loaded)),
            other => other,
        }
    }

    fn address(errand: &Weak<Errand<R>>) -> usize {
        errand.as_ptr().addr()
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
        self.note_driver();
        loop {
            match self.stage {
                Stage::Window(_) => ready!(self.poll_window(cx)),
                Stage::Queue(waited) => {
                    ready!(self.poll_queue());
                    self.call(waited);
                }
                Stage::Call(_) => ready!(self.poll_call(cx)),
                Stage::Busy | Stage::Done => return Poll::Ready(()),
            }
        }
    }
}

/// Nothing in it is ever pinned.
impl<K, V, R: Runtime, L, S> Unpin for BatchRun<K, V, R, L, S> {}

impl<K, V, R: Runtime, L, S> Drop for BatchRun<K, V, R, L, S> {
    fn drop(&mut self) {
        let now = self.shop.cache.now();
        match self.stage {
            Stage::Done => return,
            Stage::Window(_) => {
                let left = self
                    .shop
                    .desk
                    .with(|desk| desk.collect(self.generation, now, true));
                self.members = left.map_or_else(Vec::new, |left| left.members);
            }
            Stage::Queue(_) => self.shop.left_the_queue(self.errand.as_ptr().addr()),
            Stage::Busy | Stage::Call(_) => {
                self.drop_call();
                self.shop.finished();
            }
        }
        self.abandon_all();
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
