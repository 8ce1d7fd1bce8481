//! Loads: how callers join a flight, poll its loader and complete it.
//!
//! A caller that misses a key becomes the leader of a flight and polls its loader itself. A loader
//! that is ready at once costs no task and no wait list. As soon as another caller joins, the load
//! no longer depends on the leader: a background task drives it, or its waiters do where no task
//! can be spawned. So the load neither stalls nor restarts when its leader is dropped or no longer
//! polled.
//!
//! [`Get`], the future of the loading methods, looks the key up, joins a flight with
//! [`FlightHandle::join_or_lead`], and polls the [`FlightHandle`] that it gets. [`LoadCtx`] has the
//! steps that handles and tasks share: `drive` polls a loader, `complete` ends a flight. The states
//! of a flight are in [`crate::flight`], those of a handle in `handle`.

mod attempt;
mod complete;
mod compute;
mod drive;
mod fused;
mod get;
mod handle;
mod join;
mod key_arg;
mod leave;
mod methods;
mod observe;
mod poll_set;
mod refresh;
mod scoped;
mod solo;
mod takeover;
mod task;

pub(crate) use attempt::Source;
pub(crate) use drive::LoadCtx;
pub(crate) use fused::Fused;
#[cfg_attr(
    not(feature = "tier"),
    expect(unreachable_pub, reason = "part of what a tiered cache boxes")
)]
pub use get::LoadingOn;
pub(crate) use get::{Get, StartLoad};
pub(crate) use handle::FlightHandle;
pub(crate) use join::JoinResult;
pub(crate) use key_arg::{Argument, Borrowed, KeyArg, Owned};
#[cfg(any(feature = "std", feature = "tier"))]
pub(crate) use methods::LoadMethod;
#[cfg(feature = "tier")]
pub(crate) use methods::LoadTypes;
pub(crate) use methods::{Fallible, FallibleOptional, Optional, Plain, Viewed};
pub use methods::{Nullable, Presence, Required};
pub(crate) use poll_set::{Finished, JoinAll, JoinEach, PollSet};
pub(crate) use task::LoadTask;
