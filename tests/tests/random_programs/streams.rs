//! Streams of the events of the cache.

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;

use cache_core::testing::VirtualRuntime;
use cache_core::{Cache, Event, Events, RemovalCause};
use futures_util::{FutureExt, StreamExt};

/// A stream that a task reads as events happen, and one that is read at the end and holds too few.
#[derive(Clone)]
pub(crate) struct Streams {
    read: Rc<RefCell<Vec<Event<u32>>>>,
    late: Rc<RefCell<Events<u32, VirtualRuntime>>>,
}

/// How many events the late stream holds.
const FEW: usize = 2;

impl Streams {
    pub(crate) fn new(runtime: &VirtualRuntime, cache: &Cache<u32, u64, VirtualRuntime>) -> Self {
        let (read, mut events) = (Rc::default(), cache.events());
        let reads: Rc<RefCell<Vec<_>>> = Rc::clone(&read);
        let reader = runtime.spawn(async move {
            while let Some(event) = events.next().await {
                reads.borrow_mut().push(event);
            }
        });
        drop(reader);
        Self {
            read,
            late: Rc::new(RefCell::new(cache.events().with_capacity(FEW))),
        }
    }

    /// Checks that the streams report what the listener was notified of.
    pub(crate) fn check(&self, notices: impl Iterator<Item = (u32, RemovalCause)>) {
        let removed = |(key, cause)| Event::Removed { key, cause };
        let notices = sorted(notices.map(removed).collect());
        let read = self.read.borrow().clone();
        assert_eq!(sorted(read.clone()), notices, "the listener and the stream");
        let mut late = self.late.borrow_mut();
        let mut next = || pin!(late.next()).now_or_never().flatten();
        if let Some(missed) = read.len().checked_sub(FEW).filter(|missed| *missed > 0) {
            assert_eq!(next(), Some(Event::Lagged(missed as u64)));
        }
        let last = &read[read.len().saturating_sub(FEW)..];
        for event in last {
            assert_eq!(next(), Some(*event), "the late stream has the last events");
        }
        assert_eq!(next(), None);
    }
}

fn sorted(mut events: Vec<Event<u32>>) -> Vec<Event<u32>> {
    events.sort_by_key(|event| format!("{event:?}"));
    events
}
