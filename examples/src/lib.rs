//! What the example programs share: a real database to put a cache in front of, and the writing of
//! figures.

pub mod figures;
pub mod shop;
