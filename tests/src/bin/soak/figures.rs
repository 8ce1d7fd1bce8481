//! The counters of a run.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// A counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    Rounds,
    Reads,
    Loads,
    Blocked,
    BatchedKeys,
    Refreshes,
    Computations,
    Writes,
    Removals,
    Clears,
    Upkeep,
    LoadersRun,
    Answers,
    Cancelled,
    StoodStill,
    LoaderErrors,
    LoaderPanics,
    LoadersStuck,
    Shutdowns,
}

impl Figure {
    pub(crate) const ALL: [Self; 19] = [
        Self::Rounds,
        Self::Reads,
        Self::Loads,
        Self::Blocked,
        Self::BatchedKeys,
        Self::Refreshes,
        Self::Computations,
        Self::Writes,
        Self::Removals,
        Self::Clears,
        Self::Upkeep,
        Self::LoadersRun,
        Self::Answers,
        Self::Cancelled,
        Self::StoodStill,
        Self::LoaderErrors,
        Self::LoaderPanics,
        Self::LoadersStuck,
        Self::Shutdowns,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Rounds => "rounds, each with a cache of other settings",
            Self::Reads => "reads",
            Self::Loads => "loads requested",
            Self::Blocked => "loads requested by a thread that blocks",
            Self::BatchedKeys => "keys requested in batches",
            Self::Refreshes => "refreshes",
            Self::Computations => "computations",
            Self::Writes => "writes",
            Self::Removals => "removals",
            Self::Clears => "clears",
            Self::Upkeep => "iterations, set_ttl, maintenance",
            Self::LoadersRun => "loaders run",
            Self::Answers => "answers checked",
            Self::Cancelled => "fault: calls cancelled",
            Self::StoodStill => "fault: callers that stalled",
            Self::LoaderErrors => "fault: loader errors",
            Self::LoaderPanics => "fault: loader panics",
            Self::LoadersStuck => "fault: loaders that never end",
            Self::Shutdowns => "fault: runtimes shut down",
        }
    }

    pub(crate) const fn is_operation(self) -> bool {
        matches!(
            self,
            Self::Reads
                | Self::Loads
                | Self::Blocked
                | Self::BatchedKeys
                | Self::Refreshes
                | Self::Computations
                | Self::Writes
                | Self::Removals
                | Self::Clears
                | Self::Upkeep
        )
    }
}

/// All counters of a run, and the violated promises.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    counts: [AtomicU64; Figure::ALL.len()],
    violated: AtomicU64,
    /// Descriptions of the first violations.
    violations: Mutex<Vec<String>>,
}

impl Figures {
    pub(crate) fn count(&self, figure: Figure) {
        self.add(figure, 1);
    }

    pub(crate) fn add(&self, figure: Figure, many: u64) {
        self.counts[figure as usize].fetch_add(many, Ordering::Relaxed);
    }

    pub(crate) fn get(&self, figure: Figure) -> u64 {
        self.counts[figure as usize].load(Ordering::Relaxed)
    }

    /// Records a violated promise.
    pub(crate) fn violate(&self, what: impl fmt::Display) {
        self.violated.fetch_add(1, Ordering::Relaxed);
        let mut violations = self
            .violations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if violations.len() < REPORTED {
            violations.push(what.to_string());
        }
    }

    /// Records a violated promise unless `kept`.
    pub(crate) fn check(&self, kept: bool, what: impl FnOnce() -> String) {
        if !kept {
            self.violate(what());
        }
    }

    pub(crate) fn violated(&self) -> u64 {
        self.violated.load(Ordering::Relaxed)
    }

    pub(crate) fn violations(&self) -> Vec<String> {
        let violations = self.violations.lock();
        violations.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The number of violations that are described.
const REPORTED: usize = 50;
