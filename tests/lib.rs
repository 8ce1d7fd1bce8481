//! Tests of the cache's promises on every runtime.
//!
//! `tests/contract/` has each promise once, written against a small harness. Each test program
//! provides a harness for its runtime and includes the contract. `README.md` maps features to
//! tests.
