use std::rc::Rc;
use std::time::Duration;

use cache_core::testing::{Fault, Step, VirtualRuntime};
use futures_util::future::{Either, select};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::fleet::{DELTA, Fleet, Process, Staleness, ms};

/// How long the tasks of a program run.
const LENGTH: Duration = Duration::from_secs(4);

const KEYS: u32 = 3;

/// What may go wrong in a program.
#[derive(Debug, Clone, Copy)]
struct Faults {
    /// In a thousand messages.
    rate: u32,
    longest_delay: u64,
    with_chaos: bool,
}

impl Faults {
    fn draw(dice: &mut SmallRng) -> Self {
        Self {
            rate: [0, 5, 50, 200][dice.random_range(0..4)],
            longest_delay: [2, 30, 800][dice.random_range(0..3)],
            with_chaos: dice.random_bool(0.5),
        }
    }

    fn next(self, dice: &mut SmallRng) -> Fault {
        if dice.random_range(0..1_000) >= self.rate {
            return Fault::Delay(Duration::from_micros(dice.random_range(0..1_000)));
        }
        match dice.random_range(0..8) {
            0 => Fault::Lose,
            1 => Fault::Fail,
            2 => Fault::Cut,
            3 => Fault::Double,
            _ => Fault::Delay(ms(dice.random_range(0..self.longest_delay))),
        }
    }
}

/// Runs the program of `seed`, and checks what every program promises.
fn run(seed: u64) -> Staleness {
    let mut dice = SmallRng::seed_from_u64(seed);
    let fleet = Fleet::on(VirtualRuntime::seeded(seed));
    let faults = Faults::draw(&mut dice);
    let mut message_dice = SmallRng::seed_from_u64(seed ^ 1);
    fleet
        .server
        .set_faults(move |_, _: Step| faults.next(&mut message_dice));
    let count = dice.random_range(2..=4);
    let processes: Rc<Vec<Process>> = Rc::new((0..count).map(|_| fleet.process()).collect());
    let mut tasks = vec![];
    for process in 0..count {
        for task in 0..dice.random_range(1..4) {
            let seed = seed.wrapping_mul(100) + 10 * process + task;
            let work = work(fleet.clone(), Rc::clone(&processes), process, seed);
            tasks.push(fleet.runtime.spawn(work));
        }
    }
    if faults.with_chaos {
        let chaos = chaos(fleet.clone(), Rc::clone(&processes), seed ^ 2);
        tasks.push(fleet.runtime.spawn(chaos));
    }
    // No call waits longer than this: soft timeouts, the wait for another process, a load, or the
    // timeout of a write.
    fleet.runtime.advance(LENGTH + Duration::from_secs(10));
    let hanging = tasks.iter().filter(|task| !task.is_finished()).count();
    assert_eq!(hanging, 0, "seed {seed}: tasks hang");
    let staleness = fleet.staleness();
    assert_eq!(
        staleness.violations, 0,
        "seed {seed}: {faults:?} {staleness:?}"
    );
    check_recovery(&fleet, &processes, seed);
    staleness
}

/// Calls of one task at random.
async fn work(fleet: Fleet, processes: Rc<Vec<Process>>, process: u64, seed: u64) {
    let mut dice = SmallRng::seed_from_u64(seed);
    let process = &processes[usize::try_from(process).expect("a small number")];
    let end = fleet.runtime.now().after(LENGTH);
    let batches = process.cache.batching({
        let fleet = fleet.clone();
        move |keys: Vec<u32>| {
            let fleet = fleet.clone();
            async move {
                let values: Vec<_> = keys.iter().map(|key| fleet.begin_load(*key)).collect();
                fleet.sleep(ms(10)).await;
                values
            }
        }
    });
    while !end.has_passed(fleet.runtime.now()) {
        let key = dice.random_range(0..KEYS);
        let load_time = ms([0, 1, 20, 400][dice.random_range(0..4)]);
        match dice.random_range(0..20) {
            0 => _ = process.invalidate(key).await,
            1 => {
                if dice.random_bool(0.5) {
                    process.insert(key).await;
                } else {
                    process.refresh(key, load_time).await;
                }
            }
            2 => {
                // Most programs must keep some values.
                if dice.random_bool(0.1) {
                    process.invalidate_all().await;
                }
            }
            3 => {
                let call = std::pin::pin!(process.get(key, load_time));
                let limit = fleet.runtime.sleep(ms(dice.random_range(0..30)));
                // The caller is dropped if the limit comes first.
                if let Either::Left((value, _)) = select(call, limit).await {
                    assert!(value > 0);
                }
            }
            4..7 => {
                let began = process.begin();
                for (key, value) in (0..KEYS).zip(batches.get_all(0..KEYS).await) {
                    let value = value.expect("the loader does not fail");
                    process.log_read(key, value.expect("it finds every key"), began);
                }
            }
            7..10 => _ = process.peek(key),
            10..12 => _ = process.get_scoped(key, load_time).await,
            _ => _ = process.get(key, load_time).await,
        }
        fleet.sleep(ms(dice.random_range(0..40))).await;
    }
}

/// Faults that last.
async fn chaos(fleet: Fleet, processes: Rc<Vec<Process>>, seed: u64) {
    let mut dice = SmallRng::seed_from_u64(seed);
    let end = fleet.runtime.now().after(LENGTH);
    while !end.has_passed(fleet.runtime.now()) {
        let process = &processes[dice.random_range(0..processes.len())];
        let lasts = ms(dice.random_range(0..1_500));
        match dice.random_range(0..5) {
            0 => fleet.server.restart(),
            1 => {
                fleet.server.set_read_only(true);
                fleet.sleep(lasts).await;
                fleet.server.set_read_only(false);
            }
            2 => process.cache.tier().cut(),
            _ => {
                process.cache.tier().stall(true);
                fleet.sleep(lasts).await;
                process.cache.tier().stall(false);
            }
        }
        fleet.sleep(ms(dice.random_range(0..500))).await;
    }
}

/// Once the faults end, the fleet is as one that had none.
fn check_recovery(fleet: &Fleet, processes: &[Process], seed: u64) {
    fleet.server.set_faults(|_, _| Fault::None);
    fleet.runtime.advance(2 * DELTA + Duration::from_secs(4));
    fleet.run(async {
        for key in 0..KEYS {
            let value = processes[0].get(key, ms(1)).await;
            for process in processes {
                let stats = process.stats();
                assert!(!stats.is_breaker_open, "seed {seed}");
                assert!(!stats.horizon_left.is_zero(), "seed {seed}");
                process.get(key, ms(1)).await;
            }
            assert!(processes[0].invalidate(key).await, "seed {seed}");
            fleet.sleep(ms(1)).await;
            for process in processes {
                assert_eq!(process.peek(key), None, "seed {seed}");
            }
            let new = processes[0].get(key, ms(1)).await;
            assert_ne!(new, value);
            for process in processes {
                assert_eq!(process.get(key, ms(1)).await, new, "seed {seed}");
                assert_eq!(process.peek(key), Some(new), "seed {seed}");
            }
        }
    });
    assert_eq!(fleet.staleness().violations, 0, "seed {seed}");
}

/// `CACHE_SEEDS=100000` runs more programs, `CACHE_SEED=7` the program of one seed.
#[test]
fn no_random_program_reads_an_old_value_after_the_bound() {
    let number = |name| std::env::var(name).map(|text| text.parse().expect("a number"));
    if let Ok(seed) = number("CACHE_SEED") {
        println!("{:?}", run(seed));
        return;
    }
    let seeds = number("CACHE_SEEDS").unwrap_or(300);
    let all: Vec<_> = (0..seeds).map(run).collect();
    let sum = |count: fn(&Staleness) -> usize| all.iter().map(count).sum::<usize>();
    let worst = all.iter().map(|staleness| staleness.worst).max();
    let worst = worst.expect("at least one program");
    println!(
        "{} reads and {} writes in {seeds} programs, worst staleness {worst:?}",
        sum(|staleness| staleness.reads),
        sum(|staleness| staleness.writes),
    );
    // Otherwise the faults have no effect.
    assert!(worst > DELTA / 4, "worst staleness {worst:?}");
}
