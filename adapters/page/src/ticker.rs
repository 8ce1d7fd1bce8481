//! The thread that takes a sample each second, for all readers of a page.

use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use crate::inner::Inner;

/// The time between two samples.
const INTERVAL: Duration = Duration::from_secs(1);

/// Starts the thread. It ends within a second after the page is dropped or closed.
pub(crate) fn start(inner: &Arc<Inner>) {
    let inner = Arc::downgrade(inner);
    // A thread and not a task: the page depends on no runtime, and a runtime whose threads are all
    // busy still has current figures.
    thread::Builder::new()
        .name("cache-page".to_owned())
        .spawn(move || run(&inner))
        .expect("the system can start a thread");
}

fn run(inner: &Weak<Inner>) {
    let mut due = Instant::now();
    while let Some(inner) = inner.upgrade().filter(|inner| !inner.is_closed()) {
        inner.sample();
        drop(inner);
        // After a long pause, as of a machine that slept, the missed samples are left out.
        due = (due + INTERVAL).max(Instant::now());
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}
