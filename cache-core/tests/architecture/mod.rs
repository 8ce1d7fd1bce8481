//! Reading sources and manifests, for the rules of dependency.

pub(crate) mod layers;
pub(crate) mod manifest;
pub(crate) mod source;
