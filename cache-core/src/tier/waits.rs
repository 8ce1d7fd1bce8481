//! Loads that wait for the load of another process.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use crate::runtime::Runtime;
use crate::sync::Mutex;

/// The waiting loads. A load that is notified leaves the list.
pub(super) struct Waits<R: Runtime>(R::Mutex<WaitList>);

/// By the hash of the key and a number. A waker is missing before the first poll.
#[derive(Default)]
struct WaitList {
    next_number: u64,
    waiting: BTreeMap<WaitId, Option<Waker>>,
}

type WaitId = (u32, u64);

/// A load that waits. Ready once the key was filled since [`Waits::register`].
pub(super) struct Wait<'a, R: Runtime> {
    waits: &'a Waits<R>,
    id: WaitId,
}

impl<R: Runtime> Waits<R> {
    pub(super) fn new() -> Self {
        Self(R::Mutex::new(WaitList::default()))
    }

    /// Begins to wait for the key with this hash. Must come before the fetch that finds the key
    /// busy, or the message that it is filled could arrive between the two and be lost.
    pub(super) fn register(&self, hash: u32) -> Wait<'_, R> {
        let id = self.0.with(|list| {
            list.next_number += 1;
            let id = (hash, list.next_number);
            list.waiting.insert(id, None);
            id
        });
        Wait { waits: self, id }
    }

    /// Notifies the loads that wait for a key with this hash.
    pub(super) fn notify(&self, hash: u32) {
        let wakers: Vec<_> = self.0.with(|list| {
            let of_key = list.waiting.range((hash, 0)..=(hash, u64::MAX));
            let ids: Vec<_> = of_key.map(|(id, _)| *id).collect();
            let removed = ids.iter().map(|id| list.waiting.remove(id));
            removed.flatten().flatten().collect()
        });
        // Must come after the list is unlocked: a waker is foreign code.
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl<R: Runtime> Future for Wait<'_, R> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // Cloned and dropped outside of the lock.
        let waker = cx.waker().clone();
        let replaced = self.waits.0.with(|list| {
            let slot = list.waiting.get_mut(&self.id)?;
            Some(slot.replace(waker))
        });
        match replaced {
            Some(_) => Poll::Pending,
            None => Poll::Ready(()),
        }
    }
}

impl<R: Runtime> Drop for Wait<'_, R> {
    fn drop(&mut self) {
        let removed = self.waits.0.with(|list| list.waiting.remove(&self.id));
        drop(removed);
    }
}
