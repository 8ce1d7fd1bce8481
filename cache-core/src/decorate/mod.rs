//! What `#[cached]` expands to calls: not for use by hand, and not covered by semantic versioning.
//!
//! The attribute only translates a signature; whatever happens at run time is here, on top of the
//! loads of [`Cache`](crate::Cache) that everybody uses.

mod arguments;
mod caches;
mod request;
mod returned;

pub use arguments::{Args, Arguments, ByExpression, Key, witness};
pub use caches::{Caches, of_key, reveal};
pub use request::{Missed, forced, invalidate, look_up};
pub use returned::{CloneError, Failure, ReturnsOption, ReturnsResult, SharedError, Value};
pub use returned::{is_key, is_shared_error, is_value};
