//! The comparison of the engine with its model. The fuzz target shares it, but makes its own cases.

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
