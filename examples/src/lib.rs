//! Code that the example programs share: a real database to cache, formatting of figures, a
//! progress bar, and promises that are checked.

pub mod bar;
pub mod figures;
pub mod report;
pub mod shop;
pub mod temporary;
