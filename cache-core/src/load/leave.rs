//! The drop of a caller's handle: the caller leaves its flight, and hands over what it drives.
//!
//! Callers join, poll and leave at the same time. Each step must remove this caller before it reads
//! the state of the others: in the other order, two callers that leave together each see the other,
//! and neither drops the load.

use super::handle::{FlightHandle, Stage};
use crate::flight::{BatchFlight, Driver};
use crate::runtime::Runtime;

impl<K, V, R: Runtime, S> Drop for FlightHandle<'_, K, V, R, S> {
    fn drop(&mut self) {
        self.deregister();
        let is_complete = self.stage == Stage::Complete;
        // A batch counts the flights that have callers until it ends, complete flights included.
        if is_complete && self.flight.batch().is_none() {
            return;
        }
        let is_last = self.flight.remove_dependent();
        // Must come after `remove_dependent`: before it, the leader may assign the flight to a
        // batch and leave, and this caller then has to uncount the flight in a batch that it did
        // not see.
        let batch = self.flight.batch();
        if let Some(batch) = batch {
            self.leave_batch(batch, is_last);
        }
        if is_complete || self.flight.load.is_complete() {
            return;
        }
        if self.stage == Stage::Leading {
            // The loader was in this caller: no other party can continue the load.
            self.ctx().cancel();
            return;
        }
        // Also for the last caller: another one may join meanwhile.
        if batch.is_none() && (self.task_may_stall() || self.timer_may_stall()) {
            self.flight.load.let_waiters_drive();
        }
        // Must come after `let_waiters_drive`: if the last caller left a detached load to its task
        // before that call, the driver is no longer the task, and this caller restores it.
        if self.flight.is_unused() {
            self.release_last();
        }
    }
}

impl<K, V, R: Runtime, S> FlightHandle<'_, K, V, R, S> {
    /// Removes this caller from the wait lists.
    fn deregister(&mut self) {
        // The wait list of a complete flight is empty.
        if let Some(waiter_id) = self.waiter_id.take()
            && self.stage != Stage::Complete
        {
            self.flight.load.deregister(waiter_id);
        }
        self.stop_watching();
        if let Some(batch) = self.batch_waiter.take() {
            batch.deregister();
        }
    }

    /// Leaves the batch of the flight. `is_last` says that this was the last caller of the flight.
    fn leave_batch(&self, batch: &BatchFlight<R>, is_last: bool) {
        if is_last {
            batch.remove_dependent();
        }
        // Also for the last caller: another one may join meanwhile.
        if self.task_may_stall() || self.has_polled {
            batch.let_waiters_drive();
        }
        // Must come after `let_waiters_drive`: if the last caller left a detached batch to its task
        // before that call, the driver is no longer the task, and this caller restores it.
        batch.cancel_if_unused(self.inner.options.detach_loads.is_set());
    }

    /// Cancels a load without callers, or leaves it to a background task if loads are detached.
    fn release_last(&self) {
        let (load, detach) = (&self.flight.load, self.inner.options.detach_loads.is_set());
        if detach {
            self.spawn_driver();
        }
        if !(detach && load.leave_to_task()) {
            self.ctx().cancel_if_unused();
        }
    }

    /// Whether the background task is on this caller's executor: after this caller leaves, that
    /// executor may no longer run, and the load needs another driver.
    const fn task_may_stall(&self) -> bool {
        self.has_spawned && !R::TASKS_OUTLIVE_CALLER
    }

    /// Whether a loader that the waiters drive may wait for a timer on this caller's executor: this
    /// caller has polled it, perhaps as the last one.
    fn timer_may_stall(&self) -> bool {
        self.has_polled && self.flight.load.driver() == Driver::Waiters
    }
}
