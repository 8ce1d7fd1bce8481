//! Everything that the tests of the engine beside its model are made of.

mod entries;
mod foreign;
mod loads;
mod naive;
mod op;
mod pair;
mod upkeep;

pub(crate) use op::{cases, cases_with_panics};
pub(crate) use pair::Pair;
