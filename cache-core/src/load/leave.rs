//! What a caller leaves behind when it drops its handle to a flight.
//!
//! Callers join, poll and leave at the same time. Each step gives up what this caller holds before
//! it looks at what the other callers hold.

use super::handle::{FlightHandle, Stage};
use crate::flight::{BatchFlight, Driver};
use crate::runtime::Runtime;

impl<K, V, R: Runtime, S> Drop for FlightHandle<'_, K, V, R, S> {
    fn drop(&mut self) {
        self.deregister();
        let is_complete = self.stage == Stage::Complete;
        // A batch counts those of its flights that have callers, to its own end.
        if is_complete && self.flight.batch().is_none() {
            return;
        }
        let is_last = self.flight.remove_dependent();
        // Must come after `remove_dependent`: while this caller was counted, the leader may have
        // assigned the flight to a batch, and left.
        let batch = self.flight.batch();
        if let Some(batch) = batch {
            self.leave_batch(batch, is_last);
        }
        if is_complete || self.flight.load.is_complete() {
            return;
        }
        if self.stage == Stage::Leading {
            // No other party has the loader.
            return self.ctx().cancel();
        }
        if !is_last && batch.is_none() && (self.task_may_stall() || self.timer_may_stall()) {
            self.flight.load.let_waiters_drive();
        }
        // Must come last: a caller that left meanwhile as the last one relies on the background
        // task, which `let_waiters_drive` has replaced as the driver.
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
        if let Some(batch) = self.batch_waiter.take() {
            batch.deregister();
        }
    }

    /// Leaves the batch of the flight. `is_last` says that the flight has no callers left.
    fn leave_batch(&self, batch: &BatchFlight<R>, is_last: bool) {
        let is_last_of_batch = is_last && batch.remove_dependent();
        if !is_last_of_batch && (self.task_may_stall() || self.has_polled) {
            batch.let_waiters_drive();
        }
        // Must come last: a caller that left meanwhile as the last one relies on the background
        // task, which `let_waiters_drive` has replaced as the driver.
        batch.cancel_if_unused(self.inner.options.detach_loads.is_set());
    }

    /// Drops the load, or leaves it to a background task if loads are detached.
    fn release_last(&self) {
        let (load, detach) = (&self.flight.load, self.inner.options.detach_loads.is_set());
        if detach {
            self.spawn_driver();
        }
        if !(detach && load.leave_to_task()) {
            self.ctx().cancel_if_unused();
        }
    }

    /// Whether the background task is on this caller's executor, and the load needs another driver
    /// once this caller leaves.
    const fn task_may_stall(&self) -> bool {
        self.has_spawned && !R::TASKS_OUTLIVE_CALLER
    }

    /// Whether this caller may have been the last to poll a loader that its waiters drive, and the
    /// loader waits for a timer on this caller's executor.
    fn timer_may_stall(&self) -> bool {
        self.has_polled && self.flight.load.driver() == Driver::Waiters
    }
}
