//! The counters of the model.

use std::collections::BTreeMap;

use cache_core::machine::{Counters, RemovalCause};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) inserted: u64,
    pub(super) started: u64,
    pub(super) succeeded: u64,
    pub(super) failed: u64,
    pub(super) dropped: u64,
    pub(super) fenced: u64,
    pub(super) joined: u64,
    pub(super) removed: BTreeMap<RemovalCause, u64>,
    pub(super) evicted_weight: u64,
}

impl Tally {
    pub(super) fn of(counters: &Counters) -> Self {
        let removed = RemovalCause::ALL.map(|cause| (cause, counters.removed(cause)));
        Self {
            inserted: counters.inserted,
            started: counters.loads_started,
            succeeded: counters.loads_succeeded,
            failed: counters.loads_failed,
            dropped: counters.loads_dropped,
            fenced: counters.loads_fenced,
            joined: counters.loads_joined,
            evicted_weight: counters.evicted_weight(),
            removed: removed
                .into_iter()
                .filter(|&(_, count)| count > 0)
                .collect(),
        }
    }
}
