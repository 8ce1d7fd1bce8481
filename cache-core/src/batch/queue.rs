//! Where requests wait for their batch, and batches for their permit.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::num::NonZeroUsize;

use crate::flight::{BatchFlight, Flight};
use crate::machine::{Batch, BatchWindow, Generation, Instant, Push, Ttl};
use crate::opt_in::{BatchPermits, Gated};
use crate::runtime::Runtime;
use crate::sync::Arc;

/// The settings of a view, once they are checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct BatchSettings {
    pub(super) window: BatchWindow,
    pub(super) max_size: NonZeroUsize,
    pub(super) max_concurrent: Gated<NonZeroUsize, BatchPermits>,
    pub(super) ttl: Ttl,
}

/// One key that is to be loaded, and its flight.
pub(super) struct Request<K, V: 'static, R: Runtime> {
    pub(super) key: K,
    pub(super) flight: Arc<Flight<V, R>>,
    /// Older flights of the same key, or newer ones: it was written or refreshed in its window.
    pub(super) duplicates: Vec<Self>,
}

/// The requests of one batch that has left its window.
pub(super) struct ReadyBatch<K, V: 'static, R: Runtime> {
    pub(super) requests: Vec<Request<K, V, R>>,
    pub(super) opened: Instant,
}

/// The window, and what waits behind it. Guarded by one mutex; nothing foreign runs inside.
pub(super) struct BatchQueue<K, V: 'static, R: Runtime> {
    window: Batch<Request<K, V, R>>,
    /// The errand of the window that is open, and when it opened.
    open: Option<(Arc<BatchFlight<R>>, Instant)>,
    /// Batches that have left their window before its time; their errands come for them.
    ready: Vec<(Generation, ReadyBatch<K, V, R>)>,
    running: usize,
    max_running: Gated<NonZeroUsize, BatchPermits>,
    /// Errands that wait for a permit, first come, first served. Those at the front whose turn has
    /// come were called, and stay until they have come for it.
    waiting: VecDeque<Arc<BatchFlight<R>>>,
}

/// What is to be done after a request was added.
pub(super) struct Enqueued<K, V: 'static, R: Runtime> {
    /// The errand that will load the key.
    pub(super) batch: Arc<BatchFlight<R>>,
    /// It is new, and must be spawned.
    pub(super) is_new: bool,
    /// Its batch leaves at once, and it must be called.
    pub(super) is_full: bool,
    /// Requests that nobody wanted any more, to be dropped outside.
    pub(super) cancelled: Vec<Request<K, V, R>>,
}

/// What is to be done after an errand left the queue.
pub(super) struct Dequeued<R: Runtime> {
    /// The errand, to be dropped outside.
    pub(super) batch: Option<Arc<BatchFlight<R>>>,
    /// The errand whose turn has come instead, to be called.
    pub(super) next: Option<Arc<BatchFlight<R>>>,
}

impl<K, V, R: Runtime> BatchQueue<K, V, R> {
    pub(super) const fn new(settings: &BatchSettings) -> Self {
        Self {
            window: Batch::new(settings.window, settings.max_size),
            open: None,
            ready: Vec::new(),
            running: 0,
            max_running: settings.max_concurrent,
            waiting: VecDeque::new(),
        }
    }

    /// Adds a request; `make` makes the errand of a new window.
    pub(super) fn push(
        &mut self,
        request: Request<K, V, R>,
        now: Instant,
        make: impl FnOnce(Generation) -> Arc<BatchFlight<R>>,
    ) -> Enqueued<K, V, R> {
        let cancelled = self
            .window
            .prune_before_push(|request| request.flight.is_pending());
        if self.window.is_empty() {
            self.open = None;
        }
        // Who left last may have given it up, and not come for its requests yet.
        let given_up = |(batch, _): &(Arc<BatchFlight<R>>, _)| !batch.add_flight();
        if self.open.as_ref().is_some_and(given_up) {
            self.dispatch();
        }
        let is_new = self.open.is_none();
        let generation = self.window.generation();
        let open = self.open.get_or_insert_with(|| (make(generation), now));
        let batch = Arc::clone(&open.0);
        let full = match self.window.push(request, now) {
            Push::Full(requests) => Some(requests),
            Push::Opened | Push::Joined => None,
        };
        let is_full = full.is_some();
        if let Some(requests) = full {
            self.close_window(generation, requests);
        }
        Enqueued {
            batch,
            is_new,
            is_full,
            cancelled,
        }
    }

    /// Has the window that is open leave now. Returns the errand to be called.
    pub(super) fn dispatch(&mut self) -> Option<Arc<BatchFlight<R>>> {
        let batch = Arc::clone(&self.open.as_ref()?.0);
        let generation = self.window.generation();
        let requests = self.window.take(generation)?;
        self.close_window(generation, requests);
        Some(batch)
    }

    /// The requests of `generation`, if its time has come: it has left already, or `now` is past
    /// its deadline, or `at_once`.
    pub(super) fn take_ready(
        &mut self,
        generation: Generation,
        now: Instant,
        at_once: bool,
    ) -> Option<ReadyBatch<K, V, R>> {
        let due = self.window.deadline(generation);
        if (at_once || due.is_some_and(|due| due.has_passed(now)))
            && let Some(requests) = self.window.take(generation)
        {
            self.close_window(generation, requests);
        }
        let ready = self
            .ready
            .iter()
            .position(|(ready, _)| *ready == generation)?;
        Some(self.ready.swap_remove(ready).1)
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

    /// Whether one more batch may run; if not, `batch` is called when its turn has come.
    pub(super) fn try_acquire(&mut self, batch: &Arc<BatchFlight<R>>) -> bool {
        let Some(free) = self.free() else {
            self.running += 1;
            return true;
        };
        let known = |known: &Arc<BatchFlight<R>>| Arc::ptr_eq(known, batch);
        let position = self.waiting.iter().position(known);
        let ahead = position.unwrap_or(self.waiting.len());
        if ahead < free {
            self.running += 1;
            // The caller has it as well, so it is not dropped here.
            position.and_then(|position| self.waiting.remove(position));
            return true;
        }
        if position.is_none() {
            self.waiting.push_back(Arc::clone(batch));
        }
        false
    }

    /// One batch less runs. Returns the errand whose turn has come, to be called.
    pub(super) fn release_permit(&mut self) -> Option<Arc<BatchFlight<R>>> {
        self.running -= 1;
        self.next_ready()
    }

    /// An errand that waited for a permit is gone.
    pub(super) fn remove_waiting(&mut self, batch: usize) -> Dequeued<R> {
        if !self.max_running.is_set() {
            return Dequeued {
                batch: None,
                next: None,
            };
        }
        let known = |known: &Arc<BatchFlight<R>>| known.address() == batch;
        let position = self.waiting.iter().position(known);
        let remove_waiting = position.and_then(|position| self.waiting.remove(position));
        Dequeued {
            batch: remove_waiting,
            next: self.next_ready(),
        }
    }

    /// How many more batches may run; `None` without a bound.
    fn free(&self) -> Option<usize> {
        Some(self.max_running.get()?.get() - self.running)
    }

    /// The last of those whose turn has come: the others know already.
    fn next_ready(&self) -> Option<Arc<BatchFlight<R>>> {
        let last = self.free()?.checked_sub(1)?;
        self.waiting.get(last).cloned()
    }

    fn close_window(&mut self, generation: Generation, requests: Vec<Request<K, V, R>>) {
        let opened = self
            .open
            .take()
            .map_or(Instant::ORIGIN, |(_, opened)| opened);
        self.ready
            .push((generation, ReadyBatch { requests, opened }));
    }
}
