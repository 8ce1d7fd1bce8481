//! The default policy: S3-FIFO, adaptive.
//!
//! | entry | event | next |
//! |---|---|---|
//! | new | its key is in no ghost | tail of the small queue, 0 hits |
//! | new | its key is in the small ghost, and the main queue admits it | tail of the main queue, as `Returned` |
//! | new | its key is in a ghost otherwise | tail of the small queue, `RETURN_CREDIT` hits |
//! | head of the small queue | an insertion, if that queue is over its target | tail of the main queue, 0 hits |
//! | head of the small queue | an eviction, with [`PROMOTION_HITS`] hits or more | tail of the main queue, 0 hits |
//! | head of the small queue | an eviction, with fewer hits | evicted; key in the small ghost |
//! | head of the main queue | an eviction, with 1 hit or more | tail of the main queue, 1 hit less |
//! | head of the main queue | an eviction, without a hit | evicted; key in the main ghost |
//! | key in a ghost | its entry is inserted, or newer keys take its place | forgotten |

mod adapt;
mod ghost;

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::{EntryInfo, HitCounter, Policy};
use crate::machine::list::{Links, List, Token, ensure_slot, truncate_and_shrink};
use adapt::ONE_HIT;
use ghost::Ghost;

/// Scan-resistant FIFO queues of adaptive size. A hit moves nothing.
///
/// After Yang, Zhang, Qiu, Yue and Rashmi, "FIFO queues are all you need for cache eviction", SOSP
/// 2023. New entries enter a small queue. Those with hits move on to the main queue, where each hit
/// is worth a second chance, as in CLOCK. The others are evicted, and a ghost keeps their keys for
/// a while: an entry whose key is in the ghost may enter the main queue at once.
///
/// It differs from the paper in three ways, each for a measured gain on real traces:
/// - The main queue takes the excess of the small one as long as the cache is not full. In the
///   paper an entry needs hits for that, and a loop over more keys than fit finds the main queue
///   empty.
/// - The small queue has no fixed share of the weight. Its target starts near zero. It grows when
///   an entry is inserted again soon after its eviction from the small queue, and shrinks when that
///   happens after an eviction from the main queue, until the ends of both queues are of equal
///   value. (The paper tries a similar rule as S3-FIFO-D.)
/// - A returning entry, one whose key is in the small ghost, enters the main queue at once only as
///   long as that pays. It displaces an entry that might have been hit as often: in a loop every
///   such exchange loses a hit. So the policy averages the hits that returned entries have got when
///   they first reach the head of the main queue. If that is less than one, a returning entry is
///   admitted only if an entry at the head of the main queue has no hit since it was last there;
///   otherwise it enters the small queue with `RETURN_CREDIT`. (LIRS makes a similar comparison: a
///   block must be reused sooner than the least recent of those that it would join. Jiang and
///   Zhang, SIGMETRICS 2002.)
///
/// An eviction gives at most [`MAX_SCAN`] entries a second chance, however popular all of them are,
/// as other threads may be waiting for the lock.
#[derive(Debug)]
// What changes most often comes first, as in the engine.
#[cfg_attr(not(target_os = "none"), repr(C))]
pub(crate) struct S3Fifo {
    small: Queue,
    main: Queue,
    len: usize,
    /// The weight of all entries when the cache is full. It follows [`S3Fifo::total`] up at once
    /// and down slowly. Shares of the total itself would change with every eviction and every light
    /// entry, and drain the main queue.
    peak_weight: u64,
    /// The weight that the small queue should have, before it is clamped.
    small_goal: u64,
    /// [`S3Fifo::small_goal`] clamped for [`S3Fifo::peak_weight`].
    small_target: u64,
    /// The hits of `Returned` entries when they first reach the head of the main queue: a moving
    /// average, in units of 1/[`ONE_HIT`].
    returned_hits: u32,
    links: Links,
    /// The queue of each token. Undefined for a token that is in none.
    queue_of: Vec<QueueName>,
    small_ghost: Ghost,
    main_ghost: Ghost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum QueueName {
    Small,
    Main,
    /// In the main queue as a returning entry, and not at its head since.
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
            small_target: 1,
            returned_hits: ONE_HIT,
            small_ghost: Ghost::default(),
            main_ghost: Ghost::default(),
        }
    }

    #[cfg_attr(not(target_os = "none"), inline)]
    fn total(&self) -> u64 {
        self.small.weight + self.main.weight
    }

    /// Promotes entries as long as the small queue is over its target, so that the main queue fills
    /// up before the cache is full. Called at every insertion: left to the first eviction, it would
    /// be one long scan.
    #[cfg_attr(not(target_os = "none"), inline(always))]
    fn promote_excess(&mut self, entries: &impl EntryInfo) {
        let target = self.small_target;
        while let Some(front) = self.small.list.front() {
            let weight = u64::from(entries.weight(front));
            if self.small.weight - weight < target {
                return;
            }
            self.promote(front, entries);
        }
    }

    #[cfg_attr(not(target_os = "none"), inline(never))]
    fn promote(&mut self, token: Token, entries: &impl EntryInfo) {
        entries.hits(token).set(0);
        self.unlink(token, entries);
        self.link(QueueName::Main, token, entries);
    }

    /// The head of the main queue if that is over its share, else of the small queue: the new entry
    /// will enter the small queue, and so takes its weight from there.
    #[cfg_attr(not(target_os = "none"), inline)]
    fn next_candidate(&self, main_share: u64) -> Option<Token> {
        let (first, second) = if self.main.weight > main_share {
            (&self.main, &self.small)
        } else {
            (&self.small, &self.main)
        };
        first.list.front().or_else(|| second.list.front())
    }

    /// Keeps entries as long as they have enough hits, and returns the next one.
    #[inline]
    fn scan(&mut self, main_share: u64, entries: &impl EntryInfo) -> Option<Token> {
        let mut victim = self.next_candidate(main_share)?;
        for _ in 0..MAX_SCAN {
            if !self.try_keep(victim, entries) {
                break;
            }
            victim = self.next_candidate(main_share)?;
        }
        Some(victim)
    }

    /// Moves an entry with enough hits to the tail of the main queue, and returns `true`.
    #[cfg_attr(not(target_os = "none"), inline(always))]
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

    /// Moves an entry of the main queue that has a hit to its tail, for one hit, and returns
    /// `true`.
    #[cfg_attr(target_os = "none", inline(never))]
    fn second_chance(&mut self, token: Token, entries: &impl EntryInfo) -> bool {
        let hits = entries.hits(token).count();
        let name = &mut self.queue_of[token.index()];
        if *name == QueueName::Returned {
            *name = QueueName::Main;
            self.average_in(hits);
        }
        if hits == 0 {
            return false;
        }
        entries.hits(token).set(hits - 1);
        self.links.remove(&mut self.main.list, token);
        self.links.push_back(&mut self.main.list, token);
        true
    }

    /// Evicts the head of a queue. A ghost keeps its key. Both ghosts together have a slot of four
    /// bytes for each entry.
    #[cfg_attr(not(target_os = "none"), inline(always))]
    fn evict_front(&mut self, from: QueueName, token: Token, entries: &impl EntryInfo) {
        let (hash, eighth) = (entries.hash(token), self.len / ghost::WAYS);
        let queue = match from {
            QueueName::Small => {
                self.small_ghost.insert(hash, self.len - eighth);
                &mut self.small
            }
            QueueName::Main | QueueName::Returned => {
                self.main_ghost.insert(hash, eighth.max(1));
                &mut self.main
            }
        };
        self.links.pop_front(&mut queue.list);
        queue.weight -= u64::from(entries.weight(token));
        self.len -= 1;
    }

    /// The head of the small queue, if that is where the next victim comes from and it has too few
    /// hits to be kept.
    #[inline(always)]
    fn small_victim(&self, main_share: u64, entries: &impl EntryInfo) -> Option<Token> {
        let front = self.small.list.front()?;
        let is_victim =
            self.main.weight <= main_share && entries.hits(front).count() < PROMOTION_HITS;
        is_victim.then_some(front)
    }

    /// Evicts an entry after it has kept those before it that have enough hits.
    #[cfg_attr(not(target_os = "none"), inline(never))]
    #[cfg_attr(target_os = "none", inline)]
    fn scan_and_evict(&mut self, main_share: u64, entries: &impl EntryInfo) -> Option<Token> {
        let victim = self.scan(main_share, entries)?;
        self.evict_front(self.queue_of[victim.index()], victim, entries);
        Some(victim)
    }

    #[cfg_attr(not(target_os = "none"), inline(always))]
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

    #[cfg_attr(not(target_os = "none"), inline(always))]
    fn insert(&mut self, token: Token, entries: &impl EntryInfo) {
        let name = self.queue_for(token, entries);
        self.link(name, token, entries);
        self.len += 1;
        let total = self.total();
        if total != self.peak_weight {
            self.peak_weight =
                total.max(self.peak_weight - self.peak_weight.saturating_sub(total) / 16);
            self.set_small_goal(self.small_goal);
        }
        self.promote_excess(entries);
    }

    fn hit(&mut self, _: Token) {}

    fn remove(&mut self, token: Token, entries: &impl EntryInfo) {
        self.unlink(token, entries);
        self.len -= 1;
    }

    #[cfg_attr(not(target_os = "none"), inline(always))]
    fn evict(&mut self, entries: &impl EntryInfo) -> Option<Token> {
        let main_share = self.peak_weight.saturating_sub(self.small_target);
        // Most victims are new keys. A microcontroller does without this shortcut, to save code.
        if cfg!(not(target_os = "none"))
            && let Some(victim) = self.small_victim(main_share, entries)
        {
            self.evict_front(QueueName::Small, victim, entries);
            return Some(victim);
        }
        self.scan_and_evict(main_share, entries)
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
        // A ghost may be as large as the checks in `validate` allow.
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
        // `queue_of` has an element for as many entries as there ever were at once.
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

/// Hits in the small queue that promote an entry. The first hit often belongs to the same burst as
/// the insertion.
const PROMOTION_HITS: u8 = 2;

/// How many entries one eviction may keep. Without a limit an eviction is O(1) amortized, but one
/// call may pass three times through a cache in which every entry was hit.
const MAX_SCAN: usize = 64;

#[cfg(test)]
mod tests;
