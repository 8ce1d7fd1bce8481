//! Removals by callers and by expiry, and the memory that they free.

use equivalent::Equivalent;

use super::{Budget, Engine, PolicyView, Version};
use crate::machine::effects::{Effects, Removed};
use crate::machine::list::Token;
use crate::machine::stats::RemovalCause;
use crate::machine::time::Instant;

impl<K, V, F, B: Budget> Engine<K, V, F, B> {
    /// Removes the entry of `key` and returns it; an expired one goes to `fx` instead. Fences the
    /// load of this key that is in flight.
    pub fn remove<Q>(
        &mut self,
        hash: u32,
        key: &Q,
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) -> Option<Removed<K, V>>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let now = self.advance_clock(now);
        let found = self.store.find(hash, key).map(|(token, _)| token);
        self.fence(hash, key, fx);
        let token = found?;
        let cause = self.removal_cause(token, RemovalCause::Explicit, now);
        let removed = self.remove_at(token, cause)?;
        if cause == RemovalCause::Expired {
            fx.push_removed(removed);
            return None;
        }
        Some(removed)
    }

    /// Removes the entry of `key` if it has expired.
    pub fn expire<Q>(&mut self, hash: u32, key: &Q, now: Instant, fx: &mut Effects<K, V, F>)
    where
        Q: Equivalent<K> + ?Sized,
    {
        let now = self.advance_clock(now);
        if let Some((token, _)) = self.store.find(hash, key) {
            self.expire_at(token, now, fx);
        }
    }

    /// Removes the entry at `token` if it has expired; returns whether it had.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(super) fn expire_at(
        &mut self,
        token: Token,
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) -> bool {
        let expired = self.deadlines.kept_until(token).has_passed(now);
        if expired {
            self.discard(token, RemovalCause::Expired, fx);
        }
        expired
    }

    /// Removes the entry at `token` if it still has `version`; returns whether it had.
    pub fn remove_if_same(
        &mut self,
        token: Token,
        version: Version,
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) -> bool {
        let now = self.advance_clock(now);
        let same = self.has_version(token, version);
        if same {
            let cause = self.removal_cause(token, RemovalCause::Explicit, now);
            self.discard(token, cause, fx);
        }
        same
    }

    /// Removes every entry and fences every load. O(entries).
    pub fn clear(&mut self, now: Instant, fx: &mut Effects<K, V, F>) {
        let now = self.advance_clock(now);
        self.fence_all(fx);
        for (token, slot) in self.store.drain() {
            let expired = self.deadlines.deadline(token).has_passed(now);
            let cause = if expired {
                RemovalCause::Expired
            } else {
                RemovalCause::Explicit
            };
            self.counters.count_removed(cause);
            fx.push_removed(Removed {
                key: slot.key,
                value: slot.value,
                cause,
                number: self.budget.number_removal(),
            });
        }
        self.policy.clear();
        self.deadlines.clear();
        self.weights.clear();
        self.budget.give_back(self.weight);
        self.weight = 0;
    }

    /// A time no later than the first at which [`Engine::purge_expired`] has something to do.
    /// `None` if nothing can expire.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let entries = self.deadlines.next_deadline();
        let results = self.flights.next_deadline();
        entries.into_iter().chain(results).min()
    }

    /// Removes expired entries and remembered results, in about `budget` steps; returns whether
    /// none is left. Does nothing if none has expired.
    pub fn purge_expired(
        &mut self,
        now: Instant,
        budget: usize,
        fx: &mut Effects<K, V, F>,
    ) -> bool {
        let now = self.advance_clock(now);
        let is_done = self.purge(now, budget, fx);
        // Not before: most entries that a compaction moves might be removed by the next call.
        if is_done {
            self.shrink_if_sparse();
        }
        is_done
    }

    /// As [`Engine::purge_expired`], without compaction: tokens stay valid.
    pub(super) fn purge(
        &mut self,
        now: Instant,
        mut budget: usize,
        fx: &mut Effects<K, V, F>,
    ) -> bool {
        // A microcontroller removes one entry after the other, to save code.
        if cfg!(not(target_os = "none")) && budget > 1 {
            self.purge_runs(now, &mut budget, fx);
        }
        while budget > 0 {
            let Some(token) = self.deadlines.pop_expired(now, &mut budget) else {
                break;
            };
            self.discard_in_place(token, RemovalCause::Expired, fx);
        }
        while budget > 0 {
            let Some(flight) = self.flights.forget_next_expired(now, &mut budget) else {
                break;
            };
            fx.push_released(flight.key, flight.flight);
        }
        budget > 0
    }

    /// Removes expired entries. The timers return many at once, and the budget gets their weight at
    /// once.
    fn purge_runs(&mut self, now: Instant, budget: &mut usize, fx: &mut Effects<K, V, F>) {
        const RUN: usize = 64;
        let mut run = [Token::from_number(0); RUN];
        loop {
            let steps = (*budget).min(RUN);
            let (mut left, mut due, mut freed) = (steps, 0, 0);
            self.deadlines.pop_all_expired(now, &mut left, |token| {
                run[due] = token;
                due += 1;
            });
            *budget -= steps - left;
            fx.reserve_removed(due);
            for &token in &run[..due] {
                self.policy.remove(token, view!(self));
                let weight = self.remove_dequeued(token, RemovalCause::Expired, fx);
                freed += weight.unwrap_or(0);
            }
            self.budget.give_back(freed);
            if left > 0 || *budget == 0 {
                return;
            }
        }
    }

    /// Purges a few entries at every write, so that expired ones do not pile up in a cache without
    /// a janitor.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(super) fn purge_on_write(&mut self, now: Instant, fx: &mut Effects<K, V, F>) {
        const STEPS: usize = 4;
        if !self.has_no_expiry() && self.next_deadline().is_some_and(|at| at.has_passed(now)) {
            self.purge_expired(now, STEPS, fx);
        }
    }

    /// Removes the entry at `token` and passes it to the effects. May compact: tokens are invalid
    /// afterwards.
    pub(super) fn discard(&mut self, token: Token, cause: RemovalCause, fx: &mut Effects<K, V, F>) {
        self.discard_in_place(token, cause, fx);
        self.shrink_if_sparse();
    }

    /// As [`Engine::discard`], without compaction: tokens stay valid.
    pub(super) fn discard_in_place(
        &mut self,
        token: Token,
        cause: RemovalCause,
        fx: &mut Effects<K, V, F>,
    ) {
        self.policy.remove(token, view!(self));
        if let Some(weight) = self.remove_dequeued(token, cause, fx) {
            self.budget.give_back(weight);
        }
    }

    /// `Expired` if the deadline of the entry has passed, whatever else removes it; else `cause`.
    pub(super) fn removal_cause(
        &self,
        token: Token,
        cause: RemovalCause,
        now: Instant,
    ) -> RemovalCause {
        if self.deadlines.deadline(token).has_passed(now) {
            RemovalCause::Expired
        } else {
            cause
        }
    }

    fn remove_at(&mut self, token: Token, cause: RemovalCause) -> Option<Removed<K, V>> {
        self.policy.remove(token, view!(self));
        self.budget.give_back(u64::from(self.weights.of(token)));
        let removed = self.take_from_store(token, cause);
        self.shrink_if_sparse();
        removed
    }

    /// Frees memory once the shard holds far fewer entries than it did. Tokens are invalid
    /// afterwards.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(super) fn shrink_if_sparse(&mut self) {
        if self.budget.allows_compaction() && self.store.is_sparse() {
            self.compact();
        }
    }

    /// Whether most slots are vacant, so that [`Engine::compact`] frees memory.
    #[must_use]
    pub fn is_sparse(&self) -> bool {
        self.store.is_sparse()
    }

    /// Moves entries together and frees all memory that is not needed. Tokens that were found
    /// before are invalid afterwards. O(entries).
    pub fn compact(&mut self) {
        let Self {
            store,
            policy,
            weights,
            deadlines,
            ..
        } = self;
        store.compact(|from, to| {
            policy.move_token(from, to);
            weights.move_token(from, to);
            deadlines.move_token(from, to);
        });
        let len = store.slot_count();
        policy.truncate(len);
        weights.truncate(len);
        deadlines.truncate(len);
        self.flights.shrink();
    }

    /// Removes an entry from everything but the policy and the budget.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(super) fn take_from_store(
        &mut self,
        token: Token,
        cause: RemovalCause,
    ) -> Option<Removed<K, V>> {
        let slot = self.store.remove(token)?;
        self.deadlines.cancel(token);
        self.weight -= u64::from(self.weights.of(token));
        self.counters.count_removed(cause);
        Some(Removed {
            key: slot.key,
            value: slot.value,
            cause,
            number: self.budget.number_removal(),
        })
    }
}
