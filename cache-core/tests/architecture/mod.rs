//! Reading sources and manifests, for the rules of the house.

pub(crate) mod manifest;
pub(crate) mod source;
