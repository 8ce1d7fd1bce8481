//! Chapter 7: the database becomes slow, then refuses every query, then works again.

mod database;
mod promises;
mod trial;

use std::sync::Arc;
use std::time::{Duration, Instant};

use cache_examples::bar::Bar;
use cache_examples::figures::{count, counted, time};
use cache_examples::report::{self, Report};
use cache_examples::shop::Shop;

use self::database::Weather;
use self::trial::Trial;
use crate::BoxError;
use crate::flags::Plan;
use crate::runtime::{Cache, sleep};
use crate::stats::Observed;

pub(crate) async fn chapter(
    plan: &Plan,
    shop: &Shop,
    report: &mut Report,
) -> Result<Observed, BoxError> {
    let users = USERS.min(plan.stock.users);
    report.chapter("An outage", &introduction(users));
    let weather = Arc::new(Weather::new());
    let trials = caches().map(|(name, cache)| Trial::new(name, cache, users, shop, &weather));
    let took = run(&trials, &weather).await?;
    show(&trials, &took, report);
    promises::check(&trials, &took, report);
    let [.., last] = &trials;
    Ok(Observed::new(
        "outage",
        last.cache.stats(),
        last.cache.entry_count(),
    ))
}

fn introduction(users: u64) -> String {
    format!(
        "{} request the profiles of {} through three caches while the database changes: it works, then \
         each query takes {}, then it refuses every query, then it works again. All caches have a \
         ttl of {}. The second one returns a value for {} longer and refreshes it in the background \
         (stale_while_revalidate), and the third one also returns it for a minute if its load fails \
         (stale_if_error). After a failed load they leave a key alone for {} to {}.",
        counted(READERS, "reader", "readers"),
        counted(users, "user", "users"),
        time(DELAY),
        time(TTL),
        time(REVALIDATE),
        time(BACKOFF.0),
        time(BACKOFF.1),
    )
}

/// The caches, each with the name of the setting that it adds to the one before it.
fn caches() -> [(&'static str, Cache<u64, trial::Row>); 3] {
    let plain = || Cache::builder().max_capacity(1_000).time_to_live(TTL);
    let revalidating = || {
        plain()
            .stale_while_revalidate(REVALIDATE)
            .refresh_backoff(BACKOFF.0, BACKOFF.1)
    };
    let keeping = revalidating().stale_if_error(KEEP);
    [
        ("no windows", plain().build()),
        ("stale-while-revalidate", revalidating().build()),
        ("and stale-if-error", keeping.build()),
    ]
}

/// Runs the readers of all caches through the phases. Returns how long each phase took.
async fn run(trials: &[Trial], weather: &Weather) -> Result<[Duration; Phase::COUNT], BoxError> {
    for trial in trials {
        trial.load_all().await?;
    }
    let readers: Vec<_> = trials.iter().flat_map(Trial::start).collect();
    let bar = Bar::new(Phase::COUNT as u64, "the outage");
    let mut took = [Duration::ZERO; Phase::COUNT];
    for (phase, took) in Phase::ALL.into_iter().zip(&mut took) {
        let began = Instant::now();
        weather.set(phase);
        sleep(phase.length()).await;
        if phase == Phase::Back {
            // The last phase continues until every cache has new values.
            while !trials.iter().all(Trial::is_fresh) && began.elapsed() < PATIENCE {
                sleep(PAUSE).await;
            }
        }
        *took = began.elapsed();
        bar.add(1);
    }
    weather.end();
    for reader in readers {
        reader.await?;
    }
    Ok(took)
}

fn show(trials: &[Trial; 3], took: &[Duration; Phase::COUNT], report: &Report) {
    let header = ["the database", "answers", "errors", "p50", "p99", "queries"];
    let mut table = report::table(1, header);
    for (phase, took) in Phase::ALL.into_iter().zip(took) {
        table.add_row([format!("{}, for {}", phase.name(), time(*took))]);
        for trial in trials {
            let seen = trial.seen(phase);
            table.add_row([
                format!("  {}", trial.name),
                count(seen.answers),
                count(seen.errors),
                seen.latencies.quantile(0.5),
                seen.latencies.quantile(0.99),
                count(trial.database.queries(phase)),
            ]);
        }
    }
    report.table(&table);
    let recovery = |trial: &Trial| trial.recovery().map_or_else(|| "never".to_owned(), time);
    let [plain, revalidating, keeping] = trials.each_ref().map(recovery);
    report.text(&format!(
        "The readers had seen new values of all users {plain}, {revalidating} and {keeping} after \
         the outage, in the order of the table.",
    ));
    println!();
}

/// What the database does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Works,
    Slow,
    Down,
    Back,
}

impl Phase {
    const COUNT: usize = 4;
    const ALL: [Self; Self::COUNT] = [Self::Works, Self::Slow, Self::Down, Self::Back];

    const fn name(self) -> &'static str {
        match self {
            Self::Works => "works",
            Self::Slow => "is slow",
            Self::Down => "is down",
            Self::Back => "works again",
        }
    }

    const fn length(self) -> Duration {
        match self {
            Self::Works => Duration::from_millis(300),
            Self::Slow => Duration::from_millis(700),
            Self::Down => Duration::from_millis(1_400),
            Self::Back => Duration::from_millis(300),
        }
    }
}

/// The users that are read.
const USERS: u64 = 20;

/// The readers of each cache. Each sends its next request after a pause.
const READERS: u64 = 8;
const PAUSE: Duration = Duration::from_millis(2);

const TTL: Duration = Duration::from_millis(150);

/// Longer than several queries to the slow database, and over before the outage is.
const REVALIDATE: Duration = Duration::from_millis(600);

const KEEP: Duration = Duration::from_secs(60);

/// The pauses after failed loads. A program would take the default, seconds.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(200));

/// How long a query to the slow database takes.
const DELAY: Duration = Duration::from_millis(80);

/// A cache that has no new values after this time is broken.
const PATIENCE: Duration = Duration::from_secs(10);
