//! What the code that `#[cached]` expands to calls. Not for use by hand, and exempt from semantic
//! versioning.
//!
//! The attribute only translates a signature. What happens at run time is in this module, on top of
//! the public loading methods of [`Cache`](crate::Cache).

mod arguments;
mod caches;
mod load_mode;
mod request;
mod returned;

pub use arguments::{Args, Arguments, ByExpression, KeyPart, is_key_part, witness};
pub use caches::{Caches, EachSelf, Scope, build, downcast_cache, with_key_type};
pub use load_mode::{BorrowedArgument, InlineFallback, InlineLoad, OwnedLoad};
pub use request::{Inline, PendingLoad, clear, invalidate, look_up, refresh};
pub use returned::{
    CloneError, Failure, ReturnsOption, ReturnsResult, SharedError, Value, is_value,
};
