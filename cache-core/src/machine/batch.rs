//! A batch window: which requests are dispatched together, and when.
//!
//! The window of generation g, which holds at most `max` requests:
//!
//! | state | event | next state | result |
//! |---|---|---|---|
//! | empty, g | `push` | open, g | [`Push::Opened`] |
//! | open, g | `push` | open, g | [`Push::Joined`] |
//! | empty or open, g | `push` of request number `max` | empty, g + 1 | [`Push::Full`] with all requests |
//! | open, g | `take(g)` | empty, g + 1 | all requests |
//! | any | `take` of another generation | unchanged | `None` |
//! | open, g | `prune`: some are wanted | open, g | the unwanted requests |
//! | open, g | `prune`: none is wanted | empty, g + 1 | all requests |
//! | open, g | `take_oldest` of fewer than all | open, g | the oldest requests |
//! | open, g | `take_oldest` of all | empty, g + 1 | all requests |
//!
//! The window does not compare requests: a caller that requests a key in flight joins that flight,
//! and adds no request.

use alloc::vec::Vec;
use core::mem;
use core::num::NonZeroUsize;
use core::time::Duration;

use super::opt_in::{Feature, Freshening};
use super::time::Instant;

/// How long a batch waits for more keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BatchWindow {
    /// For this long after its first key.
    Fixed(Duration),
    /// Until the executor has made this many passes over its tasks. No timer is used. With 1, the
    /// batch has every key that tasks request in the same pass, as with a `DataLoader`.
    Yield(u32),
    /// Until no key was added for `gap`, but at most `max` after the first.
    Debounce {
        /// The time without a new key after which the batch is dispatched.
        gap: Duration,
        /// The time after the first key at which the batch is dispatched in any case.
        max: Duration,
    },
}

impl Default for BatchWindow {
    /// Five milliseconds.
    fn default() -> Self {
        Self::Fixed(Duration::from_millis(5))
    }
}

/// The requests of the next batch.
///
/// Each window has its own [`Generation`], so that a timer that was set for one window does not
/// close the next one early.
#[derive(Debug)]
pub struct Batch<T> {
    window: BatchWindow,
    max: NonZeroUsize,
    generation: Generation,
    waiting: Vec<T>,
    /// When the open window got its first request.
    opened: Instant,
    /// When it got its latest request.
    latest: Instant,
}

/// Identifies one window of a [`Batch`]. Never reused. The windows of refreshes differ from those of
/// misses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Generation(u64);

/// The effect of a new request on the window.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Push<T> {
    /// It opened a window. The caller must see to it that [`Batch::take`] is called in time.
    Opened,
    /// It joined the open window.
    Joined,
    /// It filled the window, which is closed: these are its requests.
    Full(Vec<T>),
}

impl<T> Batch<T> {
    /// Creates a batch without an open window. At most `max` requests are dispatched together.
    #[must_use]
    pub const fn new(window: BatchWindow, max: NonZeroUsize) -> Self {
        Self {
            window,
            max,
            generation: Generation(0),
            waiting: Vec::new(),
            opened: Instant::ORIGIN,
            latest: Instant::ORIGIN,
        }
    }

    /// As [`Batch::new`], for the window in which refreshes wait beside the window of the misses.
    #[must_use]
    pub const fn of_refreshes(window: BatchWindow, max: NonZeroUsize) -> Self {
        let mut batch = Self::new(window, max);
        batch.generation = Generation(REFRESHES);
        batch
    }

    /// Adds a request. O(1) amortized.
    pub fn push(&mut self, request: T, now: Instant) -> Push<T> {
        let opens = self.waiting.is_empty();
        if opens {
            self.opened = now;
        }
        self.latest = self.latest.max(now);
        self.waiting.push(request);
        if self.waiting.len() >= self.max.get() {
            Push::Full(self.close())
        } else if opens {
            Push::Opened
        } else {
            Push::Joined
        }
    }

    /// When the window of `generation` is due; `None` if it is closed, or if no timer decides it.
    #[must_use]
    pub fn deadline(&self, generation: Generation) -> Option<Instant> {
        if !self.is_open(generation) {
            return None;
        }
        match self.window {
            BatchWindow::Fixed(length) => Some(self.opened.after(length)),
            BatchWindow::Yield(_) => None,
            BatchWindow::Debounce { gap, max } => {
                Some(self.latest.after(gap).min(self.opened.after(max)))
            }
        }
    }

    /// Whether the window of `generation` is open.
    #[must_use]
    pub fn is_open(&self, generation: Generation) -> bool {
        generation == self.generation && !self.waiting.is_empty()
    }

    /// Closes the window of `generation` and returns its requests; `None` if it is closed already.
    pub fn take(&mut self, generation: Generation) -> Option<Vec<T>> {
        self.is_open(generation).then(|| self.close())
    }

    /// The generation of the open window, or of the next one if none is open.
    #[must_use]
    pub const fn generation(&self) -> Generation {
        self.generation
    }

    /// Prunes before a push, but only if that pays: if the next request would fill the window, or
    /// if no request in it is `wanted`. Otherwise returns nothing.
    pub fn prune_before_push(&mut self, mut wanted: impl FnMut(&T) -> bool) -> Vec<T> {
        let fills = self.waiting.len() + 1 >= self.max.get();
        if fills || !self.waiting.iter().any(&mut wanted) {
            return self.prune(wanted);
        }
        Vec::new()
    }

    /// Removes and returns every request that is not `wanted`. The caller must drop them outside of
    /// its locks. Closes the window if none is left. O(requests).
    pub fn prune(&mut self, wanted: impl FnMut(&T) -> bool) -> Vec<T> {
        let (kept, dropped): (_, Vec<T>) =
            mem::take(&mut self.waiting).into_iter().partition(wanted);
        self.waiting = kept;
        if self.waiting.is_empty() && !dropped.is_empty() {
            self.generation = self.generation.next();
        }
        dropped
    }

    /// Takes the oldest requests out of the window, at most `most`. The others keep their deadline.
    /// Closes the window if none is left. O(requests).
    pub fn take_oldest(&mut self, most: usize) -> Vec<T> {
        if self.waiting.is_empty() || most >= self.waiting.len() {
            return self.take(self.generation).unwrap_or_default();
        }
        let rest = self.waiting.split_off(most);
        mem::replace(&mut self.waiting, rest)
    }

    /// How many requests are dispatched together, at most.
    #[must_use]
    pub const fn max(&self) -> usize {
        self.max.get()
    }

    /// How long a batch waits for more keys.
    #[must_use]
    pub const fn window(&self) -> BatchWindow {
        self.window
    }

    /// How many requests are in the window.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether no window is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn close(&mut self) -> Vec<T> {
        self.generation = self.generation.next();
        mem::take(&mut self.waiting)
    }
}

/// The first window of refreshes.
const REFRESHES: u64 = 1 << 63;

impl Generation {
    const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// Whether it is a window of [`Batch::of_refreshes`].
    #[must_use]
    pub fn is_of_refreshes(self) -> bool {
        Freshening::is_enabled() && self.0 >= REFRESHES
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn at(ms: u64) -> Instant {
        Instant::from_nanos(ms * 1_000_000)
    }

    fn batch(window: BatchWindow, max: usize) -> Batch<u32> {
        Batch::new(window, NonZeroUsize::new(max).expect("max is above zero"))
    }

    /// Pushes a request that opens a window.
    fn open(batch: &mut Batch<u32>, request: u32, now: Instant) -> Generation {
        let generation = batch.generation();
        assert_eq!(batch.push(request, now), Push::Opened);
        generation
    }

    #[test]
    fn a_full_window_closes_at_once_and_the_next_request_opens_another() {
        let mut batch = batch(BatchWindow::Fixed(5 * MS), 3);
        let first = open(&mut batch, 1, at(0));
        assert_eq!(batch.push(2, at(1)), Push::Joined);
        assert_eq!(batch.push(3, at(1)), Push::Full(vec![1, 2, 3]));
        let second = open(&mut batch, 4, at(4));
        // The timer of the first window fires.
        assert_eq!(batch.take(first), None);
        assert_eq!(batch.deadline(first), None);
        assert_eq!(batch.deadline(second), Some(at(9)));
        assert_eq!(batch.take(second), Some(vec![4]));
    }

    #[test]
    fn a_batch_of_one_is_full_with_its_first_request() {
        let mut batch = batch(BatchWindow::default(), 1);
        assert!(matches!(batch.push(7, at(0)), Push::Full(full) if full == [7]));
        assert!(batch.is_empty());
    }

    #[test]
    fn a_debounced_window_moves_with_each_request_up_to_its_maximum() {
        let window = BatchWindow::Debounce {
            gap: 2 * MS,
            max: 5 * MS,
        };
        let mut batch = batch(window, 100);
        let generation = open(&mut batch, 1, at(0));
        assert_eq!(batch.deadline(generation), Some(at(2)));
        assert_eq!(batch.push(2, at(1)), Push::Joined);
        assert_eq!(batch.deadline(generation), Some(at(3)));
        assert_eq!(batch.push(3, at(4)), Push::Joined);
        assert_eq!(batch.deadline(generation), Some(at(5)));
    }

    #[test]
    fn a_window_without_wanted_requests_is_closed_and_its_timer_does_not_close_the_next_one() {
        let mut batch = batch(BatchWindow::Fixed(5 * MS), 100);
        let first = open(&mut batch, 1, at(0));
        assert_eq!(batch.prune(|_| false), [1]);
        let second = open(&mut batch, 2, at(3));
        assert_eq!(batch.take(first), None);
        assert_eq!(batch.deadline(second), Some(at(8)));
    }

    #[test]
    fn a_window_is_pruned_before_a_push_if_that_would_fill_it_or_no_request_is_wanted() {
        let mut batch = batch(BatchWindow::default(), 4);
        let first = open(&mut batch, 1, at(0));
        assert_eq!(batch.push(2, at(0)), Push::Joined);
        assert_eq!(batch.prune_before_push(|n| *n == 2), []);
        assert_eq!(batch.push(3, at(0)), Push::Joined);
        assert_eq!(batch.prune_before_push(|n| *n == 2), [1, 3]);
        assert!(batch.is_open(first));
        assert_eq!(batch.prune_before_push(|_| false), [2]);
        assert!(!batch.is_open(first));
    }

    #[test]
    fn requests_that_are_left_in_a_window_keep_its_deadline() {
        let mut batch = batch(BatchWindow::Fixed(5 * MS), 100);
        let generation = open(&mut batch, 1, at(0));
        assert_eq!(batch.push(2, at(1)), Push::Joined);
        assert_eq!(batch.push(3, at(2)), Push::Joined);
        assert_eq!(batch.take_oldest(0), []);
        assert_eq!(batch.take_oldest(2), [1, 2]);
        assert_eq!(batch.deadline(generation), Some(at(5)));
        assert_eq!(batch.take_oldest(2), [3]);
        assert!(!batch.is_open(generation));
        assert_ne!(batch.generation(), generation);
        assert_eq!(batch.take_oldest(2), []);
    }

    #[test]
    fn a_window_of_refreshes_has_other_generations_than_a_window_of_misses() {
        let max = NonZeroUsize::MIN;
        let mut misses = Batch::new(BatchWindow::default(), max);
        let mut refreshes = Batch::of_refreshes(BatchWindow::default(), max);
        for request in 0..3 {
            assert!(!misses.generation().is_of_refreshes());
            assert!(refreshes.generation().is_of_refreshes());
            assert_eq!(misses.push(request, at(0)), Push::Full(vec![request]));
            assert_eq!(refreshes.push(request, at(0)), Push::Full(vec![request]));
        }
    }

    #[test]
    fn a_window_that_yields_has_no_deadline() {
        let mut batch = batch(BatchWindow::Yield(1), 100);
        let generation = open(&mut batch, 1, at(0));
        assert_eq!(batch.deadline(generation), None);
        assert_eq!(batch.take(generation), Some(vec![1]));
        assert_eq!(batch.take(generation), None);
    }
}
