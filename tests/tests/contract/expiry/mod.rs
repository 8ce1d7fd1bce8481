//! Deadlines, clocks, and the removal of expired entries.

mod clock;
mod expire_after;
mod idle;
mod janitor;
mod run_pending_tasks;
mod time_to_expiry;
mod timer_model;
mod ttl;
mod ttl_extremes;
