//! Loads: the shared flight, and the futures that wait on it.
//!
//! A caller who misses becomes the leader of a flight and polls its loader inline. As soon as
//! somebody else depends on the load it no longer depends on the leader: it is handed to a
//! background task or, where nothing can be spawned, to whoever waits. Neither a cancelled leader
//! nor one that is never polled again can stall or restart it.

mod boarding;
mod compute;
mod drive;
mod errand;
mod flight;
mod get;
mod homes;
mod inline;
mod outcome;
mod relay;
mod several;
mod shared;
mod ticket;

pub use drive::Drive;
pub use errand::Run;
pub use outcome::Loaded;

pub(crate) use boarding::Boarding;
pub(crate) use drive::{abandon, crash, land};
pub(crate) use errand::Errand;
pub(crate) use flight::{Flight, Limit};
pub(crate) use get::{Borrowed, Get, Owned, Source};
pub(crate) use homes::Homes;
pub(crate) use outcome::{Batched, Fallible, Lengths, Optional, Plain, Verdict};
pub(crate) use several::{Done, JoinAll, Several};
pub(crate) use shared::Driver;
pub(crate) use ticket::Ticket;
