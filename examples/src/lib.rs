//! What the example programs share: a real database to put a cache in front of, the writing of
//! figures, and promises that are checked.

pub mod figures;
pub mod report;
pub mod shop;
