//! The flags.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use cache_examples::shop::Stock;
use clap::Parser;

#[derive(Debug, Parser)]
#[command(name = "page", version, about = ABOUT)]
pub(crate) struct Flags {
    /// The port on 127.0.0.1; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value = "3000")]
    port: u16,

    /// The database file, created on the first run [default: a temporary file]
    #[arg(long, value_name = "PATH")]
    pub(crate) database: Option<PathBuf>,

    /// Users in the database; each has ten orders
    #[arg(long, value_name = "N", default_value = "5000",
        value_parser = clap::value_parser!(u64).range(3_000..=1_000_000))]
    users: u64,
}

impl Flags {
    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    pub(crate) fn stock(&self) -> Stock {
        Stock {
            users: self.users,
            orders: 10 * self.users,
            seed: 42,
        }
    }
}

const ABOUT: &str = "\
A shop on SQLite whose load you steer in the browser, with the live page of its caches";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        Flags::command().debug_assert();
    }

    #[test]
    fn a_bad_value_is_named_with_its_rule() {
        for (flag, value, rule) in [
            ("--port", "70000", "70000 is not in 0..=65535"),
            ("--users", "10", "10 is not in 3000..=1000000"),
        ] {
            let error = Flags::try_parse_from(["page", flag, value]).unwrap_err();
            assert!(error.to_string().contains(rule), "{error}");
        }
    }
}
