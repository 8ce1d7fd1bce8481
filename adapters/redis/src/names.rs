//! The names on the server, and the generation that keys are of.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};

/// The part of all keys that a clear replaces: values of another generation are out of reach.
///
/// Random, so that a control key that was evicted cannot come back with a generation that was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Generation(u64);

/// The number of characters of a generation.
const DIGITS: usize = 16;

impl Generation {
    pub(crate) fn new(random: u64) -> Self {
        Self(random)
    }

    /// The generation in the content of the control key: it and the server's identity.
    pub(crate) fn of_control(control: &[u8]) -> Option<Self> {
        Self::parse(control.get(..DIGITS)?)
    }

    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let text = str::from_utf8(text).ok()?;
        let generation = Self(u64::from_str_radix(text, 16).ok()?);
        (generation.to_string() == text).then_some(generation)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0DIGITS$x}", self.0)
    }
}

/// The names that a namespace has on the server.
#[derive(Debug)]
pub(crate) struct Names {
    namespace: String,
    schemas: Vec<u32>,
    pub(crate) control: String,
    pub(crate) channel: String,
}

impl Names {
    /// `schemas` begins with the program's own.
    pub(crate) fn new(namespace: &str, schemas: Vec<u32>) -> Self {
        Self {
            namespace: namespace.to_string(),
            schemas,
            control: format!("{namespace}:ctl"),
            channel: format!("{namespace}:feed"),
        }
    }

    pub(crate) fn key(&self, generation: Generation, text: &str) -> String {
        self.key_of_schema(generation, self.schemas[0], text)
    }

    /// The keys of a text in all schemas, the program's own first.
    pub(crate) fn keys<'a>(
        &'a self,
        generation: Generation,
        text: &'a str,
    ) -> impl Iterator<Item = String> + 'a {
        let schemas = self.schemas.iter();
        schemas.map(move |&schema| self.key_of_schema(generation, schema, text))
    }

    pub(crate) fn schemas(&self) -> usize {
        self.schemas.len()
    }

    fn key_of_schema(&self, generation: Generation, schema: u32, text: &str) -> String {
        format!("{}:{generation}:s{schema}:{text}", self.namespace)
    }
}

/// Random numbers, different in each process: the system's randomness seeds them.
#[derive(Debug, Default)]
pub(crate) struct Random {
    seed: RandomState,
    next: AtomicU64,
}

impl Random {
    pub(crate) fn next(&self) -> u64 {
        self.seed
            .hash_one(self.next.fetch_add(1, Ordering::Relaxed))
    }
}
