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

/// The attribute of an adapter belongs to that adapter, whatever others the package depends on.
#[test]
fn each_adapter_has_its_own_attribute() {
    #[cache_tokio::cached]
    async fn on_tokio(id: u64) -> u64 {
        id
    }

    #[cache_async_std::cached]
    async fn on_async_std(id: u64) -> u64 {
        id
    }

    #[cache_smol::cached]
    async fn on_smol(id: u64) -> u64 {
        id
    }

    let _: &cache_tokio::Cache<u64, u64> = on_tokio::cache();
    let _: &cache_async_std::Cache<u64, u64> = on_async_std::cache();
    let _: &cache_smol::Cache<u64, u64> = on_smol::cache();
    let answers = async { (on_tokio(1).await, on_async_std(2).await, on_smol(3).await) };
    assert_eq!(pollster::block_on(answers), (1, 2, 3));
}

/// `crate` names the adapter: another name of it, or a module that re-exports it.
#[test]
fn an_adapter_may_have_another_name() {
    use cache_smol as renamed;

    #[cache_core::cached(crate = renamed)]
    async fn by_general_attribute(id: u64) -> u64 {
        id
    }

    #[cache_tokio::cached(crate = "renamed")]
    async fn in_quotes(id: u64) -> u64 {
        id
    }

    let _: &cache_smol::Cache<u64, u64> = by_general_attribute::cache();
    let _: &cache_smol::Cache<u64, u64> = in_quotes::cache();
    assert_eq!(smol::block_on(by_general_attribute(1)), 1);
    assert_eq!(smol::block_on(in_quotes(2)), 2);
}
