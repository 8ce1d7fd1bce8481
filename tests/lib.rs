//! What the cache promises, tested on every runtime.
//!
//! Each promise is written once, under `tests/contract/`, against the few names of a harness. One
//! test program a runtime brings its harness and includes the contract.
