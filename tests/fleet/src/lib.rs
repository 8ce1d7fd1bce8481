//! Tests of the second tier with real processes, real servers and faults.
//!
//! | module | what it holds |
//! |---|---|
//! | `clock`, `log` | the clock that all processes share, and what each process logs |
//! | `checker` | the worst staleness in the logs |
//! | `backend` | the database, in the test: it counts loads, delays them and holds them back |
//! | `options`, `process` | the program of one process: a tiered cache that lines on stdin drive |
//! | `child` | a process, as the test sees it |
//! | `server`, `proxy` | Redis and Valkey servers, and links that stall, delay and break |
//! | `fleet` | all of it together |
//! | `storm` | traffic on all processes under random faults |
//!
//! `tests/promises` has one test for each row of the table in `docs/fleet.md`. `fleet storm` is the
//! long run.

// The servers run on unix, and signals stop them.
#![cfg(unix)]

pub mod backend;
pub mod checker;
pub mod child;
pub mod clock;
pub mod fleet;
pub mod log;
pub mod options;
pub mod process;
pub mod proxy;
pub mod server;
pub mod storm;

pub use backend::Backend;
pub use checker::Report;
pub use child::Process;
pub use fleet::{Fleet, MAX_STALENESS, on_each_server, on_each_server_with};
pub use options::{Options, Weakness};
pub use proxy::Proxy;
pub use server::Server;
pub use storm::Storm;
