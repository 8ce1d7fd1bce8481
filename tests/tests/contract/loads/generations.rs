//! Everything at once: at most one load a key and generation, and nothing older is ever seen.
//!
//! A value is the number of the generation in which it was born; a write, an invalidation and a
//! refresh each begin a newer one.

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
    /// Nothing older than this is to be found by who asks now.
    floor: u64,
    /// The generations that are being loaded, or were loaded with success.
    loaded: HashSet<u64>,
    /// The newest value that was seen in the cache.
    newest: u64,
}

impl World {
    fn new() -> Self {
        Self {
            cache: Cache::builder_on(runtime()).build(),
            history: Arc::default(),
        }
    }

    /// Looks at the history, or writes on. Nothing else happens in the meantime.
    fn history<T>(&self, f: impl FnOnce(&mut History) -> T) -> T {
        f(&mut self.history.lock().expect("no panic meanwhile"))
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

    /// What is stored is never older than what has been there.
    fn look(&self) {
        if !SINGLE_THREADED {
            return;
        }
        let stored = self.cache.peek(&KEY);
        self.history(|history| {
            if let Some(stored) = stored {
                assert!(stored >= history.floor, "out of date: {stored}");
                assert!(stored >= history.newest, "an older one came back: {stored}");
                history.newest = stored;
            }
        });
    }

    /// A loader's future, which lasts for `length` turns and may fail or panic.
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

    /// Asks for the key, perhaps not to the end, and checks the answer.
    async fn get(&self, polls: usize, length: usize, fate: u64) {
        let floor = self.history(|history| history.floor);
        let call = self.cache.try_get_with(KEY, || self.load(length, fate));
        if let Some(Ok(Ok(value))) = cancelled_after(polls, caught_in(call)).await {
            assert!(value >= floor, "asked in {floor}, got {value}");
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

/// A load under way: in one generation there is one.
struct Loading {
    world: World,
    generation: u64,
    succeeded: bool,
}

impl Loading {
    fn start(world: &World) -> Self {
        let generation = world.history(|history| {
            let first = history.loaded.insert(history.generation);
            // Between the start of a load and this line, another thread may begin a generation.
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
    // Most callers are patient.
    let polls = if dice.roll(4) == 0 { polls } else { usize::MAX };
    match dice.roll(10) {
        0 => world.insert(),
        1 => world.invalidate(),
        2 => world.refresh(polls, length, fate).await,
        _ => world.get(polls, length, fate).await,
    }
}

#[test]
fn there_is_at_most_one_load_a_key_and_generation_and_nothing_older_is_ever_seen() {
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

/// The gap between the end of a load and its value being there would start a second one.
#[test]
fn a_value_is_there_as_soon_as_its_load_is_over() {
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
