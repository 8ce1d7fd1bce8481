//! Readers of sources and manifests, for the dependency rules.

pub(crate) mod manifest;
pub(crate) mod source;
