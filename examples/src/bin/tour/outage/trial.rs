//! One cache, its readers, and what they see in each phase.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cache_core::LoadError;
use cache_examples::shop::{Profile, Shop};

use super::database::{Database, DatabaseError, Weather};
use super::{PAUSE, Phase, READERS};
use crate::BoxError;
use crate::latency::Latencies;
use crate::runtime::{Cache, Task, sleep, spawn};

/// A profile, and when its query was sent.
pub(super) type Row = Arc<(Profile, Instant)>;

#[derive(Clone)]
pub(super) struct Trial {
    pub(super) name: &'static str,
    pub(super) cache: Cache<u64, Row>,
    pub(super) database: Database,
    users: u64,
    weather: Arc<Weather>,
    record: Arc<Mutex<Record>>,
}

/// What the readers of one cache saw in one phase.
#[derive(Clone)]
pub(super) struct Seen {
    pub(super) answers: u64,
    pub(super) errors: u64,
    /// Answers of other users.
    pub(super) wrong: u64,
    pub(super) latencies: Latencies,
}

struct Record {
    phases: [Seen; Phase::COUNT],
    /// The users of whom a reader has seen a value from after the outage.
    fresh: HashSet<u64>,
    /// From the end of the outage to the first such value of the last user.
    recovery: Option<Duration>,
}

impl Trial {
    pub(super) fn new(
        name: &'static str,
        cache: Cache<u64, Row>,
        users: u64,
        shop: &Shop,
        weather: &Arc<Weather>,
    ) -> Self {
        let seen = || Seen {
            answers: 0,
            errors: 0,
            wrong: 0,
            latencies: Latencies::new(),
        };
        let record = Record {
            phases: [seen(), seen(), seen(), seen()],
            fresh: HashSet::new(),
            recovery: None,
        };
        Self {
            name,
            cache,
            database: Database::new(shop, weather),
            users,
            weather: Arc::clone(weather),
            record: Arc::new(Mutex::new(record)),
        }
    }

    /// Loads every user once.
    pub(super) async fn load_all(&self) -> Result<(), BoxError> {
        for user in 1..=self.users {
            self.get(user).await?;
        }
        Ok(())
    }

    /// Starts the readers.
    pub(super) fn start(&self) -> Vec<Task<()>> {
        let reader = |number| spawn(self.clone().read(number));
        (0..READERS).map(reader).collect()
    }

    pub(super) fn seen(&self, phase: Phase) -> Seen {
        self.record().phases[phase as usize].clone()
    }

    /// Whether the readers have seen new values of all users since the outage.
    pub(super) fn is_fresh(&self) -> bool {
        self.record().fresh.len() as u64 == self.users
    }

    pub(super) fn recovery(&self) -> Option<Duration> {
        self.record().recovery
    }

    /// Reads through the cache, with all the code that a program needs.
    async fn get(&self, user: u64) -> Result<Row, LoadError<DatabaseError>> {
        let load = || {
            let database = self.database.clone();
            async move {
                let sent = Instant::now();
                let profile = database.profile(user).await?;
                Ok(Arc::new((profile, sent)))
            }
        };
        self.cache.try_get_with(user, load).await
    }

    async fn read(self, number: u64) {
        let mut user = number;
        while !self.weather.has_ended() {
            user = user % self.users + 1;
            let (phase, began) = (self.weather.phase(), Instant::now());
            let answer = self.get(user).await;
            self.note(phase, user, began.elapsed(), answer.ok());
            sleep(PAUSE).await;
        }
    }

    fn note(&self, phase: Phase, user: u64, took: Duration, answer: Option<Row>) {
        let mut record = self.record();
        let seen = &mut record.phases[phase as usize];
        seen.latencies.record(took);
        let Some(row) = answer else {
            seen.errors += 1;
            return;
        };
        seen.answers += 1;
        seen.wrong += u64::from(row.0.user != user);
        if let Some(back) = self.weather.back()
            && row.1 >= back
            && record.fresh.insert(user)
            && record.fresh.len() as u64 == self.users
        {
            record.recovery = Some(back.elapsed());
        }
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
