//! How long calls have been waiting, and who watches it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use crate::figures::Figures;

/// Since when the call of each task has been waiting.
#[derive(Debug)]
pub(crate) struct Ages {
    origin: Instant,
    /// In nanoseconds since the origin; 0 if it does not wait.
    since: Box<[AtomicU64]>,
    told: Box<[AtomicBool]>,
}

impl Ages {
    pub(crate) fn new(tasks: usize) -> Self {
        Self {
            origin: Instant::now(),
            since: (0..tasks).map(|_| AtomicU64::new(0)).collect(),
            told: (0..tasks).map(|_| AtomicBool::new(false)).collect(),
        }
    }

    /// The call of `task` waits, until what this returns is dropped.
    pub(crate) fn wait(&self, task: usize) -> Waiting<'_> {
        self.since[task].store(self.now(), Ordering::Relaxed);
        self.told[task].store(false, Ordering::Relaxed);
        Waiting { ages: self, task }
    }

    fn now(&self) -> u64 {
        nanos(self.origin.elapsed()).max(1)
    }

    /// Watches, on a thread of its own, as long as anybody else holds `ages`, that nobody waits for longer than `limit`.
    pub(crate) fn watch(ages: &Arc<Self>, limit: Duration, figures: Arc<Figures>) {
        let ages = Arc::downgrade(ages);
        thread::spawn(move || {
            let mut awake = Instant::now();
            let mut forgiven = 0;
            while let Some(ages) = Weak::upgrade(&ages) {
                // If this thread was kept from running, so were the others: time begins anew.
                if awake.elapsed() > LOOKS_EVERY * 3 {
                    forgiven = ages.now();
                }
                ages.look(forgiven, limit, &figures);
                drop(ages);
                awake = Instant::now();
                thread::sleep(LOOKS_EVERY);
            }
        });
    }

    fn look(&self, forgiven: u64, limit: Duration, figures: &Figures) {
        let now = self.now();
        for (task, since) in self.since.iter().enumerate() {
            let since = since.load(Ordering::Relaxed);
            let age = now.saturating_sub(since.max(forgiven));
            let is_late = since != 0 && age > nanos(limit);
            if is_late && !self.told[task].swap(true, Ordering::Relaxed) {
                let age = Duration::from_nanos(age);
                figures.violate(format_args!(
                    "task {task} has been waiting for {age:?}; twice the bound of its loader is {limit:?}"
                ));
            }
        }
    }
}

/// A call that waits.
#[derive(Debug)]
pub(crate) struct Waiting<'a> {
    ages: &'a Ages,
    task: usize,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.ages.since[self.task].store(0, Ordering::Relaxed);
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

const LOOKS_EVERY: Duration = Duration::from_millis(100);
