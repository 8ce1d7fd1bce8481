//! This cache keeps every promise of the table, and every scenario checks its promise.

use std::path::Path;

use cache_bench::contenders::{Contender, Ours};
use cache_bench::promises::{Column, Outcome, Status, Style, isolation, render, topics};

#[test]
fn this_cache_keeps_every_promise() {
    for topic in topics() {
        let columns: Vec<Column> = topic.columns.into_iter().filter(is_ours).collect();
        let outcomes = outcomes(&columns);
        let mut all = outcomes.iter().flatten();
        let kept = all.all(|outcome| outcome.status == Status::Kept);
        assert!(kept, "\n{}", render(&columns, &outcomes, Style::Terminal));
    }
}

/// A premise that fails is a fault of the scenario, not of the cache.
#[test]
fn every_scenario_meets_its_premises() {
    for topic in topics() {
        let outcomes = outcomes(&topic.columns);
        let mut all = outcomes.iter().flatten();
        let void = all.any(|outcome| outcome.status == Status::Void);
        assert!(
            !void,
            "\n{}",
            render(&topic.columns, &outcomes, Style::Terminal)
        );
    }
}

/// A failure here is a fault of the harness.
#[test]
fn every_cache_loads_once_for_a_thundering_herd() {
    let [loads, _] = topics();
    for column in loads.columns {
        let scenario = column
            .scenarios
            .iter()
            .find(|scenario| scenario.id == "thundering-herd");
        let outcome = scenario.map(|scenario| (scenario.run)());
        let status = outcome.map(|outcome| outcome.status);
        assert_eq!(status, Some(Status::Kept), "{}", column.package);
    }
}

fn outcomes(columns: &[Column]) -> Vec<Vec<Outcome>> {
    let program = Path::new(env!("CARGO_BIN_EXE_promises"));
    isolation::outcomes(program, columns).expect("the program starts")
}

fn is_ours(column: &Column) -> bool {
    column.package == Ours::PACKAGE
}
