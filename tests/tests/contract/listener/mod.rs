//! What the eviction listener is notified of, and when.

mod expired_before_load;
mod notices;
