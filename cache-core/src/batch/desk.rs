//! Where requests wait for their batch, and batches for their permit.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::num::NonZeroUsize;

use crate::asked::BATCH_PERMITS;
use crate::load::{Errand, Flight};
use crate::machine::{Batch, BatchWindow, Generation, Instant, Push, Ttl};
use crate::runtime::Runtime;
use crate::sync::Arc;

/// The settings of a view, once they are checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) window: BatchWindow,
    pub(super) max_size: NonZeroUsize,
    pub(super) max_concurrent: Option<NonZeroUsize>,
    pub(super) ttl: Ttl,
}

/// One key that is to be loaded, and its flight.
pub(super) struct Member<K, V: 'static, R: Runtime> {
    pub(super) key: K,
    pub(super) flight: Arc<Flight<V, R>>,
    /// Older flights of the same key, or newer ones: it was written or refreshed in its window.
    pub(super) twins: Vec<Self>,
}

/// The requests of one batch that has left its window.
pub(super) struct Leaving<K, V: 'static, R: Runtime> {
    pub(super) members: Vec<Member<K, V, R>>,
    pub(super) opened: Instant,
}

/// The window, and what waits behind it. Guarded by one mutex; nothing foreign runs inside.
pub(super) struct Desk<K, V: 'static, R: Runtime> {
    window: Batch<Member<K, V, R>>,
    /// The errand of the window that is open, and when it opened.
    open: Option<(Arc<Errand<R>>, Instant)>,
    /// Batches that have left their window before its time; their errands come for them.
    left: Vec<(Generation, Leaving<K, V, R>)>,
    running: usize,
    max_running: Option<NonZeroUsize>,
    /// Errands that wait for a permit, first come, first served. Those at the front whose turn has
    /// come were called, and stay until they have come for it.
    waiting: VecDeque<Arc<Errand<R>>>,
}

/// What is to be done after a request was added.
pub(super) struct Pushed<K, V: 'static, R: Runtime> {
    /// The errand that will load the key.
    pub(super) errand: Arc<Errand<R>>,
    /// It is new, and must be spawned.
    pub(super) is_new: bool,
    /// Its batch leaves at once, and it must be called.
    pub(super) is_full: bool,
    /// Requests that nobody wanted any more, to be dropped outside.
    pub(super) unwanted: Vec<Member<K, V, R>>,
}

/// What is to be done after an errand left the queue.
pub(super) struct Gone<R: Runtime> {
    /// The errand, to be dropped outside.
    pub(super) errand: Option<Arc<Errand<R>>>,
    /// The errand whose turn has come instead, to be called.
    pub(super) next: Option<Arc<Errand<R>>>,
}

impl<K, V, R: Runtime> Desk<K, V, R> {
    pub(super) const fn new(settings: &Settings) -> Self {
        Self {
            window: Batch::new(settings.window, settings.max_size),
            open: None,
            left: Vec::new(),
            running: 0,
            max_running: settings.max_concurrent,
            waiting: VecDeque::new(),
        }
    }

    /// Adds a request; `make` makes the errand of a new window.
    pub(super) fn push(
        &mut self,
        member: Member<K, V, R>,
        now: Instant,
        make: impl FnOnce(Generation) -> Arc<Errand<R>>,
    ) -> Pushed<K, V, R> {
        let unwanted = self
            .window
            .prune_before_push(|member| member.flight.is_wanted());
        if self.window.is_empty() {
            self.open = None;
        }
        // Who left last may have given it up, and not come for its requests yet.
        let given_up = |(errand, _): &(Arc<Errand<R>>, _)| !errand.admit();
        if self.open.as_ref().is_some_and(given_up) {
            self.dispatch();
        }
        let is_new = self.open.is_none();
        let generation = self.window.generation();
        let open = self.open.get_or_insert_with(|| (make(generation), now));
        let errand = Arc::clone(&open.0);
        let full = match self.window.push(member, now) {
            Push::Full(members) => Some(members),
            Push::Opened | Push::Joined => None,
        };
        let is_full = full.is_some();
        if let Some(members) = full {
            self.leave(generation, members);
        }
        Pushed {
            errand,
            is_new,
            is_full,
            unwanted,
        }
    }

    /// Has the window that is open leave now. Returns the errand to be called.
    pub(super) fn dispatch(&mut self) -> Option<Arc<Errand<R>>> {
        let errand = Arc::clone(&self.open.as_ref()?.0);
        let generation = self.window.generation();
        let members = self.window.take(generation)?;
        self.leave(generation, members);
        Some(errand)
    }

    /// The requests of `generation`, if its time has come: it has left already, or `now` is past
    /// its deadline, or `at_once`.
    pub(super) fn collect(
        &mut self,
        generation: Generation,
        now: Instant,
        at_once: bool,
    ) -> Option<Leaving<K, V, R>> {
        let due = self.window.deadline(generation);
        if at_once || due.is_some_and(|due| due.has_passed(now)) {
            if let Some(members) = self.window.take(generation) {
                self.leave(generation, members);
            }
        }
        let left = self.left.iter().position(|(left, _)| *left == generation)?;
        Some(self.left.swap_remove(left).1)
    }

    /// When the window of `generation` leaves, if a timer decides it.
    pub(super) fn deadline(&self, generation: Generation) -> Option<Instant> {
        self.window.deadline(generation)
    }

    /// Whether the window of `generation` has not left yet.
    pub(super) fn is_open(&self, generation: Generation) -> bool {
        self.window.is_open(generation)
    }

    pub(super) const fn window(&self) -> BatchWindow {
        self.window.window()
    }

    /// Whether one more batch may run; if not, `errand` is called when its turn has come.
    pub(super) fn permit(&mut self, errand: &Arc<Errand<R>>) -> bool {
        if !BATCH_PERMITS.is_up() {
            self.running += 1;
            return true;
        }
        let known = |known: &Arc<Errand<R>>| Arc::ptr_eq(known, errand);
        let place = self.waiting.iter().position(known);
        let ahead = place.unwrap_or(self.waiting.len());
        if ahead < self.free() {
            self.running += 1;
            // The caller has it as well, so it is not dropped here.
            place.and_then(|place| self.waiting.remove(place));
            return true;
        }
        if place.is_none() {
            self.waiting.push_back(Arc::clone(errand));
        }
        false
    }

    /// One batch less runs. Returns the errand whose turn has come, to be called.
    pub(super) fn finished(&mut self) -> Option<Arc<Errand<R>>> {
        self.running -= 1;
        self.last_in_turn()
    }

    /// An errand that waited for a permit is gone.
    pub(super) fn gone(&mut self, errand: usize) -> Gone<R> {
        if !BATCH_PERMITS.is_up() {
            return Gone {
                errand: None,
                next: None,
            };
        }
        let known = |known: &Arc<Errand<R>>| known.address() == errand;
        let place = self.waiting.iter().position(known);
        let gone = place.and_then(|place| self.waiting.remove(place));
        Gone {
            errand: gone,
            next: self.last_in_turn(),
        }
    }

    /// How many more batches may run.
    fn free(&self) -> usize {
        let max = self.max_running.map_or(usize::MAX, NonZeroUsize::get);
        max - self.running
    }

    /// The last of those whose turn has come: the others know already.
    fn last_in_turn(&self) -> Option<Arc<Errand<R>>> {
        if !BATCH_PERMITS.is_up() {
            return None;
        }
        let last = self.free().checked_sub(1)?;
        self.waiting.get(last).cloned()
    }

    fn leave(&mut self, generation: Generation, members: Vec<Member<K, V, R>>) {
        let opened = self
            .open
            .take()
            .map_or(Instant::ORIGIN, |(_, opened)| opened);
        self.left.push((generation, Leaving { members, opened }));
    }
}
