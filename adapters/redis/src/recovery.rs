//! The removals of this process that a server may have to be sent once more.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// The removals of the last seconds.
///
/// A removal that failed is sent again while it is recent. All recent ones are sent again to a
/// replica that was promoted, because it may lack the last writes of the primary.
#[derive(Debug)]
pub(crate) struct Recovery {
    window: Duration,
    limit: usize,
    log: Mutex<Log>,
}

#[derive(Debug, Default)]
struct Log {
    /// The last removal of each key.
    removals: HashMap<String, Removal>,
    /// In the order of time. A removal of the same key may have replaced an older one.
    order: VecDeque<(Instant, String)>,
    /// The time of the last removal that the log had no space for.
    overflow: Option<Instant>,
    /// Whether a removal failed that the log had no space for.
    lost: bool,
}

#[derive(Debug, Clone, Copy)]
struct Removal {
    at: Instant,
    state: Sent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    InFlight,
    Answered,
    Failed,
}

/// Which removals to send again.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Replay {
    Keys(Vec<String>),
    /// There were more than the log has space for: only a new generation covers them.
    All,
}

impl Recovery {
    pub(crate) fn new(window: Duration, limit: usize) -> Self {
        Self {
            window,
            limit,
            log: Mutex::default(),
        }
    }

    /// Notes removals that are about to be sent. They count as failed if the guard is dropped.
    pub(crate) fn begin(&self, texts: &[String]) -> Attempt<'_> {
        let at = Instant::now();
        let mut log = self.lock();
        log.forget(at, self.window);
        for text in texts {
            if log.removals.len() >= self.limit && !log.removals.contains_key(text) {
                log.overflow = Some(at);
                continue;
            }
            let state = Sent::InFlight;
            log.removals.insert(text.clone(), Removal { at, state });
            log.order.push_back((at, text.clone()));
        }
        log.compact(self.limit);
        Attempt {
            recovery: self,
            texts: texts.to_vec(),
            at,
        }
    }

    /// The removals that failed; with `all` also those that the server has answered.
    pub(crate) fn replay(&self, all: bool) -> Replay {
        let mut log = self.lock();
        log.forget(Instant::now(), self.window);
        if log.lost || all && log.overflow.is_some() {
            return Replay::All;
        }
        let removals = log.removals.iter();
        let due = removals.filter(|(_, removal)| all || removal.state == Sent::Failed);
        Replay::Keys(due.map(|(text, _)| text.clone()).collect())
    }

    /// A new generation covers all removals until now.
    pub(crate) fn reset(&self) {
        *self.lock() = Log::default();
    }

    fn end(&self, texts: &[String], at: Instant, state: Sent) {
        let mut log = self.lock();
        for text in texts {
            if let Some(removal) = log.removals.get_mut(text) {
                // The state of a later removal of the key stays, unless this one failed: the server
                // may have received the later one first.
                if removal.at == at || state == Sent::Failed {
                    removal.state = state;
                }
            } else if state == Sent::Failed {
                log.lost = true;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().expect("nothing panics under this lock")
    }
}

impl Log {
    fn forget(&mut self, now: Instant, window: Duration) {
        let is_old = |at: Instant| now.saturating_duration_since(at) > window;
        while let Some((at, _)) = self.order.front() {
            if !is_old(*at) {
                break;
            }
            let (at, text) = self.order.pop_front().expect("it has a front");
            if self
                .removals
                .get(&text)
                .is_some_and(|removal| removal.at == at)
            {
                self.removals.remove(&text);
            }
        }
        self.overflow = self.overflow.filter(|&at| !is_old(at));
    }

    /// Drops the replaced removals from the order once they are most of it.
    fn compact(&mut self, limit: usize) {
        if self.order.len() <= 2 * limit {
            return;
        }
        let Self {
            removals, order, ..
        } = self;
        order.retain(|(at, text)| removals.get(text).is_some_and(|removal| removal.at == *at));
    }
}

/// Removals that were sent and not answered.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    recovery: &'a Recovery,
    texts: Vec<String>,
    at: Instant,
}

impl Attempt<'_> {
    pub(crate) fn answered(mut self) {
        let texts = std::mem::take(&mut self.texts);
        self.recovery.end(&texts, self.at, Sent::Answered);
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.recovery.end(&self.texts, self.at, Sent::Failed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(replay: Replay) -> Vec<String> {
        let Replay::Keys(mut keys) = replay else {
            panic!("the log overflowed");
        };
        keys.sort();
        keys
    }

    fn recovery(limit: usize) -> Recovery {
        Recovery::new(Duration::from_secs(3600), limit)
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_removal_that_was_not_answered_is_replayed() {
        let recovery = recovery(10);
        recovery.begin(&texts(&["a"])).answered();
        drop(recovery.begin(&texts(&["b"])));
        assert_eq!(keys(recovery.replay(false)), ["b"]);
        assert_eq!(keys(recovery.replay(true)), ["a", "b"]);
    }

    #[test]
    fn an_answered_removal_does_not_hide_another_that_failed() {
        let recovery = recovery(10);
        let failed = recovery.begin(&texts(&["a"]));
        recovery.begin(&texts(&["a"])).answered();
        drop(failed);
        assert_eq!(keys(recovery.replay(false)), ["a"]);
        recovery.begin(&texts(&["a"])).answered();
        assert_eq!(keys(recovery.replay(false)), Vec::<String>::new());
    }

    #[test]
    fn more_removals_than_fit_are_replayed_as_all() {
        let recovery = recovery(2);
        recovery.begin(&texts(&["a", "b", "a"])).answered();
        assert_eq!(keys(recovery.replay(true)), ["a", "b"]);
        recovery.begin(&texts(&["c"])).answered();
        assert_eq!(recovery.replay(true), Replay::All);
        assert_eq!(keys(recovery.replay(false)), Vec::<String>::new());
        drop(recovery.begin(&texts(&["c"])));
        assert_eq!(recovery.replay(false), Replay::All);
        recovery.reset();
        assert_eq!(keys(recovery.replay(true)), Vec::<String>::new());
    }

    #[test]
    fn the_log_of_one_key_stays_small() {
        let recovery = recovery(2);
        for _ in 0..100 {
            recovery.begin(&texts(&["a"])).answered();
        }
        assert!(recovery.lock().order.len() <= 5);
    }

    #[test]
    fn old_removals_are_forgotten() {
        let recovery = Recovery::new(Duration::ZERO, 1);
        drop(recovery.begin(&texts(&["a"])));
        let begun = Instant::now();
        while Instant::now() == begun {}
        assert_eq!(keys(recovery.replay(true)), Vec::<String>::new());
        assert!(recovery.lock().order.is_empty());
    }
}
