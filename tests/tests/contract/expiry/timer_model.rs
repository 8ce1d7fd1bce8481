//! The deadlines of entries, compared with a naive model.

use std::collections::BTreeMap;
use std::time::Duration;

use cache_core::{Instant, RemovalCause, Ttl};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::contract::support::common::{Notices, assert_sound};
use crate::harness::{Cache, run, runtime_with_clock};

/// The maximum delay of `next_deadline`.
const MOMENT: Duration = Duration::from_millis(2);

/// A cache, and its expected entries with their deadlines.
struct Trial<C> {
    cache: Cache<u32, u64>,
    notices: Notices<(u32, u64, RemovalCause)>,
    set_clock: C,
    model: BTreeMap<u32, (u64, Instant)>,
    now: Instant,
    random: SmallRng,
}

impl<C: Fn(Instant)> Trial<C> {
    /// A duration of any order of magnitude, from a nanosecond to two months.
    fn any_span(&mut self) -> Duration {
        let magnitude = self.random.random_range(0..53);
        Duration::from_nanos(self.random.random_range(0..=1_u64 << magnitude))
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now.after(time);
        (self.set_clock)(self.now);
        self.model
            .retain(|_, (_, until)| !until.has_passed(self.now));
    }

    fn write_something(&mut self) {
        let (key, value) = (self.random.random_range(0..200), self.random.random());
        let span = self.any_span();
        let until = self.now.after(span);
        match self.random.random_range(0..10) {
            0 => {
                let known = self.model.remove(&key).map(|(value, _)| value);
                assert_eq!(self.cache.remove(&key), known);
            }
            1..=3 => {
                let known = self.model.get_mut(&key).map(|known| known.1 = until);
                assert_eq!(self.cache.set_ttl(&key, Ttl::After(span)), known.is_some());
            }
            4 => {
                self.cache.insert_with_ttl(key, value, Ttl::Never);
                self.model.insert(key, (value, Instant::FAR));
            }
            _ => {
                self.cache.insert_with_ttl(key, value, Ttl::After(span));
                self.model.insert(key, (value, until));
            }
        }
        self.pass(Duration::ZERO);
    }

    fn compare(&self) {
        let mut live: Vec<_> = self.cache.iter().collect();
        live.sort_unstable();
        let expected = self.model.iter().map(|(key, (value, _))| (*key, *value));
        assert_eq!(live, expected.collect::<Vec<_>>());
        for (key, (_, until)) in &self.model {
            assert_eq!(self.cache.expires_at(key), Some(*until));
        }
    }

    fn purge(&self) {
        self.cache.run_pending_tasks();
        assert_eq!(self.cache.entry_count(), self.model.len() as u64);
        let next = self.cache.next_deadline();
        assert!(next.is_none_or(|next| next > self.now), "nothing is left");
        let first = self.model.values().map(|(_, until)| *until).min();
        if let Some(first) = first.filter(|first| *first != Instant::FAR) {
            let next = next.expect("an entry can expire");
            assert!(next <= first.after(MOMENT), "{next:?} is too late");
        }
        assert_sound(&self.cache, |_, _| 1);
    }
}

fn trial(seed: u64, clock: impl Fn() -> (crate::harness::Rt, Box<dyn Fn(Instant)>)) {
    let ((runtime, set_clock), notices) = (clock(), Notices::new());
    let cache = Cache::builder_on(runtime)
        .eviction_listener(notices.listener())
        .shards(2)
        .hash_seed(seed)
        .build();
    let mut trial = Trial {
        cache,
        notices,
        set_clock,
        model: BTreeMap::new(),
        now: Instant::ORIGIN,
        random: SmallRng::seed_from_u64(seed),
    };
    trial.pass(Duration::ZERO);
    for step in 0..300 {
        for _ in 0..trial.random.random_range(0..20) {
            trial.write_something();
        }
        if step == 150 {
            trial.cache.invalidate_all();
            trial.model.clear();
        }
        let span = trial.any_span();
        trial.pass(span);
        trial.compare();
        if step % 4 == 0 {
            trial.purge();
        }
    }
    let stats = trial.cache.stats();
    let notified = trial.notices.take();
    for cause in RemovalCause::ALL {
        let of_cause = notified.iter().filter(|notice| notice.2 == cause);
        assert_eq!(of_cause.count() as u64, stats.removals(cause), "{cause:?}");
    }
}

#[test]
fn every_entry_is_purged_at_its_deadline_however_deadlines_and_the_clock_jump() {
    run(|| async {
        for seed in 0..10 {
            trial(seed, || {
                let (runtime, set_clock) = runtime_with_clock();
                (runtime, Box::new(set_clock))
            });
        }
    });
}

#[test]
fn many_deadlines_at_one_instant_are_purged_together() {
    run(|| async {
        let (runtime, set_clock) = runtime_with_clock();
        let cache: Cache<u32, u64> = Cache::builder_on(runtime)
            .time_to_live(Duration::from_secs(3_600))
            .build();
        for key in 0..20_000 {
            cache.insert(key, 1);
        }
        set_clock(Instant::ORIGIN.after(Duration::from_secs(3_599)));
        cache.run_pending_tasks();
        assert_eq!(cache.entry_count(), 20_000);
        set_clock(Instant::ORIGIN.after(Duration::from_secs(3_600)));
        cache.run_pending_tasks();
        assert_eq!(cache.entry_count(), 0);
        assert_eq!(cache.next_deadline(), None);
    });
}

#[test]
fn an_entry_in_a_reused_slot_does_not_inherit_the_old_deadline() {
    run(|| async {
        let (runtime, set_clock) = runtime_with_clock();
        let cache: Cache<u32, u64> = Cache::builder_on(runtime).max_capacity(1).build();
        for key in 0..100 {
            cache.insert_with_ttl(key, 1, Ttl::After(Duration::from_secs(1)));
            cache.insert_with_ttl(key + 1_000, 1, Ttl::Never);
            cache.remove(&(key + 1_000));
        }
        cache.insert(1, 1);
        set_clock(Instant::ORIGIN.after(Duration::from_secs(60)));
        cache.run_pending_tasks();
        assert_eq!(cache.get(&1), Some(1));
        assert_eq!(cache.next_deadline(), None);
    });
}
