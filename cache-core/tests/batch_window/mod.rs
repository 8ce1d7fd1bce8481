//! The comparison of the batch window with its model. The fuzz target shares it, but makes its own
//! cases.

#[cfg(test)]
mod strategies;

use std::num::NonZeroUsize;
use std::time::Duration;

use cache_core::machine::{Batch, BatchWindow, Generation, Instant, Push};

#[cfg(test)]
pub(crate) use strategies::cases;

/// The settings of a window, and the operations to run on it.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) window: BatchWindow,
    pub(crate) max: NonZeroUsize,
    pub(crate) ops: Vec<Op>,
}

/// One call. Windows are identified by their index among all windows so far, modulo their number.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    Push,
    /// The timer of a window fires.
    Take(usize),
    /// Drops the requests whose bit is not set.
    Prune(u64),
    PruneBeforePush(u64),
    /// Takes this many of the oldest requests.
    TakeOldest(usize),
    /// Advances the time, or sets it back.
    Clock(Duration, bool),
}

/// A batch and its model.
pub(crate) struct Pair {
    batch: Batch<u32>,
    window: BatchWindow,
    max: usize,
    /// The waiting requests.
    waiting: Vec<u32>,
    opened: Instant,
    /// The latest time at which a request was pushed.
    latest: Instant,
    now: Instant,
    requests: u32,
    /// The generations of all windows. The last one is open or opens next.
    names: Vec<Generation>,
}

impl Pair {
    /// Runs `case` on a batch and on the model, and compares them after every step.
    pub(crate) fn try_out(case: &Case) {
        let batch = Batch::new(case.window, case.max);
        let mut pair = Self {
            names: vec![batch.generation()],
            batch,
            window: case.window,
            max: case.max.get(),
            waiting: Vec::new(),
            opened: Instant::ORIGIN,
            latest: Instant::ORIGIN,
            now: Instant::ORIGIN,
            requests: 0,
        };
        pair.check();
        for op in &case.ops {
            pair.apply(op);
            pair.check();
        }
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Push => self.push(),
            Op::Take(name) => self.take(name % self.names.len()),
            Op::Prune(wanted) => {
                let pruned = self.batch.prune(|request| is_wanted(wanted, *request));
                assert_eq!(pruned, self.prune(wanted));
            }
            Op::PruneBeforePush(wanted) => {
                let fills = self.waiting.len() + 1 >= self.max;
                let mut all = self.waiting.iter();
                let is_unused = !all.any(|request| is_wanted(wanted, *request));
                let pruned = self
                    .batch
                    .prune_before_push(|request| is_wanted(wanted, *request));
                let expected = match fills || is_unused {
                    true => self.prune(wanted),
                    false => vec![],
                };
                assert_eq!(pruned, expected);
            }
            Op::TakeOldest(most) => {
                let taken = self.batch.take_oldest(most);
                let most = most.min(self.waiting.len());
                let expected: Vec<_> = self.waiting.drain(..most).collect();
                if self.waiting.is_empty() && !expected.is_empty() {
                    self.close();
                }
                assert_eq!(taken, expected);
            }
            Op::Clock(by, false) => self.now = self.now.after(by),
            Op::Clock(by, true) => {
                let since = self.now.since(Instant::ORIGIN);
                self.now = Instant::ORIGIN.after(since.saturating_sub(by));
            }
        }
    }

    fn push(&mut self) {
        let (request, opens) = (self.requests, self.waiting.is_empty());
        self.requests += 1;
        let pushed = self.batch.push(request, self.now);
        self.waiting.push(request);
        self.latest = self.latest.max(self.now);
        if opens {
            self.opened = self.now;
        }
        let expected = if self.waiting.len() == self.max {
            Push::Full(self.close())
        } else if opens {
            Push::Opened
        } else {
            Push::Joined
        };
        assert_eq!(pushed, expected);
    }

    /// The timer of an old window must not affect a later one.
    fn take(&mut self, name: usize) {
        let taken = self.batch.take(self.names[name]);
        let is_last = name == self.names.len() - 1;
        let is_open = is_last && !self.waiting.is_empty();
        assert_eq!(taken, is_open.then(|| self.close()));
    }

    /// Returns the dropped requests. A window without requests is closed.
    fn prune(&mut self, wanted: u64) -> Vec<u32> {
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        let (kept, pruned) = waiting.partition(|request| is_wanted(wanted, *request));
        self.waiting = kept;
        if self.waiting.is_empty() && !Vec::is_empty(&pruned) {
            self.close();
        }
        pruned
    }

    fn close(&mut self) -> Vec<u32> {
        let next = self.batch.generation();
        assert!(
            !self.names.contains(&next),
            "each window has a new generation"
        );
        self.names.push(next);
        std::mem::take(&mut self.waiting)
    }

    fn check(&self) {
        let (batch, waits) = (&self.batch, !self.waiting.is_empty());
        assert_eq!(batch.len(), self.waiting.len());
        assert_eq!(batch.is_empty(), !waits);
        assert_eq!(Some(&batch.generation()), self.names.last());
        assert!(
            batch.len() < self.max,
            "the batch never exceeds its maximum"
        );
        for (index, name) in self.names.iter().enumerate() {
            let is_open = waits && index == self.names.len() - 1;
            assert_eq!(batch.is_open(*name), is_open);
            let deadline = self.deadline().filter(|_| is_open);
            assert_eq!(batch.deadline(*name), deadline);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self.window {
            BatchWindow::Fixed(length) => Some(self.opened.after(length)),
            BatchWindow::Yield(_) => None,
            BatchWindow::Debounce { gap, max } => {
                Some(self.latest.after(gap).min(self.opened.after(max)))
            }
        }
    }
}

const fn is_wanted(wanted: u64, request: u32) -> bool {
    wanted >> (request % 64) & 1 == 1
}
