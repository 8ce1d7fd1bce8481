//! The settings of one process, which a test passes to it as arguments.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

/// A rule of the protocol that a process breaks, so that the checker must find stale reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Weakness {
    /// The first tier returns its values whether or not heartbeats are answered.
    NoHorizon,
    /// A loaded value is stored by a plain SET, whether or not the lease holds.
    PlainSet,
}

/// The settings of one process.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The server.
    #[arg(long)]
    pub url: String,
    /// The socket of the database.
    #[arg(long)]
    pub backend: PathBuf,
    /// The file of the log.
    #[arg(long)]
    pub log: PathBuf,
    /// The number in the server's keys.
    #[arg(long, default_value_t = 0)]
    pub schema: u32,
    /// A schema that is invalidated too.
    #[arg(long)]
    pub also: Option<u32>,
    /// The format of values. A process cannot read those of another format.
    #[arg(long, default_value_t = 0)]
    pub format: u8,
    /// The number of further bytes in a value.
    #[arg(long, default_value_t = 0)]
    pub padding: usize,
    /// How many replicas must have an invalidation.
    #[arg(long, default_value_t = 0)]
    pub wait_replicas: usize,
    /// A rule that the process breaks.
    #[arg(long)]
    pub weakness: Option<Weakness>,
    /// Milliseconds.
    #[arg(long)]
    pub max_staleness: u64,
    /// Milliseconds.
    #[arg(long)]
    pub soft_timeout: u64,
    /// Milliseconds.
    #[arg(long)]
    pub lease_time: u64,
    /// Milliseconds.
    #[arg(long)]
    pub max_wait: u64,
    /// Milliseconds.
    #[arg(long)]
    pub command_timeout: u64,
}

impl Options {
    /// The arguments of the program.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["process".to_string()];
        let mut push = |name: &str, value: &str| arguments.push(format!("--{name}={value}"));
        push("url", &self.url);
        push("backend", &self.backend.to_string_lossy());
        push("log", &self.log.to_string_lossy());
        push("schema", &self.schema.to_string());
        if let Some(also) = self.also {
            push("also", &also.to_string());
        }
        push("format", &self.format.to_string());
        push("padding", &self.padding.to_string());
        push("wait-replicas", &self.wait_replicas.to_string());
        if let Some(weakness) = self.weakness {
            let value = weakness
                .to_possible_value()
                .expect("every variant has a value");
            push("weakness", value.get_name());
        }
        push("max-staleness", &self.max_staleness.to_string());
        push("soft-timeout", &self.soft_timeout.to_string());
        push("lease-time", &self.lease_time.to_string());
        push("max-wait", &self.max_wait.to_string());
        push("command-timeout", &self.command_timeout.to_string());
        arguments
    }

    pub(crate) fn protocol(&self) -> cache_redis::TierSettings {
        let mut settings = cache_redis::TierSettings::default();
        settings.max_staleness = Duration::from_millis(self.max_staleness);
        settings.soft_timeout = Duration::from_millis(self.soft_timeout);
        settings.lease_time = Duration::from_millis(self.lease_time);
        settings.max_wait = Duration::from_millis(self.max_wait);
        settings
    }
}

/// Keys with every character that has a meaning in keys, messages or commands.
const AWKWARD: &[&str] = &[
    "", " ", ":", "::", "%", "%25", "%3A", "a:b", "a%3Ab", "{a}", "{", "}", "*", "?", "[a-z]",
    "\\", "\"", "'", "\n", "\r\n", "\0", "\t", "é", "e\u{301}", "漢字", "🦀", "a b", "a  b", "a+b",
    "D a", "F a", "ctl", "feed", ":ctl", "s0:a", "-1", "00", "0", "$1", "~", "\u{7f}", "\u{feff}",
    "/",
];

/// The first number of the awkward keys.
pub const FIRST_AWKWARD: u32 = 1_000_000;

/// The numbers of the awkward keys.
#[must_use]
pub fn awkward_keys() -> std::ops::Range<u32> {
    let count = u32::try_from(AWKWARD.len()).expect("a short list");
    // One more: a long key.
    FIRST_AWKWARD..FIRST_AWKWARD + count + 1
}

/// The key with this number.
#[must_use]
pub fn key(number: u32) -> String {
    match number.checked_sub(FIRST_AWKWARD) {
        None => format!("key-{number}"),
        Some(index) => match AWKWARD.get(index as usize) {
            Some(key) => key.to_string(),
            None => "long".repeat(2_500),
        },
    }
}
