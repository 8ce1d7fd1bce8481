//! The shop's database, and what becomes of a query to it.

use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use cache_examples::shop::{Profile, Shop, ShopError};

use super::{DELAY, Phase};
use crate::runtime::sleep;

/// The phase that the database is in, the same for all caches.
pub(super) struct Weather {
    phase: AtomicUsize,
    ended: AtomicBool,
    /// When the outage was over.
    back: OnceLock<Instant>,
}

impl Weather {
    pub(super) fn new() -> Self {
        Self {
            phase: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
            back: OnceLock::new(),
        }
    }

    pub(super) fn set(&self, phase: Phase) {
        if phase == Phase::Back {
            self.back.get_or_init(Instant::now);
        }
        self.phase.store(phase as usize, Ordering::SeqCst);
    }

    pub(super) fn phase(&self) -> Phase {
        Phase::ALL[self.phase.load(Ordering::SeqCst)]
    }

    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// When the outage was over; `None` if it is not.
    pub(super) fn back(&self) -> Option<Instant> {
        self.back.get().copied()
    }
}

/// The database as one cache sees it. It counts the queries of each phase.
#[derive(Clone)]
pub(super) struct Database {
    shop: Shop,
    weather: Arc<Weather>,
    queries: Arc<[AtomicU64; Phase::COUNT]>,
}

impl Database {
    pub(super) fn new(shop: &Shop, weather: &Arc<Weather>) -> Self {
        Self {
            shop: shop.clone(),
            weather: Arc::clone(weather),
            queries: Arc::default(),
        }
    }

    /// The number of queries that were sent in this phase, refused ones included.
    pub(super) fn queries(&self, phase: Phase) -> u64 {
        self.queries[phase as usize].load(Ordering::Relaxed)
    }

    pub(super) async fn profile(&self, user: u64) -> Result<Profile, DatabaseError> {
        let phase = self.weather.phase();
        self.queries[phase as usize].fetch_add(1, Ordering::Relaxed);
        if phase == Phase::Slow {
            sleep(DELAY).await;
        }
        if self.weather.phase() == Phase::Down {
            return Err(DatabaseError::Down);
        }
        self.shop.profile(user).await.map_err(DatabaseError::Shop)
    }
}

#[derive(Debug)]
pub(super) enum DatabaseError {
    /// The database refuses the query.
    Down,
    Shop(ShopError),
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Down => f.write_str("the database is down"),
            Self::Shop(error) => error.fmt(f),
        }
    }
}

impl Error for DatabaseError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Down => None,
            Self::Shop(error) => error.source(),
        }
    }
}
