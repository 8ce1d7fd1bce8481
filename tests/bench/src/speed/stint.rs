//! Runs work on several threads at once until the time is over.

use std::ops::AddAssign;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

use super::caches::{Key, Subject, Work};
use super::keys::Feed;

/// The threads that work on one cache. They are the workers of a Tokio runtime, where an async
/// cache is used in practice.
#[derive(Debug)]
pub(crate) struct Workers {
    runtime: Runtime,
    pub(crate) threads: usize,
}

/// The work of one stint.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Done {
    pub(crate) operations: u64,
    pub(crate) found: u64,
    /// The sum of the times of all threads.
    pub(crate) elapsed: Duration,
}

impl AddAssign for Done {
    fn add_assign(&mut self, other: Self) {
        self.operations += other.operations;
        self.found += other.found;
        self.elapsed += other.elapsed;
    }
}

impl Workers {
    pub(crate) fn new(threads: usize) -> Self {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(threads).enable_time().build();
        Self {
            runtime: runtime.expect("a runtime without I/O needs only threads from the system"),
            threads,
        }
    }

    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Runs the work on all threads. `None`: this cache cannot do it.
    pub(crate) fn stint<K: Key>(
        &self,
        subject: &Arc<dyn Subject<K>>,
        work: Work,
        feed: &Feed<K>,
        time: Duration,
    ) -> Option<Done> {
        let barrier = Arc::new(Barrier::new(self.threads));
        let shares: Vec<_> = (0..self.threads)
            .map(|_| {
                let (subject, feed, barrier) = (subject.clone(), feed.clone(), barrier.clone());
                self.runtime.spawn(async move {
                    // There are as many tasks as workers, so each task has a worker that it may
                    // block.
                    barrier.wait();
                    share(&*subject, work, feed, time).await
                })
            })
            .collect();
        let mut done = Done::default();
        for share in shares {
            done += self.block_on(share).expect("no contender panics")?;
        }
        Some(done)
    }
}

/// One thread's share. It warms up first, since another contender has used the processor's caches
/// before.
async fn share<K: Key>(
    subject: &dyn Subject<K>,
    work: Work,
    mut feed: Feed<K>,
    time: Duration,
) -> Option<Done> {
    run(subject, work, &mut feed, time / 5).await?;
    run(subject, work, &mut feed, time).await
}

async fn run<K: Key>(
    subject: &dyn Subject<K>,
    work: Work,
    feed: &mut Feed<K>,
    time: Duration,
) -> Option<Done> {
    let mut done = Done::default();
    let started = Instant::now();
    while done.elapsed < time {
        let keys = feed.chunk();
        done.found += subject.work(work, keys).await?;
        done.operations += keys.len() as u64;
        done.elapsed = started.elapsed();
    }
    Some(done)
}
