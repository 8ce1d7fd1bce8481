//! Loads: one flight for a key, its leader, its waiters, and what its loader returns.

mod across_methods;
mod blocking;
mod borrowed_keys;
mod cancel;
mod cancelled_wakers;
mod detach;
mod driver_cancelled;
mod errors;
mod executors;
mod first_poll;
mod generations;
mod get_all;
mod get_each;
mod leader;
mod loading_view;
mod negative_and_error_limits;
mod negative_and_error_ttl;
mod optional_view;
mod refresh;
mod scoped;
mod single_flight;
mod takeover;
mod timeouts;
mod try_optionally;
mod warm;
mod warm_report;
