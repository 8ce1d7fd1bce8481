//! The promises, each written once. `crate::harness` is the runtime's.

mod herd;
mod remembered;
