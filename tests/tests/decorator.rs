//! The promises of `#[cached]`, on every runtime with a standard library.

#![allow(missing_docs, reason = "a test program")]
#![allow(
    clippy::duplicate_mod,
    reason = "each promise is kept on every runtime"
)]

/// The promises on one runtime: `$adapter` is its package, `$name` its type in that package, and
/// `$block_on` runs its futures.
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
    runtime.expect("the runtime is built").block_on(test)
});

on_runtime!(on_async_std: cache_async_std::AsyncStd, async_std::task::block_on);

on_runtime!(on_smol: cache_smol::Smol, smol::block_on);

/// If a package depends on several adapters, the attribute names one.
#[test]
fn a_runtime_is_chosen_by_name() {
    use cache_tokio::cached;

    #[cached(runtime = "tokio")]
    async fn on_tokio(id: u64) -> u64 {
        id
    }

    #[cached(runtime = "async-std")]
    async fn on_async_std(id: u64) -> u64 {
        id
    }

    #[cached(runtime = "smol")]
    async fn on_smol(id: u64) -> u64 {
        id
    }

    let _: &cache_tokio::Cache<u64, u64> = on_tokio::cache();
    let _: &cache_async_std::Cache<u64, u64> = on_async_std::cache();
    let _: &cache_smol::Cache<u64, u64> = on_smol::cache();
    let answers = async { (on_tokio(1).await, on_async_std(2).await, on_smol(3).await) };
    assert_eq!(pollster::block_on(answers), (1, 2, 3));
}
