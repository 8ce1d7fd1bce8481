//! How entries leave by removal and by expiry.

use equivalent::Equivalent;

use super::{Budget, Engine, PolicyView, Version};
use crate::machine::effects::{Effects, Removed};
use crate::machine::list::Token;
use crate::machine::stats::RemovalCause;
use crate::machine::time::Instant;

impl<K, V, F, B: Budget> Engine<K, V, F, B> {
    /// Takes the entry of `key` out and returns it, unless it has expired: then it leaves as such.
    /// A load of this key that is under way is fenced.
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

    /// Removes the entry at `token` if it has expired, and says whether it had.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(super) fn expire_at(
        &mut self,
        token: Token,
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) -> bool {
        let expired = self.deadlines.deadline_inline(token).has_passed(now);
        if expired {
            self.discard(token, RemovalCause::Expired, fx);
        }
        expired
    }

    /// Removes the entry at `token` if it is still the one that was seen with `version`, and says
    /// whether it was.
    pub fn remove_if_same(
        &mut self,
        token: Token,
        version: Version,
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) -> bool {
        let now = self.advance_clock(now);
        let same = self
            .store
            .get(token)
            .is_some_and(|slot| slot.meta.version() == version);
        if same {
            let cause = self.removal_cause(token, RemovalCause::Explicit, now);
            self.discard(token, cause, fx);
        }
        same
    }

    /// Removes every entry and fences every load. O(entries).
    pub fn clear(&mut self, now: Instant, fx: &mut Effects<K, V, F>) {
        let now = self.advance_clock(now);
        self.epoch += 1;
        for flight in self.flights.clear() {
            fx.push_released(flight.key, flight.flight);
        }
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
            });
        }
        self.policy.clear();
        self.deadlines.clear();
        self.weights.clear();
        self.budget.give_back(self.weight);
        self.weight = 0;
    }

    /// The earliest time at which [`Engine::purge_expired`] may have something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let entries = self.deadlines.next_deadline();
        let answers = self.flights.next_deadline();
        entries.into_iter().chain(answers).min()
    }

    /// Purges what has expired, at most about `budget` entries of it, and says whether it is done.
    /// A call for nothing is a no-op.
    pub fn purge_expired(
        &mut self,
        now: Instant,
        budget: usize,
        fx: &mut Effects<K, V, F>,
    ) -> bool {
        let now = self.advance_clock(now);
        let is_done = self.purge(now, budget, fx);
        self.shrink_if_sparse();
        is_done
    }

    /// As [`Engine::purge_expired`]. No entry moves: tokens that were found before keep their meaning.
    pub(super) fn purge(
        &mut self,
        now: Instant,
        mut budget: usize,
        fx: &mut Effects<K, V, F>,
    ) -> bool {
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

    /// Purges a little at every write, so that a cache that nobody maintains does not grow.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(super) fn purge_on_write(&mut self, now: Instant, fx: &mut Effects<K, V, F>) {
        const AT_A_WRITE: usize = 4;
        if !self.has_no_expiry() && self.next_deadline().is_some_and(|due| due.has_passed(now)) {
            self.purge_expired(now, AT_A_WRITE, fx);
        }
    }

    /// Removes the entry at `token` and puts it into the effects.
    pub(super) fn discard(&mut self, token: Token, cause: RemovalCause, fx: &mut Effects<K, V, F>) {
        self.discard_in_place(token, cause, fx);
        self.shrink_if_sparse();
    }

    /// As [`Engine::discard`]. No entry moves.
    fn discard_in_place(&mut self, token: Token, cause: RemovalCause, fx: &mut Effects<K, V, F>) {
        self.policy.remove(token, view!(self));
        if let Some(weight) = self.remove_dequeued(token, cause, fx) {
            self.budget.give_back(weight);
        }
    }

    /// An entry whose time is over has expired, whatever else makes it leave.
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

    /// Gives memory back once the shard has become much emptier than it was. No token that was
    /// found before may be used after.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(super) fn shrink_if_sparse(&mut self) {
        if self.budget.allows_compaction() && self.store.is_sparse() {
            self.compact();
        }
    }

    /// Whether most of the memory is for entries that are gone.
    #[must_use]
    pub fn is_sparse(&self) -> bool {
        self.store.is_sparse()
    }

    /// Moves entries together and gives back all memory that is not needed. Entries get new tokens:
    /// those that were found before are of no use any more. O(entries).
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

    /// Takes an entry out of every room but the queues and the budget.
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
        })
    }
}
