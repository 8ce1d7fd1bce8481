//! The worst staleness in the logs of all processes.
//!
//! A read is stale if an invalidation of a later version returned `Ok` before the read began. Its
//! staleness is the time from then until it began. The promise bounds it by `max_staleness`.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::log::{Kind, Record, for_each};

/// What the logs show.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The number of reads.
    pub reads: u64,
    /// The number of invalidations that returned `Ok`.
    pub invalidations: u64,
    /// Reads of a version that was invalidated before they began.
    pub stale: u64,
    /// Those that are staler than the bound.
    pub beyond: u64,
    /// The worst staleness.
    pub worst: Duration,
    /// The stalest read.
    pub stalest: Option<Record>,
}

/// Reads the logs, and compares the staleness of every read with `bound`.
///
/// # Errors
/// If a log cannot be read.
pub fn check<P: AsRef<Path>>(
    logs: impl IntoIterator<Item = P> + Clone,
    bound: Duration,
) -> io::Result<Report> {
    let mut report = Report::default();
    let mut promises: HashMap<u32, Vec<(u64, u64)>> = HashMap::new();
    for log in logs.clone() {
        for_each(log.as_ref(), |record| match record.kind {
            Kind::Invalidated => {
                report.invalidations += 1;
                let promises = promises.entry(record.key).or_default();
                promises.push((record.version, record.at));
            }
            Kind::Read => report.reads += 1,
        })?;
    }
    for promises in promises.values_mut() {
        promises.sort_unstable();
        // From now on: when the first invalidation of this version or a later one returned `Ok`.
        let mut first = u64::MAX;
        for (_, at) in promises.iter_mut().rev() {
            first = first.min(*at);
            *at = first;
        }
    }
    for log in logs {
        for_each(log.as_ref(), |record| {
            if record.kind == Kind::Read
                && let Some(promises) = promises.get(&record.key)
                && let next = promises.partition_point(|(version, _)| *version <= record.version)
                && let Some((_, at)) = promises.get(next)
                && *at < record.at
            {
                report.note(record, Duration::from_nanos(record.at - at), bound);
            }
        })?;
    }
    Ok(report)
}

impl Report {
    fn note(&mut self, record: Record, staleness: Duration, bound: Duration) {
        self.stale += 1;
        if staleness > bound {
            self.beyond += 1;
        }
        if staleness > self.worst {
            self.worst = staleness;
            self.stalest = Some(record);
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            reads,
            invalidations,
            stale,
            beyond,
            worst,
            ..
        } = self;
        write!(
            f,
            "{reads} reads, {invalidations} invalidations, {stale} stale reads, {beyond} beyond \
             the bound, the worst by {worst:?}"
        )?;
        match self.stalest {
            Some(record) if *beyond > 0 => write!(f, ": {record:?}"),
            _ => Ok(()),
        }
    }
}
