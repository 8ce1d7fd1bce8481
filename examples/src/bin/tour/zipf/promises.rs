//! The promises that must hold at every capacity.

use cache_examples::figures::{count, percent, time};
use cache_examples::report::Report;

use super::{Baseline, Trial};

pub(super) fn check(baseline: &Baseline, trials: &[Trial], report: &mut Report) {
    report.promise_count(
        "queries without a cache",
        baseline.run.requests,
        baseline.queries,
    );
    each(
        "every answer equals the database's answer",
        trials,
        report,
        |trial| {
            (trial.run.digest != baseline.run.digest)
                .then(|| "another sum over all answers".to_owned())
        },
    );
    each(
        "every request is a hit or a miss",
        trials,
        report,
        |trial| {
            let counted = trial.stats.requests();
            (counted != trial.run.requests).then(|| format!("{} counted", count(counted)))
        },
    );
    each(
        "one query for each load and none for a hit",
        trials,
        report,
        |trial| {
            let (queries, loads) = (trial.queries, trial.stats.loads);
            let wrong = queries != loads || queries > trial.stats.misses;
            wrong.then(|| format!("{} queries, {} loads", count(queries), count(loads)))
        },
    );
    each("no cache outgrows its capacity", trials, report, |trial| {
        (trial.entries > trial.capacity).then(|| format!("{} entries", count(trial.entries)))
    });
    rising_hit_rate(trials, report);
    faster(baseline, trials, report);
}

/// Checks one promise for each trial. `complaint` describes a failure.
fn each(
    promise: &str,
    trials: &[Trial],
    report: &mut Report,
    complaint: impl Fn(&Trial) -> Option<String>,
) {
    let first = trials
        .iter()
        .find_map(|trial| Some((trial.capacity, complaint(trial)?)));
    report.promise(
        promise,
        first.map(|(capacity, text)| format!("{text}, at capacity {}", count(capacity))),
    );
}

fn rising_hit_rate(trials: &[Trial], report: &mut Report) {
    // Allows for chance between capacities that are close together.
    const TOLERANCE: f64 = 0.01;

    let rates: Vec<f64> = trials.iter().map(|trial| trial.stats.hit_rate()).collect();
    let fall = rates.windows(2).find(|pair| pair[1] < pair[0] - TOLERANCE);
    let found = fall.map(|pair| format!("{} after {}", percent(pair[1]), percent(pair[0])));
    report.promise("a larger cache hits at least as often", found);
}

/// Promised only if most requests are hits. A tiny cache may be no faster than none.
fn faster(baseline: &Baseline, trials: &[Trial], report: &mut Report) {
    if let Some(trial) = trials.iter().rfind(|trial| trial.stats.hit_rate() > 0.5) {
        let (with, without) = (trial.run.elapsed, baseline.run.elapsed);
        let slower =
            (with >= without).then(|| format!("{} instead of {}", time(with), time(without)));
        report.promise(
            &format!("a cache of {} is faster than none", count(trial.capacity)),
            slower,
        );
    }
}
