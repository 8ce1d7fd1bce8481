//! The promises that caches break. Each is a scenario that runs on any [`Contender`].
//!
//! A scenario first checks its premises (the load has started, the waiter waits), then performs the
//! critical action, then reports the outcome. A premise that fails voids the scenario and does not
//! blame the cache. Time is virtual: an hour costs nothing, and a future that is still pending
//! after an hour hangs for good. A cache that blocks its thread stops the virtual clock too, which
//! is why [`isolation`] runs every scenario in a process of its own.

mod bounds;
mod failures;
mod flights;
mod freshness;
pub mod isolation;
mod reentry;
mod stage;
mod table;
mod writes;

use std::fmt;

use crate::contenders::{Contender, Foyer, Moka, Ours, QuickCache};

pub use self::table::{Style, render};

/// The outcome of a scenario.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// Whether the promise was kept.
    pub status: Status,
    /// The observation, in a few words.
    pub words: String,
}

/// Whether the promise was kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Status {
    /// Yes.
    Kept,
    /// No.
    Broken,
    /// A premise of the scenario failed.
    Void,
    /// The cache does not offer what the promise is about.
    NotOffered,
}

impl Outcome {
    fn new(status: Status, words: impl Into<String>) -> Self {
        Self {
            status,
            words: words.into(),
        }
    }

    fn kept(words: impl Into<String>) -> Self {
        Self::new(Status::Kept, words)
    }

    fn broken(words: impl Into<String>) -> Self {
        Self::new(Status::Broken, words)
    }

    fn not_offered() -> Self {
        Self::new(Status::NotOffered, "not offered")
    }

    fn kept_if(kept: bool, words: impl Into<String>) -> Self {
        if kept {
            Self::kept(words)
        } else {
            Self::broken(words)
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status.mark(), self.words)
    }
}

impl Status {
    const ALL: [Self; 4] = [Self::Kept, Self::Broken, Self::Void, Self::NotOffered];

    const fn mark(self) -> char {
        match self {
            Self::Kept => '✓',
            Self::Broken => '✗',
            Self::Void => '?',
            Self::NotOffered => '–',
        }
    }
}

/// One promise, checked on one cache.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name on the command line.
    pub id: &'static str,
    /// The promise, as the table prints it.
    pub promise: &'static str,
    /// Runs the scenario.
    pub run: fn() -> Outcome,
}

/// A cache with its scenarios. All caches have the same scenarios in the same order.
#[derive(Debug)]
pub struct Column {
    /// The package of the cache.
    pub package: &'static str,
    /// One scenario for each promise.
    pub scenarios: Vec<Scenario>,
}

/// A table of promises.
#[derive(Debug)]
pub struct Topic {
    /// Its heading.
    pub title: &'static str,
    /// Every cache under test, this cache first.
    pub columns: Vec<Column>,
}

/// All tables.
pub fn topics() -> [Topic; 2] {
    [
        Topic {
            title: "Loads, writes and bounds",
            columns: vec![
                column::<Ours>(),
                column::<Moka>(),
                column::<QuickCache>(),
                column::<Foyer>(),
            ],
        },
        Topic {
            title: "Freshness",
            columns: freshness::columns(),
        },
    ]
}

fn column<C: Contender>() -> Column {
    Column {
        package: C::PACKAGE,
        scenarios: scenarios::<C>(),
    }
}

fn scenarios<C: Contender>() -> Vec<Scenario> {
    [
        flights::scenarios::<C>(),
        failures::scenarios::<C>(),
        writes::scenarios::<C>(),
        reentry::scenarios::<C>(),
    ]
    .into_iter()
    .flatten()
    .chain(bounds::scenarios::<C>())
    .collect()
}

/// Creates a scenario from an async function that runs on virtual time.
macro_rules! on_stage {
    ($id:literal, $promise:literal, $body:path) => {
        $crate::promises::Scenario {
            id: $id,
            promise: $promise,
            run: || $crate::promises::stage::perform($body()),
        }
    };
}
use on_stage;
