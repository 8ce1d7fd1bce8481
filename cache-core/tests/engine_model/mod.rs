//! The parts of the tests that compare the engine with its model. The fuzz target shares them, but
//! makes its cases itself.

mod entries;
mod foreign;
mod loads;
mod maintenance;
mod naive;
pub(crate) mod op;
mod pair;
#[cfg(test)]
mod strategies;

pub(crate) use pair::Pair;
#[cfg(test)]
pub(crate) use strategies::{cases, cases_with_panics};
