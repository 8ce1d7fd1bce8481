//! What the eviction listener is notified of, and when.

mod events;
mod expired_before_load;
mod notices;
