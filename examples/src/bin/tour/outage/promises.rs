//! What must hold on any machine, however busy it is.

use std::time::Duration;

use cache_examples::figures::time;
use cache_examples::report::Report;

use super::trial::Trial;
use super::{BACKOFF, DELAY, PATIENCE, Phase, USERS};

pub(super) fn check(trials: &[Trial; 3], took: &[Duration; Phase::COUNT], report: &mut Report) {
    let [plain, revalidating, keeping] = trials;
    let wrong = |trial: &Trial| Phase::ALL.map(|phase| trial.seen(phase).wrong);
    let wrong = trials.iter().flat_map(wrong).sum();
    report.promise_count("answers of other users", 0, wrong);
    slow(plain, [revalidating, keeping], report);
    down([plain, revalidating], keeping, report);
    bounded(keeping, took[Phase::Down as usize], report);
    each(
        "after the outage, every cache has new values of all users",
        trials,
        report,
        |trial| (!trial.is_fresh()).then(|| format!("old ones after {}", time(PATIENCE))),
    );
}

fn slow(plain: &Trial, windowed: [&Trial; 2], report: &mut Report) {
    let longest = plain.seen(Phase::Slow).latencies.max();
    report.promise(
        "without windows, readers wait for the slow database",
        (longest < DELAY).then(|| format!("{} at most", time(longest))),
    );
    each(
        "with stale-while-revalidate, 99 % of the requests do not",
        windowed,
        report,
        |trial| {
            let p99 = trial.seen(Phase::Slow).latencies.at(0.99);
            (p99 >= DELAY).then(|| format!("p99 is {}", time(p99)))
        },
    );
}

fn down(failing: [&Trial; 2], keeping: &Trial, report: &mut Report) {
    each(
        "without stale-if-error, requests fail while the database is down",
        failing,
        report,
        |trial| (trial.seen(Phase::Down).errors == 0).then(|| "no error".to_owned()),
    );
    let errors = Phase::ALL.map(|phase| keeping.seen(phase).errors);
    report.promise_count("errors with stale-if-error", 0, errors.iter().sum());
}

/// A key that backs off sends no query.
fn bounded(keeping: &Trial, outage: Duration, report: &mut Report) {
    let (mut attempts, mut at, mut pause) = (1, BACKOFF.0, BACKOFF.0);
    while at <= outage {
        attempts += 1;
        pause = (pause * 2).min(BACKOFF.1);
        at += pause;
    }
    let (most, sent) = (USERS * attempts, keeping.database.queries(Phase::Down));
    report.promise(
        &format!("a database that is down then gets at most {attempts} queries for each user"),
        (sent > most).then(|| format!("{sent} queries in all")),
    );
}

/// Checks one promise for several caches. `complaint` describes a failure.
fn each<'a>(
    promise: &str,
    trials: impl IntoIterator<Item = &'a Trial>,
    report: &mut Report,
    complaint: impl Fn(&Trial) -> Option<String>,
) {
    let mut trials = trials.into_iter();
    let found = trials.find_map(|trial| Some(format!("{}, {}", complaint(trial)?, trial.name)));
    report.promise(promise, found);
}
