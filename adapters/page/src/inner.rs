//! What all handles of a page and all of its readers share.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use cache_metrics::Registry;
use event_listener::{Event, EventListener};

use crate::history::History;
use crate::json;

/// The state of a page.
#[derive(Debug)]
pub(crate) struct Inner {
    registry: Registry,
    /// Differs between two runs of a program, so that a browser notices a restart.
    run: String,
    started: Instant,
    history: Mutex<History>,
    /// Notified after each sample and when the page is closed.
    changed: Event,
    closed: AtomicBool,
    readers: AtomicUsize,
    max_readers: usize,
}

impl Inner {
    pub(crate) fn new(registry: Registry, max_readers: usize) -> Self {
        Self {
            registry,
            run: format!("{:016x}", RandomState::new().build_hasher().finish()),
            started: Instant::now(),
            history: Mutex::default(),
            changed: Event::new(),
            closed: AtomicBool::new(false),
            readers: AtomicUsize::new(0),
            max_readers,
        }
    }

    /// Reads all caches and wakes all readers.
    pub(crate) fn sample(&self) {
        // Serialized without the lock: readers wait for neither the caches nor the formatting. Only
        // the ticker, or the owner of a manual page, takes samples.
        let number = self.history().next_number();
        let sample = json::event(&self.run, number, self.started, &self.registry);
        let mut history = self.history();
        // Two concurrent calls would give two samples one number.
        if history.next_number() == number {
            history.push(sample);
        }
        drop(history);
        self.changed.notify(usize::MAX);
    }

    /// The caches as of now.
    pub(crate) fn stats(&self) -> Bytes {
        json::stats(&self.run, self.started, &self.registry)
    }

    /// The first event of a stream.
    pub(crate) fn hello(&self) -> Bytes {
        json::hello(&self.run)
    }

    /// The number of the sample that a reader received last, from the id of its last event; zero
    /// for the id of another run.
    pub(crate) fn number_of(&self, id: &str) -> u64 {
        let number = id
            .strip_prefix(&*self.run)
            .and_then(|id| id.strip_prefix('-'));
        let number = number.and_then(|number| number.parse().ok()).unwrap_or(0);
        // A number from the future would keep the reader waiting for as long.
        if number <= self.history().newest() {
            number
        } else {
            0
        }
    }

    pub(crate) fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn listen(&self) -> EventListener {
        self.changed.listen()
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.changed.notify(usize::MAX);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Counts one more reader, unless there are as many as allowed.
    pub(crate) fn add_reader(&self) -> bool {
        let below = |readers| (readers < self.max_readers).then_some(readers + 1);
        self.readers
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, below)
            .is_ok()
    }

    pub(crate) fn remove_reader(&self) {
        self.readers.fetch_sub(1, Ordering::SeqCst);
    }

    pub(crate) fn readers(&self) -> usize {
        self.readers.load(Ordering::SeqCst)
    }
}
