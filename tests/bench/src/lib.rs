//! This cache side by side with others.
//!
//! [`contenders`] puts every cache behind one small trait, [`promises`] runs one scenario after another on each of them
//! and says which ones keep their word. [`speed`] takes the time of single operations, [`batch`] of batch loaders, and [`hitratio`]
//! replays traces; [`measure`] is how times are taken, [`document`] where the figures are kept, and [`draw`]
//! makes pictures of them.
//! The programs are in `src/bin`.

pub mod batch;
pub mod contenders;
pub mod document;
pub mod draw;
pub mod hitratio;
pub mod measure;
pub mod promises;
pub mod speed;
mod versions;
