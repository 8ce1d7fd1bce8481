//! The operations on the server, on texts of keys and bytes of values.
//!
//! | file | what it holds |
//! |---|---|
//! | `link` | the connection for commands, and what its errors mean |
//! | `state` | what the connections have learned |
//! | `read` | reads: values, and leases of the keys that have none |
//! | `lease` | the ends of leases: fill, renew, release |
//! | `write` | what reaches every first tier: remove, put, clear |
//! | `generation` | generations, and removals that are sent again |

mod generation;
mod lease;
mod link;
mod read;
mod state;
mod write;

use std::sync::Mutex;
use std::time::Duration;

use redis::{Client, Value};

use crate::error::Error;
use crate::names::{Names, Random};
use crate::recovery::Recovery;
use crate::settings::Settings;
use crate::stats::Counters;
use crate::wire::Tag;
use state::ConnectionState;

pub(crate) use link::Link;
pub(crate) use read::Item;
pub(crate) use state::ServerClock;
pub(crate) use write::Write;

/// How many keys one script gets: the server serves no other request while it runs.
const KEYS_OF_A_SCRIPT: usize = 256;
/// How many removals the tier remembers, to send them again.
const REMEMBERED: usize = 10_000;

/// A script's item: the server is full.
const FULL: i64 = -11;

/// What all handles of a tier share.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) client: Client,
    pub(crate) settings: Settings,
    pub(crate) names: Names,
    pub(crate) recovery: Recovery,
    pub(crate) counters: Counters,
    pub(crate) random: Random,
    /// Of the messages of this tier.
    pub(crate) origin: String,
    state: Mutex<ConnectionState>,
}

impl Server {
    pub(crate) fn new(client: Client, settings: Settings) -> Self {
        let mut schemas = vec![settings.schema];
        schemas.extend(&settings.also);
        let random = Random::default();
        Self {
            client,
            names: Names::new(&settings.namespace, schemas),
            recovery: Recovery::new(settings.recovery, REMEMBERED),
            settings,
            counters: Counters::default(),
            origin: format!("{:016x}", random.next()),
            random,
            state: Mutex::default(),
        }
    }

    pub(crate) fn tag(&self) -> Tag {
        Tag(self.random.next().to_be_bytes())
    }
}

/// At least 1 ms; 0 means for ever.
fn millis(time: Option<Duration>) -> String {
    time.map_or(0, |time| time.as_millis().max(1)).to_string()
}

fn array(value: Value, length: usize) -> Result<Vec<Value>, Error> {
    match value {
        Value::Array(values) if values.len() == length => Ok(values),
        other => Err(unexpected(&other)),
    }
}

fn unexpected(value: &Value) -> Error {
    let text: String = format!("{value:?}").chars().take(200).collect();
    Error::Server(format!("the reply {text} is not of the kind that the command has").into())
}
