//! What the cache promises, tested on every runtime.
//!
//! Each promise is written once, under `tests/contract/`, against the few names of a harness. One
//! test program a runtime brings its harness and includes the contract.

/// The README is a tour that runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
#[derive(Debug)]
pub struct Readme;
