//! The promises that caches break, each as a scenario that any [`Contender`] can be put through.
//!
//! A scenario first makes sure that it got as far as it meant to (its premises: the load has started, the waiter waits),
//! then does the awkward thing, then says what came of it. A premise that fails voids the scenario instead of blaming
//! the cache. Time is virtual, so a wait of an hour costs nothing and a future that is still pending after it hangs for
//! good. A cache that blocks its thread stops the clock too, which is why [`isolation`] runs every scenario in a process
//! of its own.

mod bounds;
mod failures;
mod flights;
pub mod isolation;
mod reentry;
mod stage;
mod table;
mod writes;

use std::fmt;

use crate::contenders::{Contender, Foyer, Moka, Ours, QuickCache};

pub use self::table::{Style, render};

/// What came of a scenario.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// Was the promise kept?
    pub verdict: Verdict,
    /// What was seen, in a few words.
    pub words: String,
}

/// Was the promise kept?
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Yes.
    Kept,
    /// No.
    Broken,
    /// The scenario did not get as far as the question.
    Void,
}

impl Outcome {
    fn new(verdict: Verdict, words: impl Into<String>) -> Self {
        Self {
            verdict,
            words: words.into(),
        }
    }

    fn kept(words: impl Into<String>) -> Self {
        Self::new(Verdict::Kept, words)
    }

    fn broken(words: impl Into<String>) -> Self {
        Self::new(Verdict::Broken, words)
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
        write!(f, "{} {}", self.verdict.mark(), self.words)
    }
}

impl Verdict {
    const ALL: [Self; 3] = [Self::Kept, Self::Broken, Self::Void];

    const fn mark(self) -> char {
        match self {
            Self::Kept => '✓',
            Self::Broken => '✗',
            Self::Void => '?',
        }
    }
}

/// One promise, put to one cache.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name on the command line.
    pub id: &'static str,
    /// What is promised.
    pub promise: &'static str,
    /// Puts the cache through it.
    pub run: fn() -> Outcome,
}

/// A cache with every scenario it is put through; the scenarios are the same, in the same order, for all.
#[derive(Debug)]
pub struct Column {
    /// The package of the cache.
    pub package: &'static str,
    /// One scenario for each promise.
    pub scenarios: Vec<Scenario>,
}

/// Every cache that takes part, ours first.
pub fn columns() -> Vec<Column> {
    vec![
        column::<Ours>(),
        column::<Moka>(),
        column::<QuickCache>(),
        column::<Foyer>(),
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

/// Writes down a scenario; its body is an async function that runs on virtual time.
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
