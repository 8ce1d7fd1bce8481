//! How the policy adapts: the size of the small queue, and the admission to the main queue.

use super::{QueueName, S3Fifo};
use crate::machine::list::Token;
use crate::machine::policy::EntryInfo;

impl S3Fifo {
    /// Sets the weight that the small queue should have, clamped to between 1 % and 75 % of the
    /// whole. It is large if only recency predicts hits, but the main queue keeps enough entries to
    /// evict and thus to learn from. The whole is the weight of this shard's entries, and not the
    /// capacity: a shard may hold any part of that. Must be called when either changes.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(super) fn set_small_goal(&mut self, goal: u64) {
        let (least, most) = (
            self.peak_weight / 100,
            self.peak_weight - self.peak_weight / 4,
        );
        self.small_goal = goal;
        self.small_target = goal.clamp(least, most).max(1);
    }

    /// The queue of a new entry. Adapts the target of the small queue if the key is in a ghost.
    #[cfg_attr(not(target_os = "none"), inline(always))]
    pub(super) fn queue_for(&mut self, token: Token, entries: &impl EntryInfo) -> QueueName {
        let hash = entries.hash(token);
        // Most keys are in no ghost. Not on a microcontroller, to save the code.
        let is_new = cfg!(not(target_os = "none"))
            && !self.small_ghost.has(hash)
            && !self.main_ghost.has(hash);
        if is_new {
            QueueName::Small
        } else {
            self.queue_for_known(token, hash, entries)
        }
    }

    #[cfg_attr(target_os = "none", inline)]
    #[cfg_attr(not(target_os = "none"), inline(never))]
    fn queue_for_known(&mut self, token: Token, hash: u32, entries: &impl EntryInfo) -> QueueName {
        if let Some(age) = self.small_ghost.take(hash) {
            // A slightly longer queue would have kept only the latest key of each bucket. These
            // are an eighth of the small ghost, and as many keys as the main ghost holds.
            if age == 0 {
                self.set_small_goal(self.small_target.saturating_add(self.mean_weight()));
            }
            if self.admits_returning(entries) {
                return QueueName::Returned;
            }
        } else if self.main_ghost.take(hash).is_some() {
            self.set_small_goal(self.small_target.saturating_sub(self.mean_weight()));
        } else {
            return QueueName::Small;
        }
        entries.hits(token).set(RETURN_CREDIT);
        QueueName::Small
    }

    /// Whether a returning entry may displace one of the main queue.
    fn admits_returning(&mut self, entries: &impl EntryInfo) -> bool {
        if self.returned_hits >= ONE_HIT {
            return true;
        }
        for _ in 0..ADMISSION_PROBES {
            let Some(candidate) = self.main.list.front() else {
                return true;
            };
            if !self.second_chance(candidate, entries) {
                return true;
            }
        }
        false
    }

    #[cfg_attr(target_os = "none", inline(never))]
    fn mean_weight(&self) -> u64 {
        (self.total() / self.len.max(1) as u64).max(1)
    }

    /// Averages in the hits of a `Returned` entry that has reached the head of the main queue.
    #[inline]
    pub(super) fn average_in(&mut self, hits: u8) {
        self.returned_hits = self.returned_hits - self.returned_hits / AVERAGE_OVER
            + u32::from(hits) * (ONE_HIT / AVERAGE_OVER);
    }
}

/// The hits with which an entry enters the small queue if its key is in a ghost.
pub(super) const RETURN_CREDIT: u8 = 1;

/// How many entries at the head of the main queue are compared with a returning one. With a single
/// one, chance would decide; with many, one without a hit would nearly always be found.
const ADMISSION_PROBES: usize = 2;

/// One hit in [`S3Fifo::returned_hits`], which counts fractions.
pub(super) const ONE_HIT: u32 = 1 << 16;

/// How many entries [`S3Fifo::returned_hits`] averages over. From 8 to 128 made no difference.
const AVERAGE_OVER: u32 = 32;
