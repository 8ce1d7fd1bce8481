//! Tests of the policy in a minimal cache.

use super::adapt::RETURN_CREDIT;
use super::*;
use crate::machine::policy::HitCounter;
use alloc::collections::BTreeMap;
use proptest::prelude::*;

/// A minimal cache. `bound` is in units of weight.
struct Cache {
    policy: S3Fifo,
    entries: Entries,
    tokens: BTreeMap<u32, Token>,
    free: Vec<Token>,
    bound: u64,
}

#[derive(Default)]
struct Entries(Vec<Entry>);

#[derive(Default)]
struct Entry {
    key: u32,
    weight: u32,
    hits: HitCounter,
}

impl EntryInfo for Entries {
    fn hits(&self, token: Token) -> &HitCounter {
        &self.0[token.index()].hits
    }
    fn weight(&self, token: Token) -> u32 {
        self.0[token.index()].weight
    }
    fn hash(&self, token: Token) -> u32 {
        let key = self.0[token.index()].key;
        (key ^ (key >> 7)).wrapping_mul(0x85EB_CA6B).rotate_left(13)
    }
}

impl Cache {
    fn new(bound: u64) -> Self {
        Self {
            policy: S3Fifo::new(),
            entries: Entries::default(),
            tokens: BTreeMap::new(),
            free: Vec::new(),
            bound,
        }
    }

    /// Looks `key` up, and inserts it if it is absent. Returns whether it was a hit.
    fn access(&mut self, key: u32, weight: u32) -> bool {
        if let Some(token) = self.tokens.get(&key) {
            self.entries.hits(*token).record();
            return true;
        }
        while self.policy.total() + u64::from(weight) > self.bound && self.evict() {}
        let token = self.free.pop().unwrap_or_else(|| {
            self.entries.0.push(Entry::default());
            Token::from_index(self.entries.0.len() - 1)
        });
        let hits = HitCounter::default();
        self.entries.0[token.index()] = Entry { key, weight, hits };
        self.tokens.insert(key, token);
        self.policy.insert(token, &self.entries);
        false
    }

    fn hits(&mut self, keys: impl IntoIterator<Item = u32>) -> usize {
        keys.into_iter().filter(|&key| self.access(key, 1)).count()
    }

    fn evict(&mut self) -> bool {
        let Some(victim) = self.policy.evict(&self.entries) else {
            return false;
        };
        self.tokens.remove(&self.entries.0[victim.index()].key);
        self.free.push(victim);
        true
    }

    fn queue(&self, key: u32) -> QueueName {
        self.policy.queue_of[self.tokens[&key].index()]
    }

    fn remove(&mut self, key: u32) {
        if let Some(token) = self.tokens.remove(&key) {
            self.policy.remove(token, &self.entries);
            self.free.push(token);
        }
    }

    fn validate(&self) {
        self.policy.validate(&self.entries);
        let known: BTreeSet<_> = self.policy.tokens().collect();
        assert_eq!(known, self.tokens.values().copied().collect());
    }
}

#[test]
fn a_scan_does_not_evict_entries_that_are_hit_often() {
    let mut cache = Cache::new(100);
    for _ in 0..4 {
        cache.hits(0..80);
    }
    for scanned in 0..50 {
        cache.hits(1000 + 100 * scanned..1100 + 100 * scanned);
        assert_eq!(cache.hits(0..80), 80, "after {scanned} scans");
    }
}

#[test]
fn a_loop_over_more_keys_than_fit_hits_nearly_as_often_as_it_could() {
    for keys in [1100, 1300, 1500, 2000, 3000, 10_000] {
        let mut cache = Cache::new(1000);
        (0..20).for_each(|_| _ = cache.hits(0..keys));
        let hits: usize = (0..20).map(|_| cache.hits(0..keys)).sum();
        let best = 20 * 999;
        assert!(hits > best / 100 * 85, "{hits} hits of {best}, {keys} keys");
    }
}

#[test]
fn entries_of_unequal_weight_do_not_drain_the_main_queue() {
    let mut cache = Cache::new(1000);
    let mut round = || {
        (0..150)
            .filter(|&key| cache.access(key, 1 + 7 * key % 20))
            .count()
    };
    round();
    let hits: usize = (0..20).map(|_| round()).sum();
    assert!(hits > 20 * 50, "{hits} hits");
}

#[test]
fn a_key_that_is_inserted_again_soon_after_its_eviction_enters_the_main_queue() {
    let mut cache = Cache::new(100);
    cache.hits(0..200);
    assert!(!cache.access(150, 1));
    assert_eq!(cache.queue(150), QueueName::Returned);
}

#[test]
fn a_returning_entry_is_not_admitted_if_earlier_ones_were_not_hit_and_the_head_of_main_was() {
    for (head_was_hit, returned_hits, queue) in [
        (true, ONE_HIT - 1, QueueName::Small),
        (true, ONE_HIT, QueueName::Returned),
        (false, ONE_HIT - 1, QueueName::Returned),
    ] {
        let mut cache = Cache::new(100);
        cache.policy.returned_hits = returned_hits;
        cache.hits(0..200);
        if head_was_hit {
            cache.hits(0..90);
        }
        assert!(!cache.access(150, 1));
        assert_eq!(cache.queue(150), queue, "{head_was_hit}, {returned_hits}");
        // An entry that was not admitted has a credit of one hit, and needs one more.
        let credit = if queue == QueueName::Small {
            RETURN_CREDIT
        } else {
            0
        };
        assert_eq!(cache.entries.hits(cache.tokens[&150]).count(), credit);
        cache.validate();
    }
}

#[test]
fn the_average_of_returned_hits_follows_the_hits_of_returned_entries() {
    for hits in [0, HitCounter::MAX] {
        let mut cache = Cache::new(100);
        let before = cache.policy.returned_hits;
        cache.hits(0..200);
        assert!(!cache.access(150, 1));
        (0..hits).for_each(|_| _ = cache.access(150, 1));
        assert_eq!(cache.policy.returned_hits, before, "not at the head yet");
        while cache.tokens.contains_key(&150) && cache.queue(150) == QueueName::Returned {
            cache.evict();
        }
        assert_eq!(cache.policy.returned_hits > before, hits > 0);
        cache.validate();
    }
}

#[test]
fn the_small_queue_grows_if_it_is_too_short_and_shrinks_again() {
    let mut cache = Cache::new(1000);
    cache.hits(0..1000);
    // Every key is accessed again after 50 others, but no key that the main queue has evicted.
    cache.hits((0..5000).flat_map(|step| [10_000 + step, 10_000 + step - step.min(50)]));
    let grown = cache.policy.small_target;
    assert!(grown > 25, "{grown}");
    // A loop: the key that the main queue has just evicted is always accessed next.
    for _ in 0..50 {
        cache.hits(0..1010);
    }
    assert!(
        cache.policy.small_target < grown,
        "{}",
        cache.policy.small_target
    );
}

#[test]
fn there_is_a_victim_as_long_as_there_is_an_entry_in_a_cache_of_any_size() {
    for bound in [1, 2, 3, 10] {
        let mut cache = Cache::new(bound);
        for key in 0..500 {
            cache.hits([key % 17, key % 5, key]);
            cache.validate();
            assert!(cache.policy.total() <= bound && cache.tokens.contains_key(&key));
        }
        for left in (0..bound).rev() {
            assert!(cache.evict());
            assert_eq!(cache.policy.total(), left);
        }
        assert!(!cache.evict());
    }
}

#[test]
fn one_eviction_scans_a_bounded_number_of_entries() {
    let mut cache = Cache::new(10_000);
    for _ in 0..4 {
        cache.hits(0..10_000);
    }
    cache.evict();
    let spared = |entry: &&Entry| entry.hits.count() < HitCounter::MAX;
    assert!(cache.entries.0.iter().filter(spared).count() <= MAX_SCAN);
}

#[test]
fn the_ghosts_take_four_bytes_per_entry() {
    let mut cache = Cache::new(4096);
    cache.hits(0..20_000);
    let own = cache.policy.small_ghost.memory_used() + cache.policy.main_ghost.memory_used();
    assert!(own <= 4 * 4096, "{own}");
}

#[test]
fn a_promoted_entry_has_no_hits_left() {
    let mut cache = Cache::new(100);
    cache.hits(0..100);
    cache.hits([500; 4]);
    assert_eq!(cache.queue(500), QueueName::Small);
    let mut newcomers = 1_000..1_100;
    while cache.queue(500) == QueueName::Small {
        cache.hits(newcomers.next());
    }
    assert_eq!(cache.queue(500), QueueName::Main);
    let token = cache.tokens[&500];
    assert_eq!(cache.entries.hits(token).count(), 0);
}

#[test]
fn the_queues_of_a_shard_that_lost_capacity_share_what_is_left() {
    let mut cache = Cache::new(10_000);
    cache.hits(0..10_000);
    cache.bound = 100;
    cache.hits(20_000..20_400);
    assert_eq!(cache.policy.total(), 100);
    assert!(
        cache.policy.peak_weight < 120,
        "{}",
        cache.policy.peak_weight
    );
    // The small queue takes its share back from the main queue.
    cache.policy.set_small_goal(50);
    let before = cache.policy.main.weight;
    cache.hits(30_000..30_100);
    assert!(before > 80, "{before}");
    assert!(
        cache.policy.main.weight < 70,
        "{}",
        cache.policy.main.weight
    );
}

proptest! {
    #[test]
    fn any_sequence_of_calls_keeps_the_invariants(
        bound in 1..200u64,
        steps in prop::collection::vec((0..7u8, 0..120u32, 1..20u32), 1..400),
    ) {
        let mut cache = Cache::new(bound);
        for (call, key, weight) in steps {
            match call {
                0 => cache.remove(key),
                1 => {
                    let any = !cache.tokens.is_empty();
                    assert_eq!(cache.evict(), any);
                }
                _ => {
                    cache.access(key, weight);
                }
            }
            cache.validate();
        }
    }
}
