//! Runs the examples of pages that belong to no published package, or that need more than the
//! package of the page depends on.

/// The front page of the repository.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod front_page {}

/// The pages of `#[cached]`. Its package cannot depend on an adapter, because every adapter depends
/// on it.
#[cfg(doctest)]
mod cached {
    #[doc = include_str!("../../cache-core/macros/README.md")]
    mod readme {}

    #[doc = include_str!("../../cache-core/macros/src/cached.md")]
    mod attribute {}
}
