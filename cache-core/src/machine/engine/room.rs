//! The room that entries take: what a shard holds of it, and what it gives up.

use super::{Budget, Engine, Slab};
use crate::machine::effects::Effects;
use crate::machine::list::Token;
use crate::machine::stats::RemovalCause;

impl<K, V, F, B: Budget> Engine<K, V, F, B> {
    /// Evicts entries until they have weighed at least `wanted` together, and hands that weight to
    /// the caller, who has a heavy entry to place in another shard. Returns how much it was: less
    /// than `wanted` only if the shard is empty now.
    pub fn evict_for(&mut self, wanted: u64, fx: &mut Effects<K, V, F>) -> u64 {
        let mut freed = 0;
        while freed < wanted {
            let Some(weight) = self.evict_one(fx) else {
                break;
            };
            freed += weight;
        }
        freed
    }

    /// Makes the room that is taken up by an entry of `weight`, which will replace `old`.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(super) fn make_room(
        &mut self,
        old: Option<Token>,
        weight: u32,
        fx: &mut Effects<K, V, F>,
    ) -> Result<(), u64> {
        let Some(old) = old else {
            return self.take_room(u64::from(weight), fx);
        };
        let held = self.weights.of(old);
        if weight == held {
            return Ok(());
        }
        // Out of the queues meanwhile, or it might be evicted to make room for itself.
        self.queues.remove(old, slab!(self));
        let taken = self.take_room(u64::from(weight.saturating_sub(held)), fx);
        if taken.is_ok() {
            self.budget
                .give_back(u64::from(held.saturating_sub(weight)));
            self.weights.set(old, weight);
            self.weight = self.weight - u64::from(held) + u64::from(weight);
        }
        self.queues.insert(old, slab!(self));
        taken
    }

    /// Takes `wanted` from the free room, evicting as long as there is not enough.
    #[cfg_attr(not(target_os = "none"), inline)]
    fn take_room(&mut self, wanted: u64, fx: &mut Effects<K, V, F>) -> Result<(), u64> {
        let mut freed = 0_u64;
        while freed < wanted && !self.budget.try_take(wanted - freed) {
            let Some(weight) = self.evict_one(fx) else {
                self.budget.give_back(freed);
                return Err(wanted);
            };
            freed += weight;
        }
        self.budget.give_back(freed.saturating_sub(wanted));
        Ok(())
    }

    /// Evicts one entry and returns the room that it had, which is the caller's now.
    #[cfg_attr(not(target_os = "none"), inline)]
    fn evict_one(&mut self, fx: &mut Effects<K, V, F>) -> Option<u64> {
        let token = self.queues.evict(slab!(self))?;
        let weight = self.weights.of(token);
        let cause = self.cause_of_leaving(token, RemovalCause::Size, self.now);
        let removed = self.take_from_store(token, cause)?;
        fx.removed(removed);
        Some(u64::from(weight))
    }
}
