//! A batch window: which requests leave together, and when.
//!
//! Duplicates never get here: who asks for a key that is in a window, in an earlier batch or in a
//! load of its own finds its flight, and waits for that.

use alloc::vec::Vec;
use core::mem;
use core::num::NonZeroUsize;
use core::time::Duration;

use super::time::Instant;

/// How long a batch waits for more keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BatchWindow {
    /// This long from its first key on.
    Fixed(Duration),
    /// Until the executor has come round this many times. No timer is used. With 1, everything that
    /// other tasks ask for in the same round is in the batch: `DataLoader`'s own way.
    Yield(u32),
    /// Until no key has come for `gap`, but no longer than `max` from the first one on.
    Debounce {
        /// How long no key must come.
        gap: Duration,
        /// How long the batch waits at the most.
        max: Duration,
    },
}

impl Default for BatchWindow {
    /// Five milliseconds.
    fn default() -> Self {
        Self::Fixed(Duration::from_millis(5))
    }
}

/// The requests that wait for the next batch to leave.
///
/// Each window has a [`Generation`]: a timer that was set for one does not cut the next one short.
#[derive(Debug)]
pub struct Batch<T> {
    window: BatchWindow,
    max: NonZeroUsize,
    generation: Generation,
    waiting: Vec<T>,
    opened: Instant,
    latest: Instant,
}

/// The name of one window. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Generation(u64);

/// What a new request did to the window.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Push<T> {
    /// It opened a window: somebody must see to it that [`Batch::take`] is called in time.
    Opened,
    /// It joined the window that is open.
    Joined,
    /// It filled the window, which leaves at once: these are its requests.
    Full(Vec<T>),
}

impl<T> Batch<T> {
    /// No window is open; at most `max` requests leave together.
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

    /// When the window leaves, if it is still that of `generation` and a timer decides it.
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

    /// Whether the window of `generation` has not left yet.
    #[must_use]
    pub fn is_open(&self, generation: Generation) -> bool {
        generation == self.generation && !self.waiting.is_empty()
    }

    /// Takes the requests of `generation`, if it has not left yet.
    pub fn take(&mut self, generation: Generation) -> Option<Vec<T>> {
        self.is_open(generation).then(|| self.close())
    }

    /// The name of the window that is open, or else of the one that opens next.
    #[must_use]
    pub const fn generation(&self) -> Generation {
        self.generation
    }

    /// If the next request would fill the batch, or nobody wants any of those that wait: takes out
    /// every one that nobody wants any more, to be dropped by the caller outside of its locks. If
    /// none is left, the window is over.
    pub fn prune_before_push(&mut self, mut wanted: impl FnMut(&T) -> bool) -> Vec<T> {
        let fills = self.waiting.len() + 1 >= self.max.get();
        if fills || !self.waiting.iter().any(&mut wanted) {
            return self.prune(wanted);
        }
        Vec::new()
    }

    /// Takes out every request that nobody wants any more. If none is left, the window is over:
    /// the next request opens a new one.
    pub fn prune(&mut self, wanted: impl FnMut(&T) -> bool) -> Vec<T> {
        let (kept, dropped): (_, Vec<T>) =
            mem::take(&mut self.waiting).into_iter().partition(wanted);
        self.waiting = kept;
        if self.waiting.is_empty() && !dropped.is_empty() {
            self.generation = self.generation.next();
        }
        dropped
    }

    /// How long a batch waits for more keys.
    #[must_use]
    pub const fn window(&self) -> BatchWindow {
        self.window
    }

    /// Requests that wait for the batch to leave.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn close(&mut self) -> Vec<T> {
        self.generation = self.generation.next();
        mem::take(&mut self.waiting)
    }
}

impl Generation {
    const fn next(self) -> Self {
        Self(self.0 + 1)
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
        Batch::new(
            window,
            NonZeroUsize::new(max).expect("a batch holds something"),
        )
    }

    /// Pushes a request that opens a window.
    fn open(batch: &mut Batch<u32>, request: u32, now: Instant) -> Generation {
        let generation = batch.generation();
        assert_eq!(batch.push(request, now), Push::Opened);
        generation
    }

    #[test]
    fn a_full_batch_leaves_at_once_and_the_next_request_opens_a_window_of_its_own() {
        let mut batch = batch(BatchWindow::Fixed(5 * MS), 3);
        let first = open(&mut batch, 1, at(0));
        assert_eq!(batch.push(2, at(1)), Push::Joined);
        assert_eq!(batch.push(3, at(1)), Push::Full(vec![1, 2, 3]));
        let second = open(&mut batch, 4, at(4));
        // The first one's timer fires.
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
    fn a_window_that_everybody_has_left_is_over_and_its_timer_cuts_no_other_short() {
        let mut batch = batch(BatchWindow::Fixed(5 * MS), 100);
        let first = open(&mut batch, 1, at(0));
        assert_eq!(batch.prune(|_| false), [1]);
        let second = open(&mut batch, 2, at(3));
        assert_eq!(batch.take(first), None);
        assert_eq!(batch.deadline(second), Some(at(8)));
    }

    #[test]
    fn a_window_is_pruned_before_it_is_full_and_if_nobody_in_it_is_wanted() {
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
    fn a_window_that_yields_has_no_deadline() {
        let mut batch = batch(BatchWindow::Yield(1), 100);
        let generation = open(&mut batch, 1, at(0));
        assert_eq!(batch.deadline(generation), None);
        assert_eq!(batch.take(generation), Some(vec![1]));
        assert_eq!(batch.take(generation), None);
    }
}
