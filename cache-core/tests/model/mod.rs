//! Everything that the tests of the engine beside its model are made of. The fuzz target, which is no test, makes its cases
//! itself.

mod entries;
mod foreign;
mod loads;
mod naive;
pub(crate) mod op;
mod pair;
#[cfg(test)]
mod random;
mod upkeep;

pub(crate) use pair::Pair;
#[cfg(test)]
pub(crate) use random::{cases, cases_with_panics};
