//! The time that calls have been waiting, and a thread that watches it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use crate::figures::Figures;

/// The call that each task waits for, and since when.
#[derive(Debug)]
pub(crate) struct Ages(Box<[Mutex<Option<Wait>>]>);

#[derive(Debug)]
struct Wait {
    what: What,
    since: Instant,
    is_reported: bool,
}

/// The description of a call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct What {
    /// Whether the call uses the steady cache.
    pub(crate) is_steady: bool,
    pub(crate) method: &'static str,
    /// The first of its keys.
    pub(crate) key: u32,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cache = if self.is_steady {
            "of the run"
        } else {
            "of the round"
        };
        let Self { method, key, .. } = self;
        write!(f, "{method} of key {key}, in the cache {cache}")
    }
}

impl Ages {
    pub(crate) fn new(tasks: usize) -> Self {
        Self((0..tasks).map(|_| Mutex::default()).collect())
    }

    /// Records that the call of `task` waits, until the result is dropped.
    pub(crate) fn wait(&self, task: usize, what: What) -> Waiting<'_> {
        *self.of(task) = Some(Wait {
            what,
            since: Instant::now(),
            is_reported: false,
        });
        Waiting { ages: self, task }
    }

    fn of(&self, task: usize) -> MutexGuard<'_, Option<Wait>> {
        self.0[task].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks that no call waits for longer than `limit`. Runs on a thread of its own until all
    /// other references to `ages` are dropped.
    pub(crate) fn watch(ages: &Arc<Self>, limit: Duration, figures: Arc<Figures>) {
        let ages = Arc::downgrade(ages);
        thread::spawn(move || {
            let mut awake = Instant::now();
            let mut forgiven = awake;
            while let Some(ages) = Weak::upgrade(&ages) {
                // If this thread was not scheduled, the others may not have been either: restart
                // the measurement.
                if awake.elapsed() > LOOKS_EVERY * 3 {
                    forgiven = Instant::now();
                }
                ages.look(forgiven, limit, &figures);
                drop(ages);
                awake = Instant::now();
                thread::sleep(LOOKS_EVERY);
            }
        });
    }

    fn look(&self, forgiven: Instant, limit: Duration, figures: &Figures) {
        for task in 0..self.0.len() {
            let mut wait = self.of(task);
            let Some(wait) = wait.as_mut().filter(|wait| !wait.is_reported) else {
                continue;
            };
            let age = wait.since.max(forgiven).elapsed();
            if age > limit {
                wait.is_reported = true;
                let what = wait.what;
                figures.violate(format_args!(
                    "task {task} has been waiting for {age:?}, more than {limit:?}: {what}"
                ));
            }
        }
    }
}

/// A waiting call.
#[derive(Debug)]
pub(crate) struct Waiting<'a> {
    ages: &'a Ages,
    task: usize,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        *self.ages.of(self.task) = None;
    }
}

const LOOKS_EVERY: Duration = Duration::from_millis(100);
