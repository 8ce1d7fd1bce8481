//! Loads: the shared flight, and the futures that wait on it.
//!
//! A caller who misses becomes the leader of a flight and polls its loader inline. As soon as
//! somebody else depends on the load it no longer depends on the leader: it is handed to a
//! background task or, where nothing can be spawned, to whoever waits. Neither a cancelled leader
//! nor one that is never polled again can stall or restart it.

mod compute;
mod drive;
mod flight;
mod outcome;
mod relay;
mod several;
mod shared;
mod ticket;

pub use drive::Drive;
pub use outcome::Loaded;

pub(crate) use flight::Flight;
pub(crate) use outcome::{Fallible, Method, Optional, Plain};
pub(crate) use several::Several;
pub(crate) use shared::Driver;
pub(crate) use ticket::{Boarding, Ticket, reentrant};
