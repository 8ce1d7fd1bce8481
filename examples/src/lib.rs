//! What the example programs share: a real database to put a cache in front of, the writing of
//! figures, a progress bar, and promises that are checked.

pub mod bar;
pub mod figures;
pub mod report;
pub mod shop;
pub mod temporary;
