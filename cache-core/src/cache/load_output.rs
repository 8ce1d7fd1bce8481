//! What the loader of a view of single keys may return.

use core::convert::Infallible;

use crate::flight::{Loaded, LoaderResult, LoaderResultOn};
use crate::load::{Nullable, Presence, Required};
use crate::runtime::{Flavor, LoadErrorType};
use crate::sync::Arc;

/// What the loader of a [`LoadingCache`](crate::LoadingCache) may return.
///
/// | view | `P` | return type of the loader |
/// |---|---|---|
/// | [`Cache::loading`](crate::Cache::loading) | [`Required`] | `V`, [`Loaded<V>`], or a `Result` of one of these |
/// | [`Cache::loading_optional`](crate::Cache::loading_optional) | [`Nullable`] | `Option<V>`, `Option<Loaded<V>>`, or a `Result` of one of these |
///
/// The error of a loader that returns no `Result` is [`Infallible`]. A [`Loaded`] value has a ttl
/// or a weight of its own.
#[diagnostic::on_unimplemented(
    message = "the loader of this view, of a cache of `{V}`, cannot return `{Self}`",
    label = "this loader returns `{Self}`",
    note = "`loading` takes a loader that returns a `{V}`, a `Loaded<{V}>`, or a `Result` of one of these",
    note = "`loading_optional` takes a loader that returns an `Option` of one of these, or a `Result` of such an `Option`"
)]
pub trait LoadOutput<V, P: Presence> {
    /// The loader's error.
    type Error;

    /// The value, or `Ok(None)` if the key has none.
    ///
    /// # Errors
    /// The error of the loader.
    fn into_found(self) -> Result<Option<Loaded<V>>, Self::Error>;
}

/// Implements [`LoadOutput`] for an output that cannot fail, and for a `Result` of it.
macro_rules! load_output {
    ($presence:ty, $output:ty, $value:ident => $found:expr) => {
        impl<V> LoadOutput<V, $presence> for $output {
            type Error = Infallible;

            fn into_found(self) -> Result<Option<Loaded<V>>, Infallible> {
                let $value = self;
                Ok($found)
            }
        }

        impl<V, E> LoadOutput<V, $presence> for Result<$output, E> {
            type Error = E;

            fn into_found(self) -> Result<Option<Loaded<V>>, E> {
                self.map(|$value| $found)
            }
        }
    };
}

load_output!(Required, V, value => Some(Loaded::new(value)));
load_output!(Required, Loaded<V>, loaded => Some(loaded));
load_output!(Nullable, Option<V>, value => value.map(Loaded::new));
load_output!(Nullable, Option<Loaded<V>>, loaded => loaded);

/// The result of a load, without the type of its error.
pub(crate) fn erase_error<V, P, F, O>(output: O) -> LoaderResultOn<F, V>
where
    P: Presence,
    F: Flavor,
    O: LoadOutput<V, P>,
    O::Error: LoadErrorType<F>,
{
    match output.into_found() {
        Ok(Some(loaded)) => LoaderResult::Value(loaded),
        Ok(None) => LoaderResult::Missing,
        Err(error) => LoaderResult::Failed(O::Error::erase(Arc::new(error))),
    }
}
