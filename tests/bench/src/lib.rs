//! This cache side by side with others.
//!
//! [`contenders`] puts every cache behind one small trait, [`promises`] runs one scenario after another on each of them
//! and says which ones keep their word. The programs are in `src/bin`.

pub mod contenders;
pub mod promises;
