//! The queue of a view: requests wait for their window to close, batches wait for a permit.
//!
//! | part of the queue | what it holds | until |
//! |---|---|---|
//! | `misses` | the requests of the open window | the window closes: full, dispatched, or past its deadline |
//! | `refreshes` | the refreshes of the open window of refreshes | a window of misses closes and has room for them, or their own window closes |
//! | `ready` | the requests of closed windows, by generation | the work of the batch takes them |
//! | `waiting` | batches without a permit, first come, first served | the work is polled while a permit is free for it |
//! | `running` | the number of permits in use | the batch completes or is dropped |
//!
//! A window and its batch share a [`Generation`]. The window may close before the work of its batch
//! is polled (it is full, or dispatched); `ready` keeps the requests until then.
//!
//! Refreshes have a window of their own, beside that of the misses, with a batch of its own. A
//! window of misses that closes takes the oldest of them into its batch, as many as it has room for.
//! So a miss waits for no refresh, and a batch of refreshes alone is needed only if no miss comes.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::num::NonZeroUsize;
use core::time::Duration;

use crate::flight::{BatchFlight, Flight};
use crate::machine::{Batch, BatchWindow, Generation, Instant, Push, Ttl};
use crate::observe::BatchReason;
use crate::opt_in::{BatchPermits, BatchesWithoutCache, Feature, Freshening, Gated, GatedState};
use crate::runtime::Runtime;
use crate::sync::Arc;

/// The validated settings of a view.
#[derive(Debug, Clone, Copy)]
pub(super) struct BatchSettings {
    pub(super) window: BatchWindow,
    pub(super) max_size: NonZeroUsize,
    /// [`REFRESH_WINDOW`] unless it is set.
    pub(super) refresh_window: Gated<Duration, Freshening>,
    pub(super) max_concurrent: Gated<NonZeroUsize, BatchPermits>,
    pub(super) ttl: Ttl,
    /// Whether the view neither reads nor stores values.
    pub(super) no_cache: Gated<(), BatchesWithoutCache>,
}

/// How long refreshes wait for misses, by default.
const REFRESH_WINDOW: Duration = Duration::from_millis(100);

/// A key to load, and its flight.
pub(super) struct Request<K, V: 'static, R: Runtime> {
    pub(super) key: K,
    pub(super) flight: Arc<Flight<V, R>>,
    /// Other requests for the same key. A write or a refresh during the window fences the first
    /// flight, so the next caller starts another one.
    pub(super) duplicates: Vec<Self>,
}

/// The requests of a closed window.
pub(super) struct ReadyBatch<K, V: 'static, R: Runtime> {
    pub(super) requests: Vec<Request<K, V, R>>,
    pub(super) opened: Instant,
    pub(super) reason: BatchReason,
    /// The batch of a window of refreshes, if this batch has taken all of them. Its work has nothing
    /// to do: the caller notifies it, and it ends.
    pub(super) emptied: GatedState<Arc<BatchFlight<R>>, Freshening>,
}

/// A window, and its batch while it is open.
struct Window<K, V: 'static, R: Runtime> {
    requests: Batch<Request<K, V, R>>,
    /// The batch of the open window, and when the window opened.
    open: Option<(Arc<BatchFlight<R>>, Instant)>,
}

/// The queue of a view. One mutex guards it; its methods run no user code and wake no task.
pub(super) struct BatchQueue<K, V: 'static, R: Runtime> {
    misses: Window<K, V, R>,
    refreshes: GatedState<Window<K, V, R>, Freshening>,
    ready: Vec<(Generation, ReadyBatch<K, V, R>)>,
    running: usize,
    max_running: Gated<NonZeroUsize, BatchPermits>,
    /// Batches without a permit. A batch is notified once a free permit admits it, and stays here
    /// until its work takes the permit.
    waiting: VecDeque<(Generation, Arc<BatchFlight<R>>)>,
}

/// What the caller must do, with the mutex unlocked, after it has added a request.
pub(super) struct Enqueued<K, V: 'static, R: Runtime> {
    /// The batch that loads the key.
    pub(super) batch: Arc<BatchFlight<R>>,
    /// Whether the batch is new: then the caller spawns its background task.
    pub(super) is_new: bool,
    /// Whether the request has filled the window, which is closed: then the caller polls the batch.
    pub(super) is_full: bool,
    /// The requests of flights that have ended. The caller drops them: the drop of a key may be
    /// user code.
    pub(super) cancelled: Vec<Request<K, V, R>>,
}

impl<K, V, R: Runtime> BatchQueue<K, V, R> {
    /// `refreshes`: whether values are refreshed in the background.
    pub(super) fn new(settings: &BatchSettings, refreshes: bool) -> Self {
        Self {
            misses: Window {
                requests: Batch::new(settings.window, settings.max_size),
                open: None,
            },
            refreshes: match Freshening::enabled() {
                Some(enabled) if refreshes => {
                    let length = settings.refresh_window.value().unwrap_or(REFRESH_WINDOW);
                    let window = BatchWindow::Fixed(length);
                    let window = Window {
                        requests: Batch::of_refreshes(window, settings.max_size),
                        open: None,
                    };
                    GatedState::new(Gated::proven(window, enabled))
                }
                _ => GatedState::UNSET,
            },
            ready: Vec::new(),
            running: 0,
            max_running: settings.max_concurrent,
            waiting: VecDeque::new(),
        }
    }

    /// Adds a request to the open window of its kind. `new_batch` makes the batch of a new window.
    pub(super) fn push(
        &mut self,
        request: Request<K, V, R>,
        is_refresh: bool,
        now: Instant,
        new_batch: impl FnOnce(Generation) -> Arc<BatchFlight<R>>,
    ) -> Enqueued<K, V, R> {
        let window = self.window_mut(is_refresh);
        let cancelled = window
            .requests
            .prune_before_push(|request| request.flight.is_pending());
        if window.requests.is_empty() {
            window.open = None;
        }
        // The last caller of the window may have cancelled its batch, whose work is dropped next
        // and closes the window then. The window is closed here already, or this request would be
        // cancelled with it; this request opens another one.
        let is_cancelled = |(batch, _): &(Arc<BatchFlight<R>>, _)| {
            if is_refresh {
                batch.is_complete()
            } else {
                !batch.add_flight()
            }
        };
        if window.open.as_ref().is_some_and(is_cancelled) {
            let generation = window.requests.generation();
            if let Some(requests) = window.requests.take(generation) {
                self.close(generation, requests, BatchReason::Dispatch, false);
            }
        }
        let window = self.window_mut(is_refresh);
        let is_new = window.open.is_none();
        let generation = window.requests.generation();
        let open = window
            .open
            .get_or_insert_with(|| (new_batch(generation), now));
        let batch = Arc::clone(&open.0);
        let full = match window.requests.push(request, now) {
            Push::Full(requests) => Some(requests),
            Push::Opened | Push::Joined => None,
        };
        let is_full = full.is_some();
        if let Some(requests) = full {
            self.close(generation, requests, BatchReason::Full, true);
        }
        Enqueued {
            batch,
            is_new,
            is_full,
            cancelled,
        }
    }

    /// Closes the open window of misses or `of_refreshes`. Returns its batch, which the caller
    /// notifies.
    pub(super) fn dispatch(&mut self, of_refreshes: bool) -> Option<Arc<BatchFlight<R>>> {
        let window = self.window_mut(of_refreshes);
        let batch = Arc::clone(&window.open.as_ref()?.0);
        let generation = window.requests.generation();
        let requests = window.requests.take(generation)?;
        self.close(generation, requests, BatchReason::Dispatch, true);
        Some(batch)
    }

    /// The requests of `generation` once its window is closed. Closes it first if `at_once`, or if
    /// `now` is past its deadline. `takes_refreshes` is as in [`BatchQueue::close`].
    pub(super) fn take_ready(
        &mut self,
        generation: Generation,
        now: Instant,
        at_once: bool,
        takes_refreshes: bool,
    ) -> Option<ReadyBatch<K, V, R>> {
        let deadline = self.deadline(generation);
        let window = self.window_mut(generation.is_of_refreshes());
        if (at_once || deadline.is_some_and(|deadline| deadline.has_passed(now)))
            && let Some(requests) = window.requests.take(generation)
        {
            self.close(generation, requests, BatchReason::Window, takes_refreshes);
        }
        let position = self
            .ready
            .iter()
            .position(|(ready, _)| *ready == generation)?;
        Some(self.ready.swap_remove(position).1)
    }

    /// When the window of `generation` closes, if it is open and a timer closes it.
    pub(super) fn deadline(&self, generation: Generation) -> Option<Instant> {
        self.requests_of(generation).deadline(generation)
    }

    /// Whether the window of `generation` is open.
    pub(super) fn is_open(&self, generation: Generation) -> bool {
        self.requests_of(generation).is_open(generation)
    }

    /// How long the window of `generation` waits for more keys.
    pub(super) fn window(&self, generation: Generation) -> BatchWindow {
        self.requests_of(generation).window()
    }

    fn requests_of(&self, generation: Generation) -> &Batch<Request<K, V, R>> {
        match self.refreshes.get() {
            Some(refreshes) if generation.is_of_refreshes() => &refreshes.requests,
            _ => &self.misses.requests,
        }
    }

    fn window_mut(&mut self, of_refreshes: bool) -> &mut Window<K, V, R> {
        match self.refreshes.get_mut() {
            Some(refreshes) if of_refreshes => refreshes,
            _ => &mut self.misses,
        }
    }

    /// Takes a permit for the batch of `generation`. Returns `false` if no permit is free for it:
    /// then the batch waits in the queue, and is notified once it may try again. O(waiting
    /// batches).
    pub(super) fn try_acquire(
        &mut self,
        generation: Generation,
        batch: &Arc<BatchFlight<R>>,
    ) -> bool {
        let Some(free) = self.free_permits() else {
            self.running += 1;
            return true;
        };
        let position = self.position(generation);
        let ahead = position.unwrap_or(self.waiting.len());
        if ahead < free {
            self.running += 1;
            // Drops no batch under the mutex: the caller has another reference.
            position.and_then(|position| self.waiting.remove(position));
            return true;
        }
        if position.is_none() {
            self.waiting.push_back((generation, Arc::clone(batch)));
        }
        false
    }

    /// Gives a permit back. Returns the batch that it admits, which the caller notifies.
    pub(super) fn release_permit(&mut self) -> Option<Arc<BatchFlight<R>>> {
        self.running -= 1;
        self.newly_admitted()
    }

    /// Removes the batch of `generation`, which waits for a permit. Returns that batch, which the
    /// caller drops with the mutex unlocked, and the batch that a permit admits in its place, which
    /// the caller notifies.
    pub(super) fn remove_waiting(
        &mut self,
        generation: Generation,
    ) -> [Option<Arc<BatchFlight<R>>>; 2] {
        if !self.max_running.is_set() {
            return [None, None];
        }
        let position = self.position(generation);
        let removed = position.and_then(|position| self.waiting.remove(position));
        [removed.map(|(_, batch)| batch), self.newly_admitted()]
    }

    fn position(&self, generation: Generation) -> Option<usize> {
        self.waiting
            .iter()
            .position(|(waiting, _)| *waiting == generation)
    }

    /// The number of free permits; `None` if their number is not bounded.
    fn free_permits(&self) -> Option<usize> {
        Some(self.max_running.get()?.get() - self.running)
    }

    /// The last waiting batch that the free permits admit. The batches before it were notified when
    /// earlier permits became free.
    fn newly_admitted(&self) -> Option<Arc<BatchFlight<R>>> {
        let last = self.free_permits()?.checked_sub(1)?;
        self.waiting.get(last).map(|(_, batch)| Arc::clone(batch))
    }

    /// Closes the window of `generation`, which had these requests. If it `takes_refreshes`, and is
    /// a window of misses, the refreshes that wait fill its batch up.
    fn close(
        &mut self,
        generation: Generation,
        mut requests: Vec<Request<K, V, R>>,
        reason: BatchReason,
        takes_refreshes: bool,
    ) {
        let is_of_refreshes = generation.is_of_refreshes();
        let open = self.window_mut(is_of_refreshes).open.take();
        let mut emptied = GatedState::UNSET;
        let proof = self.refreshes.proof();
        if let (Some(refreshes), Some((batch, _))) = (self.refreshes.get_mut(), &open)
            && let Some(enabled) = proof
            && takes_refreshes
            && !is_of_refreshes
            && !refreshes.requests.is_empty()
        {
            let room = refreshes.requests.max() - requests.len();
            let taken = refreshes.requests.take_oldest(room);
            if !taken.is_empty() {
                // A miss whose caller is cancelled must not end the refreshes of its batch.
                batch.keep_for_refreshes();
                requests.extend(taken);
            }
            if refreshes.requests.is_empty()
                && let Some((batch, _)) = refreshes.open.take()
            {
                emptied = GatedState::new(Gated::proven(batch, enabled));
            }
        }
        let batch = ReadyBatch {
            requests,
            opened: open.map_or(Instant::ORIGIN, |(_, opened)| opened),
            reason,
            emptied,
        };
        self.ready.push((generation, batch));
    }
}
