//! What the example programs share: a real database to put a cache in front of, the writing of
//! figures, a progress bar, and promises that are checked.

pub mod bar;
pub mod figures;
pub mod report;
pub mod shop;
pub mod temporary;

/// The README is a tour that runs: here, where there is one adapter, as in a user's package.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
#[derive(Debug)]
pub struct Readme;
