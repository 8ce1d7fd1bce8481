//! Runs all contenders on the same work, in turns.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use super::caches::{Entrant, Key, Settings, Subject, Work};
use super::keys::{Feed, Requests};
use super::stint::{Done, Workers};
use crate::measure::{Progress, Row, Samples, interleaved};

/// The number and the length of the rounds.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Number of rounds. Each figure is the median over them.
    pub rounds: usize,
    /// How long each contender runs in a round.
    pub stint: Duration,
}

/// The contenders, each with its cache.
pub(crate) struct Race<K> {
    lanes: Vec<Lane<K>>,
    pace: Pace,
}

struct Lane<K> {
    entrant: Entrant<K>,
    subject: Option<Arc<dyn Subject<K>>>,
    /// The work of this lane, if it differs from the other lanes' work.
    work: Option<Work>,
    /// The number of requests that the lane has received.
    given: Arc<AtomicU64>,
}

impl<K: Key> Race<K> {
    /// Creates a lane for each contender. Each cache that supports `settings` starts with
    /// `residents`.
    pub(crate) fn new(
        entrants: Vec<Entrant<K>>,
        settings: Settings,
        residents: &[K],
        pace: Pace,
    ) -> Self {
        let lane = |entrant| Lane::new(entrant, settings, residents, None);
        Self {
            lanes: entrants.into_iter().map(lane).collect(),
            pace,
        }
    }

    /// Adds a lane that always does the same work, with settings of its own. The reference for a
    /// comparison is then measured in the same rounds.
    pub(crate) fn add(
        &mut self,
        entrant: Entrant<K>,
        settings: Settings,
        residents: &[K],
        work: Work,
    ) {
        let lane = Lane::new(entrant, settings, residents, Some(work));
        self.lanes.push(lane);
    }

    /// Runs the work on every cache once before the race, so that the entries from before are
    /// evicted.
    pub(crate) fn warm_up(&self, work: Work, requests: &[K]) {
        let workers = Workers::new(1);
        for subject in self.lanes.iter().filter_map(|lane| lane.subject.as_ref()) {
            workers.block_on(subject.work(work, requests));
        }
    }

    /// Runs the same work on every cache, in as many rounds as the pace sets.
    pub(crate) fn run(
        &self,
        workers: &Workers,
        work: Work,
        requests: &Requests<K>,
        progress: &Progress,
    ) -> Vec<Row> {
        let able: Vec<&Lane<K>> = self
            .lanes
            .iter()
            .filter(|lane| lane.can(workers, work))
            .collect();
        let mut done = vec![Done::default(); able.len()];
        let samples = interleaved(self.pace.rounds, able.len(), |contender| {
            let share = able[contender].stint(workers, work, requests, self.pace.stint);
            let share = share.ok_or("a contender can no longer do the work")?;
            done[contender] += share;
            Ok::<_, &str>((share.operations, share.elapsed))
        });
        progress.step();
        let mut measured = samples
            .expect("every lane passed `Lane::can`")
            .into_iter()
            .zip(done);
        let rows = self.lanes.iter().map(|lane| {
            let figures = lane.can(workers, work).then(|| measured.next()).flatten();
            lane.row(workers.threads, work, figures)
        });
        rows.collect()
    }
}

impl<K: Key> Lane<K> {
    fn new(entrant: Entrant<K>, settings: Settings, residents: &[K], work: Option<Work>) -> Self {
        let subject = (entrant.build)(settings);
        if let Some(subject) = &subject {
            Workers::new(1).block_on(subject.fill(residents));
        }
        Self {
            entrant,
            subject,
            work,
            given: Arc::new(AtomicU64::new(residents.len() as u64)),
        }
    }

    /// Whether the contender has a cache with these settings and can do this work.
    fn can(&self, workers: &Workers, work: Work) -> bool {
        let work = self.work.unwrap_or(work);
        let resident = [K::of(0)];
        let subject = self.subject.as_ref();
        subject.is_some_and(|subject| workers.block_on(subject.work(work, &resident)).is_some())
    }

    fn stint(
        &self,
        workers: &Workers,
        work: Work,
        requests: &Requests<K>,
        time: Duration,
    ) -> Option<Done> {
        let feed = Feed::new(requests.clone(), self.given.clone());
        let work = self.work.unwrap_or(work);
        workers.stint(self.subject.as_ref()?, work, &feed, time)
    }

    fn row(&self, threads: usize, work: Work, figures: Option<(Samples, Done)>) -> Row {
        let notes = figures.as_ref().map(|(samples, done)| {
            let throughput = 1_000.0 / samples.median() * threads as f64;
            let mut notes = vec![("million a second".into(), format!("{throughput:.1}"))];
            if work.finds() {
                let hits = done.found as f64 / done.operations as f64 * 100.0;
                notes.push(("hits, %".into(), format!("{hits:.1}")));
            }
            notes
        });
        let samples = figures.map(|(samples, _)| samples);
        self.entrant.row(samples, notes.unwrap_or_default())
    }
}
