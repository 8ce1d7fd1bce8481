//! What `#[cached]` expands to calls: not for use by hand, and not covered by semantic versioning.
//!
//! The attribute only translates a signature; whatever happens at run time is here, on top of the
//! loads of [`Cache`](crate::Cache) that everybody uses.

mod arguments;
mod caches;
mod request;
mod returned;
mod way;

pub use arguments::{Args, Arguments, ByExpression, Part, is_part, witness};
pub use caches::{Caches, EachSelf, Scope, build, of_key, reveal};
pub use request::{Inline, Missed, clear, forced, invalidate, look_up};
pub use returned::{
    CloneError, Failure, ReturnsOption, ReturnsResult, SharedError, Value, is_value,
};
pub use way::{InCaller, Lent, Owning, StaysBorrowed};
