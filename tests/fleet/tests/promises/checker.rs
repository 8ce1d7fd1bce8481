//! The checker itself, on logs that are written by hand.

use std::path::PathBuf;
use std::time::Duration;

use cache_fleet_tests::checker::{self, Report};
use cache_fleet_tests::log::Log;

const BOUND: Duration = Duration::from_nanos(100);

fn report(name: &str, log: impl FnOnce(&Log)) -> Report {
    let name = format!("cache-fleet-log-{}-{name}", std::process::id());
    let path: PathBuf = std::env::temp_dir().join(name);
    let file = Log::create(&path);
    log(&file);
    drop(file);
    let report = checker::check([&path], BOUND).unwrap();
    std::fs::remove_file(path).unwrap();
    report
}

#[test]
fn a_read_is_beyond_the_bound_from_the_first_invalidation_of_a_later_version() {
    let report = report("bound", |log| {
        log.invalidated(1, 3, 1_000);
        log.invalidated(1, 2, 1_040);
        log.invalidated(2, 9, 0);
        // Before the invalidation returned, within the bound, beyond it.
        log.read(1, 1, 999);
        log.read(1, 2, 1_100);
        log.read(1, 1, 1_101);
        // The version of the last invalidation, and a later one.
        log.read(1, 3, 9_000);
        log.read(1, 4, 9_000);
        // A key that was never invalidated.
        log.read(3, 1, 9_000);
    });
    assert_eq!((report.reads, report.invalidations), (6, 3));
    assert_eq!((report.stale, report.beyond), (2, 1));
    assert_eq!(report.worst, Duration::from_nanos(101));
    assert_eq!(report.stalest.unwrap().at, 1_101);
}

#[test]
fn the_order_of_a_log_is_not_that_of_time() {
    let report = report("order", |log| {
        log.read(1, 1, 2_000);
        log.invalidated(1, 2, 1_000);
    });
    assert_eq!(
        (report.beyond, report.worst),
        (1, Duration::from_nanos(1_000))
    );
}
