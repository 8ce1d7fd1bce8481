//! What the code that `#[cached]` expands to calls. Not for use by hand, and exempt from semantic
//! versioning.
//!
//! The attribute only translates a signature. What happens at run time is in this module, on top of
//! the public loading methods of [`Cache`](crate::Cache).

#[cfg(feature = "macros")]
pub use cache_macros::{cached_async_std, cached_smol, cached_tokio};

mod arguments;
mod caches;
mod load_mode;
mod request;
mod returned;
mod value;

pub use arguments::{Args, Argument, Arguments, ByExpression, KeyPart, Part, witness};
pub use caches::{Caches, EachSelf, Scope, configure, downcast_cache, with_key_type};
pub use load_mode::{
    BorrowedArgument, InBackground, OwnedLoad, ScopedFallback, ScopedLoad, in_background,
};
pub use request::{Blocking, PendingLoad, PendingScopedLoad};
pub use returned::{
    CloneError, Failure, ReturnsOption, ReturnsResult, ReturnsResultOption, SharedError,
};
pub use value::{Value, Values};
