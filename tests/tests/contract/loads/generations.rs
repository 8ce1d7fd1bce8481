//! Concurrent random calls: at most one load per key and generation, and no stale value.
//!
//! A value is the number of the generation it was loaded in. A write, an invalidation and a refresh
//! each start a new generation.

use std::collections::HashSet;
use std::future::Future;
use std::sync::{Arc, Mutex};

use crate::contract::support::backend::{Dice, cancelled_after, join_all, yields};
use crate::contract::support::common::{assert_books_balance, boom, caught_in};
use crate::harness::{Cache, SINGLE_THREADED, run_seeds, runtime, spawn, until};

const KEY: u32 = 1;

#[derive(Clone)]
struct World {
    cache: Cache<u32, u64>,
    history: Arc<Mutex<History>>,
}

#[derive(Default)]
struct History {
    generation: u64,
    /// A call that starts now must not get an older value.
    floor: u64,
    /// The generations whose load is in flight or has succeeded.
    loaded: HashSet<u64>,
    /// The newest value that a read has seen in the cache.
    newest: u64,
}

impl World {
    fn new() -> Self {
        Self {
            cache: Cache::builder_on(runtime()).build(),
            history: Arc::default(),
        }
    }

    /// Runs `f` on the history under its lock.
    fn history<T>(&self, f: impl FnOnce(&mut History) -> T) -> T {
        f(&mut self.history.lock().expect("no other thread panicked"))
    }

    fn insert(&self) {
        self.history(|history| {
            history.generation += 1;
            self.cache.insert(KEY, history.generation);
            history.floor = history.generation;
        });
        self.look();
    }

    fn invalidate(&self) {
        self.history(|history| {
            history.generation += 1;
            self.cache.invalidate(&KEY);
            history.floor = history.generation;
        });
        self.look();
    }

    /// Checks that the stored value is never older than one seen before.
    fn look(&self) {
        if !SINGLE_THREADED {
            return;
        }
        let stored = self.cache.peek(&KEY);
        self.history(|history| {
            if let Some(stored) = stored {
                assert!(stored >= history.floor, "stale value: {stored}");
                assert!(
                    stored >= history.newest,
                    "an older value returned: {stored}"
                );
                history.newest = stored;
            }
        });
    }

    /// A loader's future that yields `length` times and may fail or panic.
    fn load(&self, length: usize, fate: u64) -> impl Future<Output = Result<u64, String>> + use<> {
        let world = self.clone();
        async move {
            let loading = Loading::start(&world);
            yields(length).await;
            match fate {
                0 => Err(String::from("down")),
                1 => boom(),
                _ => Ok(loading.succeed()),
            }
        }
    }

    /// Loads the key, is cancelled after `polls` polls, and checks the result.
    async fn get(&self, polls: usize, length: usize, fate: u64) {
        let floor = self.history(|history| history.floor);
        let call = self.cache.try_get_with(KEY, || self.load(length, fate));
        if let Some(Ok(Ok(value))) = cancelled_after(polls, caught_in(call)).await {
            assert!(value >= floor, "called in {floor}, got {value}");
        }
        self.look();
    }

    async fn refresh(&self, polls: usize, length: usize, fate: u64) {
        self.history(|history| history.generation += 1);
        let call = self.cache.refresh(KEY, || self.load(length, fate));
        drop(cancelled_after(polls, caught_in(call)).await);
        self.look();
    }
}

/// A load in flight. There is at most one per generation.
struct Loading {
    world: World,
    generation: u64,
    succeeded: bool,
}

impl Loading {
    fn start(world: &World) -> Self {
        let generation = world.history(|history| {
            let first = history.loaded.insert(history.generation);
            // Another thread may start a generation between the start of the load and this line.
            assert!(
                first || !SINGLE_THREADED,
                "two loads in {}",
                history.generation
            );
            history.generation
        });
        Self {
            world: world.clone(),
            generation,
            succeeded: false,
        }
    }

    fn succeed(mut self) -> u64 {
        self.succeeded = true;
        self.generation
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        if !self.succeeded {
            self.world
                .history(|history| history.loaded.remove(&self.generation));
        }
    }
}

async fn act(world: &World, dice: &mut Dice) {
    let (polls, length, fate) = (1 + dice.below(12), dice.below(8), dice.roll(12));
    // Most callers are not cancelled.
    let polls = if dice.roll(4) == 0 { polls } else { usize::MAX };
    match dice.roll(10) {
        0 => world.insert(),
        1 => world.invalidate(),
        2 => world.refresh(polls, length, fate).await,
        _ => world.get(polls, length, fate).await,
    }
}

#[test]
fn a_key_has_one_load_per_generation_and_no_stale_value_is_returned() {
    run_seeds(|seed| async move {
        let world = World::new();
        let actors: Vec<_> = (0..12)
            .map(|number| {
                let (world, mut dice) = (world.clone(), Dice::new(seed * 100 + number));
                spawn(async move {
                    for _ in 0..12 {
                        act(&world, &mut dice).await;
                        yields(dice.below(4)).await;
                    }
                })
            })
            .collect();
        join_all(actors).await;
        until(|| world.cache.flight_count() == 0).await;
        until(|| Arc::strong_count(&world.history) == 1).await;
        assert_books_balance(&world.cache);
    });
}

/// If a load could end before its value is stored, a call in between would load again.
#[test]
fn a_loaded_value_is_stored_before_its_load_ends() {
    run_seeds(|seed| async move {
        let world = World::new();
        for key in 0..20 {
            let tasks: Vec<_> = (0..8)
                .map(|number| {
                    let (cache, turns) = (world.cache.clone(), Dice::new(seed + number).below(3));
                    spawn(async move {
                        yields(turns).await;
                        cache.get_with(key, || async { 10 }).await
                    })
                })
                .collect();
            assert_eq!(join_all(tasks).await, [10; 8]);
        }
        assert_eq!(world.cache.stats().loads, 20, "seed {seed}");
    });
}
