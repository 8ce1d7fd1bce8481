//! The two steps of a write: `reserve` takes the weight, `commit` stores the entry.

use super::{Budget, Engine, EntryLimits, Meta, OldDeadlines, PolicyView};
use crate::machine::effects::{Effects, Removed};
use crate::machine::list::Token;
use crate::machine::stats::RemovalCause;
use crate::machine::time::Instant;

impl<K, V, F, B: Budget> Engine<K, V, F, B> {
    /// Decides whether an entry can be stored, and takes its weight from the budget, evicting other
    /// entries if necessary. Must be followed by [`Engine::commit`], and no user code may run
    /// between the two: a panic there would lose the weight.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(super) fn reserve(
        &mut self,
        old: Option<Token>,
        EntryLimits {
            ttl,
            weight,
            capped,
            times,
        }: EntryLimits,
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) -> Result<Reservation, u64> {
        // An expired entry is removed, not replaced: the new one enters the policy as new.
        let old = old.filter(|&old| !self.expire_at(old, now, fx));
        let own_deadline = self.deadlines.ttl_deadline(ttl, now);
        let ttl_deadline = self.deadlines.prepare_cap(own_deadline, capped, now);
        let too_heavy = self.budget.max().is_some_and(|max| u64::from(weight) > max);
        let refused = if too_heavy {
            Some(RemovalCause::Oversized)
        } else if self
            .deadlines
            .first_deadline(ttl_deadline, now)
            .has_passed(now)
        {
            Some(RemovalCause::Expired)
        } else {
            self.reserve_weight(old, weight, now, fx)?;
            // Not before: a write that is not stored has no times.
            self.deadlines.prepare_times(times);
            None
        };
        Ok(Reservation {
            old,
            weight,
            ttl_deadline,
            refused,
        })
    }

    /// Stores the entry for which [`Engine::reserve`] has taken the weight.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(super) fn commit(
        &mut self,
        hash: u32,
        reservation: Reservation,
        entry: (K, V),
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) {
        self.counters.inserted += 1;
        if let Some(cause) = reservation.refused {
            return self.refuse(reservation.old, entry, cause, now, fx);
        }
        let token = match reservation.old {
            Some(token) => self.replace(token, entry, now, fx),
            None => self.add(hash, entry, reservation.weight),
        };
        self.deadlines.store_cap(token);
        self.set_ttl_deadline(token, reservation.ttl_deadline, now, fx);
    }

    /// The deadlines of the entry at `token`, if there is an entry and it has not expired.
    pub(super) fn old_deadlines(&self, token: Option<Token>, now: Instant) -> Option<OldDeadlines> {
        let deadline = self.live_deadline(token, now)?;
        let own = self.deadlines.own_deadline(token?, deadline);
        Some(OldDeadlines { deadline, own })
    }

    /// The deadline of the entry at `token`, if there is an entry and it has not expired.
    pub(super) fn live_deadline(&self, token: Option<Token>, now: Instant) -> Option<Instant> {
        let deadline = self.deadlines.deadline(token?);
        (!deadline.has_passed(now)).then_some(deadline)
    }

    /// Passes an entry that cannot be stored to the effects, after the value that it would replace.
    fn refuse(
        &mut self,
        old: Option<Token>,
        (key, value): (K, V),
        cause: RemovalCause,
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) {
        if let Some(old) = old {
            let cause = self.cause_of_write(old, now);
            self.discard(old, cause, fx);
        }
        self.counters.count_removed(cause);
        fx.push_removed(Removed {
            key,
            value,
            cause,
            number: self.budget.number_removal(),
        });
    }

    #[cfg_attr(not(target_os = "none"), inline)]
    fn add(&mut self, hash: u32, (key, value): (K, V), weight: u32) -> Token {
        let meta = Meta::new(self.next_version());
        let token = self.store.insert(hash, key, value, meta);
        self.weights.set(token, weight);
        self.weight += u64::from(weight);
        self.policy.insert(token, view!(self));
        token
    }

    /// Replaces key and value of the entry at `token`; the old ones go to the effects.
    fn replace(
        &mut self,
        token: Token,
        (key, value): (K, V),
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) -> Token {
        let cause = self.cause_of_write(token, now);
        let is_use = !self.deadlines.writes_in_background();
        let version = self.next_version();
        if let Some(slot) = self.store.get_mut(token) {
            slot.meta.set_version(version);
            if is_use {
                slot.meta.hits.record();
            }
            self.counters.count_removed(cause);
            fx.push_removed(Removed {
                key: core::mem::replace(&mut slot.key, key),
                value: core::mem::replace(&mut slot.value, value),
                cause,
                number: self.budget.number_removal(),
            });
        }
        if is_use {
            self.policy.hit(token, self.weights.of(token));
        }
        token
    }

    /// Why the value at `token` leaves when another one is written. Only an entry that is kept
    /// after its ttl can have expired: `reserve` removes the others.
    #[cfg_attr(not(target_os = "none"), inline)]
    fn cause_of_write(&self, token: Token, now: Instant) -> RemovalCause {
        match self.deadlines.freshness() {
            Some(_) => self.removal_cause(token, RemovalCause::Replaced, now),
            None => RemovalCause::Replaced,
        }
    }

    #[cfg_attr(not(target_os = "none"), inline)]
    pub(super) fn set_ttl_deadline(
        &mut self,
        token: Token,
        ttl_deadline: Instant,
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) {
        let deadline = self.deadlines.set(token, ttl_deadline, now);
        if deadline != Instant::FAR {
            self.budget.record_deadline(deadline);
            fx.push_deadline(deadline);
        }
    }
}

/// An entry that may be stored, and whose weight has been taken from the budget.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reservation {
    old: Option<Token>,
    weight: u32,
    ttl_deadline: Instant,
    /// Why the entry is not stored. `None`: it is.
    refused: Option<RemovalCause>,
}
