//! A task that performs random operations on the caches.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cache_core::Op;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::arena::Arena;
use crate::figures::{Figure, Figures};
use crate::host::Boxed;
use crate::loader::{Loader, Plan, is_expected, ttl};
use crate::truth::Value;
use crate::waiting::Patience;
use crate::watchdog::{Ages, What};

/// The state that all tasks of a round share.
pub(crate) struct Stage {
    /// The first is the steady cache, which outlives the round.
    pub(crate) arenas: Vec<Arc<Arena>>,
    pub(crate) keys: u32,
    pub(crate) ages: Arc<Ages>,
    pub(crate) figures: Arc<Figures>,
    pub(crate) is_over: AtomicBool,
}

/// The state of one task.
pub(crate) struct Actor {
    stage: Arc<Stage>,
    number: usize,
    rng: SmallRng,
}

impl Actor {
    pub(crate) fn new(stage: Arc<Stage>, number: usize, seed: u64) -> Self {
        Self {
            stage,
            number,
            rng: SmallRng::seed_from_u64(seed),
        }
    }

    /// Performs operations until the round is over.
    pub(crate) async fn act(mut self) {
        while !self.stage.is_over.load(Ordering::Relaxed) {
            let arenas = &self.stage.arenas;
            let arena = arenas.choose(&mut self.rng).expect("there are caches");
            let arena = Arc::clone(arena);
            match self.rng.random_range(0..100) {
                0..30 => self.read(&arena),
                30..62 => self.load(&arena).await,
                62..74 => self.get_all(&arena).await,
                74..78 => self.refresh(&arena).await,
                78..81 => self.compute(&arena).await,
                81..88 => self.write(&arena),
                88..93 => self.remove(&arena),
                93..97 => self.keep_up(&arena),
                97 => self.clear(&arena),
                _ => smol::future::yield_now().await,
            }
        }
    }

    /// Loads keys on this thread until the round is over.
    pub(crate) fn block(mut self) {
        while !self.stage.is_over.load(Ordering::Relaxed) {
            let arenas = &self.stage.arenas;
            let arena = arenas.choose(&mut self.rng).expect("there are caches");
            let arena = Arc::clone(arena);
            self.count(Figure::Blocked);
            let lookup = arena.truth.begin_lookup(self.key_to_load());
            let loader = Loader {
                truth: Arc::clone(&arena.truth),
                key: lookup.key,
                since: lookup.since,
                plan: Plan::random(&mut self.rng),
            };
            let what = self.what(&arena, "blocking().try_get_with", lookup.key);
            let waiting = self.stage.ages.wait(self.number, what);
            arena.count_requests(1);
            let load = || loader.blocking();
            let call = || arena.cache.blocking().try_get_with(lookup.key, load);
            let answer = catch_unwind(AssertUnwindSafe(call));
            drop(waiting);
            match answer {
                Ok(Ok(value)) => arena.truth.check(lookup, &value),
                Ok(Err(_)) => {}
                Err(payload) if is_expected(&*payload) => {}
                Err(payload) => {
                    self.stage
                        .figures
                        .violate("a blocking call panicked; its message is above");
                    resume_unwind(payload)
                }
            }
        }
    }

    /// Chooses a key. A few keys are chosen often, and most keys rarely.
    fn key(&mut self) -> u32 {
        let keys = self.stage.keys;
        match self.rng.random_range(0..4) {
            0 => self.rng.random_range(0..8),
            1 => self.rng.random_range(0..keys.min(32)),
            _ => self.rng.random_range(0..keys),
        }
    }

    /// Chooses a key that may be written. A quarter of the keys is never written: such a key may
    /// never have more than one load in flight.
    fn key_to_write(&mut self) -> u32 {
        match self.key() {
            key if key % 4 == 0 => key + 1,
            key => key,
        }
    }

    /// Whether loaders of this key may never complete. Only callers that can get an error request
    /// such a key.
    const fn is_tarpit(key: u32) -> bool {
        key % 16 == 12
    }

    /// Chooses a key that any method may load.
    fn key_to_load(&mut self) -> u32 {
        match self.key() {
            key if Self::is_tarpit(key) => key - 1,
            key => key,
        }
    }

    fn count(&self, figure: Figure) {
        self.stage.figures.count(figure);
    }

    fn read(&mut self, arena: &Arena) {
        self.count(Figure::Reads);
        let lookup = arena.truth.begin_lookup(self.key());
        let found = if self.rng.random_bool(0.9) {
            arena.count_requests(1);
            arena.cache.get(&lookup.key)
        } else {
            arena.cache.peek(&lookup.key)
        };
        if let Some(value) = found {
            arena.truth.check(lookup, &value);
        }
    }

    async fn load(&mut self, arena: &Arena) {
        self.count(Figure::Loads);
        let method = self.rng.random_range(0..METHODS.len());
        let key = match method {
            0 | 1 => self.key(),
            _ => self.key_to_load(),
        };
        let lookup = arena.truth.begin_lookup(key);
        let mut plan = Plan::random(&mut self.rng);
        if Self::is_tarpit(key) && self.rng.random_bool(0.02) {
            self.count(Figure::LoadersStuck);
            plan = Plan::STUCK;
        }
        let loader = Loader {
            truth: Arc::clone(&arena.truth),
            key,
            since: lookup.since,
            plan,
        };
        // A scoped loader makes no progress while its caller is not polled.
        let patience = match method {
            1 | 3 => Patience::random(&mut self.rng),
            _ => Patience::random_or_none(&mut self.rng),
        };
        let cache = &arena.cache;
        let call: Boxed<'_, Option<Value>> = Box::pin(async move {
            arena.count_requests(1);
            match method {
                0 => cache.try_get_with(key, || loader.fallible()).await.ok(),
                1 => {
                    let load = || loader.fallible();
                    cache.try_get_with_scoped(key, load).await.ok()
                }
                2 => Some(cache.get_with(key, || loader.always()).await),
                3 => Some(cache.get_with_scoped(key, || loader.always()).await),
                4 => cache.optionally_get_with(key, || loader.maybe()).await,
                5 => Some(cache.get_with_by_ref(&key, || loader.always()).await),
                6 => cache.load_with(key, || loader.rated()).await.ok(),
                _ => {
                    let view = cache.loading(move |_: u32| loader.clone().fallible());
                    view.get(&key).await.ok()
                }
            }
        });
        if let Some(Some(value)) = self
            .wait((arena, METHODS[method], key), patience, call)
            .await
        {
            arena.truth.check(lookup, &value);
        }
    }

    async fn get_all(&mut self, arena: &Arena) {
        let many = self.rng.random_range(1..8);
        let keys: Vec<_> = (0..many).map(|_| self.key_to_load()).collect();
        self.stage.figures.add(Figure::BatchedKeys, many);
        let lookup: Vec<_> = keys
            .iter()
            .map(|&key| arena.truth.begin_lookup(key))
            .collect();
        let patience = Patience::random_or_none(&mut self.rng);
        let (first, leaves_now) = (keys[0], self.rng.random_bool(0.05));
        let call = Box::pin(async move {
            arena.count_requests(keys.len());
            let load = (arena.get_all)(keys);
            if leaves_now {
                (arena.dispatch)();
            }
            load.await
        });
        let found = self.wait((arena, "get_all", first), patience, call).await;
        for (lookup, found) in lookup.into_iter().zip(found.into_iter().flatten()) {
            if let Ok(Some(value)) = found {
                arena.truth.check(lookup, &value);
            }
        }
    }

    async fn refresh(&mut self, arena: &Arena) {
        self.count(Figure::Refreshes);
        let key = self.key_to_write();
        let key = if Self::is_tarpit(key) { key + 1 } else { key };
        let (lookup, _refreshing) = (arena.truth.begin_lookup(key), arena.truth.refresh(key));
        let loader = Loader {
            truth: Arc::clone(&arena.truth),
            key,
            since: lookup.since,
            plan: Plan::random(&mut self.rng),
        };
        let patience = Patience::random_or_none(&mut self.rng);
        let call = Box::pin(async move {
            let refreshed = arena.cache.refresh(key, || loader.fallible());
            refreshed.await.ok()
        });
        if let Some(Some(value)) = self.wait((arena, "refresh", key), patience, call).await {
            arena.truth.check(lookup, &value);
        }
    }

    async fn compute(&mut self, arena: &Arena) {
        self.count(Figure::Computations);
        let key = self.key_to_load();
        let lookup = arena.truth.begin_lookup(key);
        let loader = Loader {
            truth: Arc::clone(&arena.truth),
            key,
            since: lookup.since,
            plan: Plan::random(&mut self.rng),
        };
        let removes = self.rng.random_bool(0.2);
        let patience = Patience::random(&mut self.rng);
        let call = Box::pin(async move {
            let compute = |_| async move {
                match loader.rated().await {
                    Ok(_) if removes => Op::Remove,
                    Ok(loaded) => Op::Put(loaded),
                    Err(_) => Op::Nop,
                }
            };
            arena.cache.entry(key).and_compute_with(compute).await
        });
        self.wait((arena, "and_compute_with", key), patience, call)
            .await;
    }

    fn write(&mut self, arena: &Arena) {
        self.count(Figure::Writes);
        let (way, ttl) = (self.rng.random_range(0..4), ttl(&mut self.rng));
        let weight = self.rng.random_range(0..10);
        let (truth, cache, weighs) = (&arena.truth, &arena.cache, arena.settings().weighs);
        if way == 3 {
            let key = self.key();
            return truth.prime(key, |value| (arena.prime)(key, value));
        }
        let key = self.key_to_write();
        truth.write(key, |version| {
            let value = truth.value(key, version);
            match way {
                0 => cache.insert_with_ttl(key, value, ttl),
                1 if weighs => cache.insert_weighted(key, value, weight),
                _ => cache.insert(key, value),
            }
        });
    }

    fn remove(&mut self, arena: &Arena) {
        self.count(Figure::Removals);
        let key = self.key_to_write();
        arena.truth.write(key, |_| drop(arena.cache.remove(&key)));
    }

    fn clear(&mut self, arena: &Arena) {
        // Rarely, because an empty cache tests little.
        if arena.settings().is_cleared && self.rng.random_bool(0.1) {
            self.count(Figure::Clears);
            if self.rng.random() {
                arena.truth.write_all(|| arena.cache.invalidate_all());
            } else {
                drop(arena.truth.write_all(|| arena.cache.drain()));
            }
        }
    }

    fn keep_up(&mut self, arena: &Arena) {
        self.count(Figure::Upkeep);
        let cache = &arena.cache;
        match self.rng.random_range(0..40) {
            0 => cache.run_pending_tasks(),
            1 => cache.retain(|key, _| key % 7 != 0),
            2 => drop(cache.iter().count()),
            3 => drop((cache.stats(), cache.memory_used(), cache.next_deadline())),
            _ => {
                cache.set_ttl(&self.key(), ttl(&mut self.rng));
            }
        }
    }

    async fn wait<T>(
        &self,
        (arena, method, key): (&Arena, &'static str, u32),
        patience: Patience,
        call: Boxed<'_, T>,
    ) -> Option<T> {
        let Stage { ages, figures, .. } = &*self.stage;
        let what = self.what(arena, method, key);
        patience
            .wait(call, (ages, self.number, what), figures)
            .await
    }

    fn what(&self, arena: &Arena, method: &'static str, key: u32) -> What {
        What {
            is_steady: std::ptr::eq(arena, &*self.stage.arenas[0]),
            method,
            key,
        }
    }
}

/// The methods that load one key.
const METHODS: [&str; 8] = [
    "try_get_with",
    "try_get_with_scoped",
    "get_with",
    "get_with_scoped",
    "optionally_get_with",
    "get_with_by_ref",
    "load_with",
    "loading",
];
