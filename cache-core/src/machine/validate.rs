//! The invariants that span several modules, for tests to check after every step.

use super::engine::{Budget, Engine, PolicyView};
use super::list::Token;

impl<K: Eq, V, F, B: Budget> Engine<K, V, F, B> {
    /// Checks every invariant. O(entries), for tests.
    ///
    /// # Panics
    /// When an invariant is broken, which is a bug in this crate.
    pub fn validate(&self) {
        self.store.validate();
        self.flights.validate();
        self.deadlines.validate(self.tokens());
        self.validate_weights();
        self.validate_queues();
        self.validate_counters();
        self.validate_solos();
    }

    fn validate_solos(&self) {
        for (hash, key) in self.solos.alone() {
            let is_loading = self.flights.has(hash, key);
            assert!(!is_loading, "a key has one current load");
            let is_stored = self.store.find(hash, key).is_some();
            assert!(!is_stored, "the key of a load that is alone has no entry");
        }
    }

    fn validate_weights(&self) {
        let weights = self.tokens().map(|token| u64::from(self.weights.of(token)));
        assert_eq!(
            weights.sum::<u64>(),
            self.weight,
            "the sum of the entries' weights"
        );
        if let Some(max) = self.budget.max() {
            assert!(
                self.weight <= max,
                "a weight of {} in a cache of {max}",
                self.weight
            );
        }
    }

    fn validate_queues(&self) {
        let view = PolicyView {
            store: &self.store,
            weights: &self.weights,
        };
        if let Some(known) = self.policy.validate(view) {
            let heavy = self.tokens().filter(|&token| self.weights.of(token) > 0);
            assert_eq!(
                known,
                heavy.count(),
                "the policy knows each entry with a weight"
            );
        }
    }

    fn validate_counters(&self) {
        let counters = &self.counters;
        assert_eq!(
            counters.inserted,
            counters.removed_total() + self.store.len() as u64,
            "inserted = removed + present"
        );
        let ended = counters.loads_succeeded + counters.loads_failed + counters.loads_dropped;
        assert!(
            counters.loads_started >= ended + self.flight_count() as u64,
            "a load ends once"
        );
    }

    fn tokens(&self) -> impl Iterator<Item = Token> + '_ {
        self.store.iter_from(0).map(|(token, _)| token)
    }
}
