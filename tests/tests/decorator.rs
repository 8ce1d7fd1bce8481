//! What `#[cached]` promises, on every runtime that has a standard library.

#![allow(missing_docs, reason = "a test program")]

/// The promises on one runtime: `$adapter` is its package, `$name` its type there, `$block_on` how
/// its futures are run.
macro_rules! on_runtime {
    ($module:ident: $adapter:ident :: $name:ident, $block_on:expr) => {
        #[path = "."]
        mod $module {
            pub(crate) use $adapter as adapter;
            pub(crate) use $adapter::$name as Runtime;

            pub(crate) fn run(test: impl Future<Output = ()>) {
                $block_on(test);
            }

            #[path = "decorator/mod.rs"]
            mod promises;
        }
    };
}

on_runtime!(on_tokio: cache_tokio::Tokio, |test| {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build();
    runtime.expect("a runtime can be made").block_on(test)
});
