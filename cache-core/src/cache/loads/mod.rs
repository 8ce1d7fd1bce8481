//! Loads: a caller that misses a key loads it, and all callers that miss it meanwhile share the
//! load.
//!
//! Most methods come in four forms. `name` takes an owned key and a loader that the flight owns.
//! `name_by_ref` borrows the key and makes an owned one only on a miss. `name_scoped` takes a
//! loader that borrows from its caller. `name_by_ref_scoped` does both.
//!
//! Each method names the types that its future captures (`use<…>`): for a loader that borrows, the
//! compiler would otherwise advise to do so, which does not help.

mod fallible;
mod fallible_optional;
mod plain;

use super::Cache;
use crate::load::Get;
use crate::runtime::Runtime;

impl<K, V, R: Runtime, S> Cache<K, V, R, S> {
    /// The future of a loading method.
    pub(super) const fn request<M, N, L>(&self, key: N, loader: L) -> Get<'_, K, V, R, S, M, N, L> {
        Get::new(&self.inner, key, loader)
    }
}
