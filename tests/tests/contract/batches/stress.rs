//! Many concurrent callers, cancelled at random, over a loader with every kind of failure. Every
//! other caller gets the result of its own key, and nothing is left at the end.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use cache_core::{BatchWindow, LoadError, Loaded, Ttl};

use crate::contract::support::backend::{Dice, cancelled_after, join_all, yields};
use crate::contract::support::batch_backend::MS;
use crate::contract::support::common::{PATIENCE, assert_books_balance, boom};
use crate::harness::{Cache, Task, advance, run, run_seeds, runtime, spawn, task_count, until};

/// The largest batch.
const MAX: usize = 100;

/// A key or value type that counts its live instances.
#[derive(Debug, Clone)]
struct Counted {
    number: u32,
    _life: Arc<()>,
}

impl PartialEq for Counted {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Counted {}

impl std::hash::Hash for Counted {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

/// The settings and observations of the loader.
struct Backend {
    /// Whether each key is requested by a batch at this time.
    at_loader: Vec<AtomicBool>,
    keys: Arc<()>,
    values: Arc<()>,
    errors: Arc<()>,
    batches: AtomicU64,
    running: AtomicUsize,
    at_most: usize,
    dice: Mutex<Dice>,
    /// The first violations. A panic in the loader would be one of the injected faults.
    wrong: Mutex<Vec<&'static str>>,
}

#[derive(Debug)]
enum Failure {
    Key(Counted),
    Batch(#[allow(dead_code, reason = "it is counted")] Arc<()>),
}

/// The keys of a running batch. The drop removes them, however the batch ends.
struct AtLoader(Arc<Backend>, Vec<u32>);

impl AtLoader {
    fn new(backend: &Arc<Backend>, keys: &[Counted]) -> Self {
        backend.must(!keys.is_empty(), "a batch has a key");
        backend.must(keys.len() <= MAX, "no batch is larger than the maximum");
        for key in keys {
            let twice = backend.at_loader[key.number as usize].swap(true, Ordering::SeqCst);
            backend.must(!twice, "no key is in two batches at the same time");
        }
        let running = backend.running.fetch_add(1, Ordering::SeqCst);
        backend.must(running < backend.at_most, "no more batches than the limit");
        backend.batches.fetch_add(1, Ordering::SeqCst);
        let numbers = keys.iter().map(|key| key.number).collect();
        Self(Arc::clone(backend), numbers)
    }
}

impl Drop for AtLoader {
    fn drop(&mut self) {
        for number in &self.1 {
            self.0.at_loader[*number as usize].store(false, Ordering::SeqCst);
        }
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

type Answers = HashMap<Counted, Result<Option<Loaded<Counted>>, Failure>>;

impl Backend {
    fn must(&self, holds: bool, law: &'static str) {
        if !holds {
            self.wrong
                .lock()
                .expect("no other thread panicked")
                .push(law);
        }
    }

    fn roll(&self, sides: u64) -> u64 {
        self.dice
            .lock()
            .expect("no other thread panicked")
            .roll(sides)
    }

    /// Some keys have no value, and some have an error.
    fn answer(&self, key: &Counted) -> Result<Option<Loaded<Counted>>, Failure> {
        match key.number % 20 {
            3 => Err(Failure::Key(key.clone())),
            7 => Ok(None),
            _ => {
                let (number, life) = (key.number, Arc::clone(&self.values));
                let value = Counted {
                    number,
                    _life: life,
                };
                Ok(Some(Loaded::new(value).ttl(Ttl::After(50 * MS))))
            }
        }
    }

    async fn load(
        self: Arc<Self>,
        keys: Vec<Counted>,
        at_loader: AtLoader,
    ) -> Result<Answers, Failure> {
        let (length, fate) = (self.roll(6), self.roll(20));
        yields(usize::try_from(length).expect("a small number")).await;
        match fate {
            0 => boom(),
            1 => return Err(Failure::Batch(Arc::clone(&self.errors))),
            _ => {}
        }
        let answers = keys.into_iter().map(|key| {
            let answer = self.answer(&key);
            (key, answer)
        });
        let answers = answers.collect();
        drop(at_loader);
        Ok(answers)
    }
}

/// Checks that a result belongs to the key.
fn check(number: u32, answer: &Result<Option<Counted>, LoadError<Failure>>) {
    match answer {
        Ok(Some(value)) => assert_eq!(value.number, number),
        Ok(None) => assert_eq!(number % 20, 7, "{number} has a value"),
        Err(LoadError::Loader(failure)) => match &**failure {
            Failure::Key(key) => assert_eq!(key.number, number),
            Failure::Batch(_) => {}
        },
        Err(LoadError::Panicked) => {}
        Err(other) => panic!("{number}: {other:?}"),
    }
}

fn window(dice: &mut Dice) -> BatchWindow {
    match dice.roll(4) {
        0 => BatchWindow::Yield(2),
        1 => BatchWindow::Debounce {
            gap: MS,
            max: 4 * MS,
        },
        2 => BatchWindow::Fixed(std::time::Duration::ZERO),
        _ => BatchWindow::default(),
    }
}

async fn storm(seed: u64, callers: usize, keys: u32) {
    let mut dice = Dice::new(seed);
    let at_most = [usize::MAX, 1, 3][dice.below(3)];
    let backend = Arc::new(Backend {
        at_loader: (0..keys).map(|_| AtomicBool::new(false)).collect(),
        keys: Arc::default(),
        values: Arc::default(),
        errors: Arc::default(),
        batches: AtomicU64::new(0),
        running: AtomicUsize::new(0),
        at_most,
        dice: Mutex::new(Dice::new(!seed)),
        wrong: Mutex::default(),
    });
    let cache: Cache<Counted, Counted> = Cache::builder_on(runtime())
        .max_capacity(u64::from(keys) / 2)
        .detach_loads(dice.roll(3) == 0)
        .build();
    let source = Arc::clone(&backend);
    let view = cache
        .batching_builder(move |keys: Vec<Counted>| {
            let at_loader = AtLoader::new(&source, &keys);
            if source.roll(30) == 0 {
                boom();
            }
            Arc::clone(&source).load(keys, at_loader)
        })
        .max_batch_size(MAX)
        .batch_window(window(&mut dice));
    let view = match at_most {
        usize::MAX => view.build(),
        most => view.max_concurrent_batches(most).build(),
    };
    let served = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    for _ in 0..callers {
        let (handle, served) = (view.clone(), Arc::clone(&served));
        let numbers: Vec<u32> = (0..1 + dice.roll(20) / 17)
            .map(|_| u32::try_from(dice.roll(keys.into())).expect("the number fits into u32"))
            .collect();
        let life = Arc::clone(&backend.keys);
        let (late, polls) = (dice.below(60), dice.below(12));
        let polls = if polls < 4 { polls } else { usize::MAX };
        let task = spawn(async move {
            yields(late).await;
            let keys = numbers.iter().map(|number| {
                let (number, life) = (*number, Arc::clone(&life));
                Counted {
                    number,
                    _life: life,
                }
            });
            let keys: Vec<_> = keys.collect();
            if let Some(answers) = cancelled_after(polls, handle.get_all(keys)).await {
                assert_eq!(answers.len(), numbers.len());
                for (number, answer) in numbers.iter().zip(&answers) {
                    check(*number, answer);
                }
                served.fetch_add(1, Ordering::SeqCst);
            }
        });
        if dice.roll(20) == 0 {
            task.abort();
        } else {
            tasks.push(task);
        }
        if dice.roll(50) == 0 {
            yields(dice.below(10)).await;
        }
        if dice.roll(500) == 0 {
            view.dispatch();
        }
    }
    // Time must pass on a clock that the test moves.
    let started = Instant::now();
    while !tasks.is_empty() {
        assert!(started.elapsed() < PATIENCE, "seed {seed}: a call hangs");
        let (finished, left) = tasks.into_iter().partition(Task::is_finished);
        // Resumes the panic of a check.
        join_all(finished).await;
        tasks = left;
        advance(MS / 4).await;
    }
    drop(view);
    settle(seed, &cache, &backend).await;
    assert!(served.load(Ordering::SeqCst) > callers / 2, "seed {seed}");
    let wrong = backend
        .wrong
        .lock()
        .expect("no other thread panicked")
        .clone();
    assert!(wrong.is_empty(), "seed {seed}: {wrong:?}");
    let stats = cache.stats();
    assert!(stats.largest_batch <= MAX as u64);
    assert!(stats.batches >= backend.batches.load(Ordering::SeqCst));
}

/// Waits until nothing is in flight, and checks that nothing is left.
async fn settle(seed: u64, cache: &Cache<Counted, Counted>, backend: &Arc<Backend>) {
    for _ in 0..40 {
        // Detached batches continue in the background.
        advance(MS).await;
    }
    until(|| task_count() == 0).await;
    assert_eq!(cache.flight_count(), 0, "seed {seed}");
    assert_books_balance(cache);
    let entries = usize::try_from(cache.entry_count()).expect("a small number");
    until(|| Arc::strong_count(&backend.keys) == 1 + entries).await;
    assert_eq!(
        Arc::strong_count(&backend.values),
        1 + entries,
        "seed {seed}"
    );
    assert_eq!(Arc::strong_count(&backend.errors), 1, "seed {seed}");
    assert_eq!(
        Arc::strong_count(backend),
        1,
        "seed {seed}: a batch is left"
    );
    cache.invalidate_all();
    assert_eq!(Arc::strong_count(&backend.values), 1, "seed {seed}");
    assert_eq!(Arc::strong_count(&backend.keys), 1, "seed {seed}");
}

#[test]
fn ten_thousand_random_loads_in_batches_keep_every_invariant() {
    run(|| storm(1, 10_000, 1_000));
}

#[test]
fn ten_thousand_random_loads_in_batches_keep_every_invariant_with_another_seed() {
    run(|| storm(5, 10_000, 1_000));
}

#[test]
fn random_loads_in_batches_keep_every_invariant_in_any_order_of_polls() {
    run_seeds(|seed| async move {
        let full = seed % 50 == 49;
        let (callers, keys) = if full { (10_000, 1_000) } else { (300, 40) };
        storm(seed, callers, keys).await;
    });
}
