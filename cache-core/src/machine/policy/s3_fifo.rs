//! The default policy: first in, first out, three times.

mod ghost;

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::{EntryInfo, HitCounter, Policy};
use crate::machine::list::{Links, List, Token, ensure_slot, truncate_and_shrink};
use ghost::Ghost;

/// S3-FIFO with queues that adapt: a scan passes through, what is hit often stays, and a hit moves
/// nothing.
///
/// After Yang, Zhang, Qiu, Yue and Rashmi, "FIFO queues are all you need for cache eviction",
/// SOSP 2023. New entries pass through a small queue. Those hit there go on to the main queue,
/// where a hit buys another round; the others leave and are remembered for a while. Who comes back
/// in that time may enter the main queue at once.
///
/// What differs from the paper, each for a measured gain on real traces:
/// - The main queue takes what the small one cannot hold for as long as it has room. In the paper
///   it waits for proof, and a loop over more keys than fit finds it empty.
/// - The small queue has no fixed share. It starts near nothing, grows when an entry returns that
///   left it a moment ago, and shrinks when one returns that has just left the main queue: the ends
///   of both queues come to be returned_hits the same. (The paper tries such a thing as S3-FIFO-D.)
/// - Who comes back enters the main queue at once only while that pays. It costs the place of an
///   entry that might have been hit as often: in a loop it would have been, and every exchange
///   loses a hit. So the policy counts how often those that came back are hit until the main queue
///   looks at them for the first time. While that is less than once on average, whoever comes back
///   must find an entry at the head of the main queue that was not hit since its last round, and
///   starts in the small queue otherwise, with a hit to its credit. (LIRS compares likewise: a block
///   has to come back sooner than the least recent of those that it would join. Jiang and Zhang,
///   SIGMETRICS 2002.)
///
/// And for the sake of those who wait for the lock, an eviction looks at no more than [`MAX_SCAN`]
/// entries, however popular all of them are.
#[derive(Debug)]
// As the engine is laid out: first what changes.
#[cfg_attr(not(target_os = "none"), repr(C))]
pub(crate) struct S3Fifo {
    small: Queue,
    main: Queue,
    len: usize,
    /// What everything weighs when no room is being made for a newcomer, and none is left over
    /// because the last one was light: it follows [`S3Fifo::total`] up at once and down slowly.
    /// Shares of the total itself would move with every weight, and wear the main queue down.
    peak_weight: u64,
    /// The weight that the small queue should have, before [`S3Fifo::target`] bounds it.
    small_goal: u64,
    /// What entries are returned_hits to the main queue that entered it by coming back: their hits until it
    /// looks at them for the first time, in units of 1/[`ONE_HIT`], a moving average.
    returned_hits: u32,
    links: Links,
    /// Which queue each token is in; meaningless for a token that is in none.
    queue_of: Vec<QueueName>,
    small_ghost: Ghost,
    main_ghost: Ghost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum QueueName {
    Small,
    Main,
    /// In the main queue by coming back, and not looked at since.
    Returned,
}

#[derive(Debug)]
struct Queue {
    list: List,
    weight: u64,
}

impl S3Fifo {
    pub(crate) fn new() -> Self {
        Self {
            links: Links::default(),
            queue_of: Vec::new(),
            small: Queue::EMPTY,
            main: Queue::EMPTY,
            len: 0,
            peak_weight: 0,
            small_goal: 0,
            returned_hits: ONE_HIT,
            small_ghost: Ghost::default(),
            main_ghost: Ghost::default(),
        }
    }

    /// The weight that the small queue is to have now, from 1 % to 75 % of the whole: much where
    /// nothing but recency tells what will be hit, but never so much that the main queue has too
    /// little to lose, and thus to learn from. Of what is here, not of the bound: a shard may hold
    /// any part of a cache's bound.
    #[cfg_attr(target_os = "none", inline(never))]
    #[cfg_attr(not(target_os = "none"), inline)]
    fn small_target(&self) -> u64 {
        self.small_goal
            .clamp(
                self.peak_weight / 100,
                self.peak_weight - self.peak_weight / 4,
            )
            .max(1)
    }

    /// Where a new entry belongs, and what is to be learned from its coming back.
    #[cfg_attr(not(target_os = "none"), inline)]
    fn queue_for(&mut self, token: Token, entries: &impl EntryInfo) -> QueueName {
        let hash = entries.hash(token);
        if let Some(age) = self.small_ghost.take(hash) {
            // Only the latest of a bucket would have stayed in a slightly longer queue. That is
            // an eighth of this memory, and so as many keys as the other memory holds.
            if age == 0 {
                self.small_goal = self.small_target().saturating_add(self.mean_weight());
            }
            if self.admits_returning(entries) {
                return QueueName::Returned;
            }
        } else if self.main_ghost.take(hash).is_some() {
            self.small_goal = self.small_target().saturating_sub(self.mean_weight());
        } else {
            return QueueName::Small;
        }
        entries.hits(token).set(RETURN_CREDIT);
        QueueName::Small
    }

    /// Whether an entry that has come back is to push another one out of the main queue.
    fn admits_returning(&mut self, entries: &impl EntryInfo) -> bool {
        if self.returned_hits >= ONE_HIT {
            return true;
        }
        for _ in 0..ADMISSION_PROBES {
            let Some(rival) = self.main.list.front() else {
                return true;
            };
            if !self.second_chance(rival, entries) {
                return true;
            }
        }
        false
    }

    #[cfg_attr(target_os = "none", inline(never))]
    fn mean_weight(&self) -> u64 {
        (self.total() / self.len.max(1) as u64).max(1)
    }

    #[cfg_attr(not(target_os = "none"), inline)]
    fn total(&self) -> u64 {
        self.small.weight + self.main.weight
    }

    /// Hands what the small queue has too much of to the main queue, which then has room for it.
    /// At each insertion, or the first eviction would be one long walk.
    fn promote_excess(&mut self, entries: &impl EntryInfo) {
        let target = self.small_target();
        while let Some(front) = self.small.list.front() {
            let weight = u64::from(entries.weight(front));
            if self.small.weight - weight < target {
                return;
            }
            self.promote(front, entries);
        }
    }

    fn promote(&mut self, token: Token, entries: &impl EntryInfo) {
        entries.hits(token).set(0);
        self.unlink(token, entries);
        self.link(QueueName::Main, token, entries);
    }

    /// The token at the head of the main queue if that has more than its share, else of the small
    /// one: a newcomer takes its room from the small queue, which it will join.
    #[cfg_attr(not(target_os = "none"), inline)]
    fn next_candidate(&self, main_share: u64) -> Option<Token> {
        let (first, second) = if self.main.weight > main_share {
            (&self.main, &self.small)
        } else {
            (&self.small, &self.main)
        };
        first.list.front().or_else(|| second.list.front())
    }

    /// Sends an entry that was hit often enough to the end of the main queue.
    fn try_keep(&mut self, token: Token, entries: &impl EntryInfo) -> bool {
        if self.queue_of[token.index()] != QueueName::Small {
            return self.second_chance(token, entries);
        }
        let enough = entries.hits(token).count() >= PROMOTION_HITS;
        if enough {
            self.promote(token, entries);
        }
        enough
    }

    /// Looks at an entry of the main queue. One that was hit pays with a hit for another round.
    #[cfg_attr(target_os = "none", inline(never))]
    fn second_chance(&mut self, token: Token, entries: &impl EntryInfo) -> bool {
        let hits = entries.hits(token).count();
        let name = &mut self.queue_of[token.index()];
        if *name == QueueName::Returned {
            *name = QueueName::Main;
            self.returned_hits = self.returned_hits - self.returned_hits / AVERAGE_OVER
                + u32::from(hits) * (ONE_HIT / AVERAGE_OVER);
        }
        if hits == 0 {
            return false;
        }
        entries.hits(token).set(hits - 1);
        self.links.remove(&mut self.main.list, token);
        self.links.push_back(&mut self.main.list, token);
        true
    }

    /// Both memories together have one place for every entry: four bytes each.
    fn record_eviction(&mut self, token: Token, entries: &impl EntryInfo) {
        let (hash, eighth) = (entries.hash(token), self.len / ghost::WAYS);
        match self.queue_of[token.index()] {
            QueueName::Small => self.small_ghost.insert(hash, self.len - eighth),
            QueueName::Main | QueueName::Returned => self.main_ghost.insert(hash, eighth.max(1)),
        }
    }

    #[cfg_attr(not(target_os = "none"), inline)]
    fn link(&mut self, name: QueueName, token: Token, entries: &impl EntryInfo) {
        ensure_slot(&mut self.queue_of, token, QueueName::Small);
        self.queue_of[token.index()] = name;
        let queue = name.queue(&mut self.small, &mut self.main);
        self.links.push_back(&mut queue.list, token);
        queue.weight += u64::from(entries.weight(token));
    }

    #[cfg_attr(not(target_os = "none"), inline)]
    fn unlink(&mut self, token: Token, entries: &impl EntryInfo) {
        let name = self.queue_of[token.index()];
        let queue = name.queue(&mut self.small, &mut self.main);
        self.links.remove(&mut queue.list, token);
        queue.weight -= u64::from(entries.weight(token));
    }
}

impl Policy for S3Fifo {
    const REORDERS_ON_HIT: bool = false;

    fn insert(&mut self, token: Token, entries: &impl EntryInfo) {
        let name = self.queue_for(token, entries);
        self.link(name, token, entries);
        self.len += 1;
        let total = self.total();
        self.peak_weight =
            total.max(self.peak_weight - self.peak_weight.saturating_sub(total) / 16);
        self.promote_excess(entries);
    }

    fn hit(&mut self, _: Token) {}

    fn remove(&mut self, token: Token, entries: &impl EntryInfo) {
        self.unlink(token, entries);
        self.len -= 1;
    }

    fn evict(&mut self, entries: &impl EntryInfo) -> Option<Token> {
        let main_share = self.peak_weight.saturating_sub(self.small_target());
        let mut victim = self.next_candidate(main_share)?;
        for _ in 0..MAX_SCAN {
            if !self.try_keep(victim, entries) {
                break;
            }
            victim = self.next_candidate(main_share)?;
        }
        self.record_eviction(victim, entries);
        self.remove(victim, entries);
        Some(victim)
    }

    fn clear(&mut self) {
        *self = Self::new();
    }

    fn move_token(&mut self, from: Token, to: Token) {
        let Some(&name) = self.queue_of.get(from.index()) else {
            return;
        };
        let queue = name.queue(&mut self.small, &mut self.main);
        self.links.move_token(&mut queue.list, from, to);
        self.queue_of[to.index()] = name;
    }

    fn truncate(&mut self, len: usize) {
        self.links.truncate(len);
        truncate_and_shrink(&mut self.queue_of, len);
        // As many places as they may remember: see the invariants.
        let queue_of = self.queue_of.len();
        self.small_ghost.shrink_to(queue_of);
        self.main_ghost.shrink_to(queue_of.div_ceil(ghost::WAYS));
    }

    fn tokens(&self) -> impl Iterator<Item = Token> + '_ {
        let small = self.links.iter(&self.small.list);
        small.chain(self.links.iter(&self.main.list))
    }

    fn validate(&self, entries: &impl EntryInfo) {
        let mut seen = BTreeSet::new();
        for (name, queue) in [
            (QueueName::Small, &self.small),
            (QueueName::Main, &self.main),
        ] {
            let mut weight = 0;
            for token in self.links.iter(&queue.list) {
                assert!(seen.insert(token), "{token:?} is in the policy twice");
                let is_small = self.queue_of[token.index()] == QueueName::Small;
                assert_eq!(is_small, name == QueueName::Small, "{token:?}");
                assert_ne!(entries.weight(token), 0, "{token:?} weighs nothing");
                weight += u64::from(entries.weight(token));
            }
            assert_eq!(queue.weight, weight, "weight of {name:?}");
        }
        assert_eq!(self.len, seen.len());
        assert!(self.returned_hits <= u32::from(HitCounter::MAX) * ONE_HIT);
        // There were never more entries than places.
        let most = self.queue_of.len();
        self.small_ghost.validate(most);
        self.main_ghost.validate(most.div_ceil(ghost::WAYS));
    }

    fn memory_used(&self) -> usize {
        let ghosts = self.small_ghost.memory_used() + self.main_ghost.memory_used();
        self.links.memory_used() + self.queue_of.capacity() * size_of::<QueueName>() + ghosts
    }
}

impl Queue {
    const EMPTY: Self = Self {
        list: List::EMPTY,
        weight: 0,
    };
}

impl QueueName {
    #[cfg_attr(not(target_os = "none"), inline)]
    fn queue<'a>(self, small: &'a mut Queue, main: &'a mut Queue) -> &'a mut Queue {
        match self {
            Self::Small => small,
            Self::Main | Self::Returned => main,
        }
    }
}

/// Hits in the small queue that make an entry returned_hits keeping. The first often belongs to the same
/// burst as the insertion.
const PROMOTION_HITS: u8 = 2;

/// The hits with which an entry starts in the small queue that was known a while ago.
const RETURN_CREDIT: u8 = 1;

/// How many entries at the head of the main queue may turn away one that has come back. If a single
/// one could, the head's luck would decide; with many, there is always one that was not hit.
const ADMISSION_PROBES: usize = 2;

/// A hit in [`S3Fifo::returned_hits`], where fractions of hits are counted.
const ONE_HIT: u32 = 1 << 16;

/// Over how many entries [`S3Fifo::returned_hits`] is an average. From 8 to 128 it made no difference.
const AVERAGE_OVER: u32 = 32;

/// How many entries one eviction may spare. Without a bound it is amortized O(1), but a single
/// call can walk three times through a cache in which everything was hit.
const MAX_SCAN: usize = 64;

#[cfg(test)]
mod tests;
