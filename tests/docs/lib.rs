//! Runs the examples of pages that belong to no published package, or that need more than the
//! package of the page depends on.

/// The front page of the repository.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod front_page {}

/// The tables for a move from another cache.
#[cfg(doctest)]
#[doc = include_str!("../../docs/migration.md")]
mod migration {}

/// The chapters of the book. `tests/tests/readme.rs` checks that none is missing.
#[cfg(doctest)]
mod book {
    #[doc = include_str!("../../docs/book/src/batches.md")]
    mod batches {}

    #[doc = include_str!("../../docs/book/src/cached.md")]
    mod cached {}

    #[doc = include_str!("../../docs/book/src/capacity.md")]
    mod capacity {}

    #[doc = include_str!("../../docs/book/src/errors.md")]
    mod errors {}

    #[doc = include_str!("../../docs/book/src/expiry.md")]
    mod expiry {}

    #[doc = include_str!("../../docs/book/src/glossary.md")]
    mod glossary {}

    #[doc = include_str!("../../docs/book/src/invalidation.md")]
    mod invalidation {}

    #[doc = include_str!("../../docs/book/src/live-page.md")]
    mod live_page {}
    #[doc = include_str!("../../docs/book/src/metrics.md")]
    mod metrics {}

    #[doc = include_str!("../../docs/book/src/migrating.md")]
    mod migrating {}

    #[doc = include_str!("../../docs/book/src/quick-start.md")]
    mod quick_start {}

    #[doc = include_str!("../../docs/book/src/runtimes.md")]
    mod runtimes {}

    #[doc = include_str!("../../docs/book/src/testing.md")]
    mod testing {}

    #[doc = include_str!("../../docs/book/src/which-method.md")]
    mod which_method {}
}

/// The pages of `#[cached]`. Its package cannot depend on an adapter, because every adapter depends
/// on it.
#[cfg(doctest)]
mod cached {
    #[doc = include_str!("../../cache-core/macros/README.md")]
    mod readme {}

    #[doc = include_str!("../../cache-core/macros/src/cached.md")]
    mod attribute {}
}
