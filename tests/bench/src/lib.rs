//! Compares this cache with others.
//!
//! [`contenders`] puts every cache behind one small trait. [`promises`] runs scenarios on each of
//! them and reports which promises each cache keeps. [`speed`] times single operations, [`batch`]
//! times batch loaders, and [`hitratio`] replays traces. [`measure`] takes the times, [`document`]
//! stores the figures, and [`draw`] draws them.
//!
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
