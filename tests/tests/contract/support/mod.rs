//! Helpers of the contract. Holds no tests.

pub mod backend;
pub mod batch_backend;
pub mod common;
pub mod traps;
