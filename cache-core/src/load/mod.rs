//! Loads: the shared flight, and the futures that wait on it.
//!
//! A caller who misses becomes the leader of a flight and polls its loader inline. As soon as
//! somebody else depends on the load it no longer depends on the leader: it is handed to a
//! background task or, where nothing can be spawned, to whoever waits. Neither a cancelled leader
//! nor one that is never polled again can stall or restart it.

mod compute;
mod drive;
mod get;
mod handle;
mod inline;
mod join;
mod join_bounded;
mod methods;

pub(crate) use drive::{LoadTask, cancel, complete, fail_with_panic};
pub(crate) use get::{Borrowed, Get, Owned, Source};
pub(crate) use handle::FlightHandle;
pub(crate) use join::JoinResult;
pub(crate) use join_bounded::{Done, JoinAll, Several};
pub(crate) use methods::{Batched, Fallible, Optional, Plain};
