//! Panics in code that the cache calls.

mod listener;
mod loader;
mod user_code;
mod waker;
