//! Two observers as one.

use alloc::boxed::Box;

use super::{BatchBegun, BatchDispatched, BatchEnded, LoadBegun, LoadEnded, Observation, Observer};

/// Calls both. A panic of the first keeps the second from being called.
impl<A: Observer, B: Observer> Observer for (A, B) {
    fn load_begun(&self, load: &LoadBegun<'_>) -> Option<Box<dyn Observation>> {
        pair(self.0.load_begun(load), self.1.load_begun(load))
    }

    fn load_ended(&self, load: &LoadEnded<'_>) {
        self.0.load_ended(load);
        self.1.load_ended(load);
    }

    fn batch_begun(&self, batch: &BatchBegun<'_>) -> Option<Box<dyn Observation>> {
        pair(self.0.batch_begun(batch), self.1.batch_begun(batch))
    }

    fn batch_ended(&self, batch: &BatchEnded<'_>) {
        self.0.batch_ended(batch);
        self.1.batch_ended(batch);
    }
}

struct Both([Box<dyn Observation>; 2]);

fn pair(
    first: Option<Box<dyn Observation>>,
    second: Option<Box<dyn Observation>>,
) -> Option<Box<dyn Observation>> {
    match (first, second) {
        (Some(first), Some(second)) => Some(Box::new(Both([first, second]))),
        (first, second) => first.or(second),
    }
}

impl Observation for Both {
    fn joined(&self) {
        self.0.iter().for_each(|each| each.joined());
    }

    fn enter(&self) {
        self.0.iter().for_each(|each| each.enter());
    }

    /// In the opposite order of [`Both::enter`], as spans must.
    fn exit(&self) {
        self.0.iter().rev().for_each(|each| each.exit());
    }

    fn dispatched(&self, batch: &BatchDispatched) {
        self.0.iter().for_each(|each| each.dispatched(batch));
    }

    fn load_ended(&self, load: &LoadEnded<'_>) {
        self.0.iter().for_each(|each| each.load_ended(load));
    }

    fn batch_ended(&self, batch: &BatchEnded<'_>) {
        self.0.iter().for_each(|each| each.batch_ended(batch));
    }
}
