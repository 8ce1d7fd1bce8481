//! The lookups of the resolvers: each loads the numbers of concurrent resolvers in batches.

use std::sync::Arc;

use cache_examples::shop::{Order, Product, Shop, ShopError, User};
use cache_tokio::{BatchLoader, BatchOutput, BatchWindow, Cache, Loader};

use crate::schema::LAST_ORDERS;

/// One view for each type of value, by number.
#[derive(Clone)]
pub(crate) struct Lookups {
    pub(crate) users: BatchLoader<u64, Arc<User>, ShopError>,
    pub(crate) products: BatchLoader<u64, Arc<Product>, ShopError>,
    /// The last orders, by user.
    pub(crate) last_orders: BatchLoader<u64, Arc<[Order]>, ShopError>,
}

/// How a lookup loads.
#[derive(Clone, Copy)]
pub(crate) enum Mode {
    /// Each lookup sends a query.
    Plain,
    /// A cache answers, and loads missing numbers in batches.
    Batching,
}

impl Lookups {
    pub(crate) fn new(shop: &Shop, mode: Mode) -> Self {
        let [users, products, orders] = [shop.clone(), shop.clone(), shop.clone()];
        Self {
            users: view(mode, |numbers: Vec<u64>| async move {
                users.users(numbers).await
            }),
            products: view(mode, |numbers: Vec<u64>| async move {
                products.products(numbers).await
            }),
            last_orders: view(mode, |users: Vec<u64>| async move {
                orders.last_orders_of(users, LAST_ORDERS).await
            }),
        }
    }
}

fn view<V, L>(mode: Mode, loader: L) -> BatchLoader<u64, V, ShopError>
where
    V: Clone + Send + Sync + 'static,
    L: Loader<Vec<u64>, Output: BatchOutput<u64, V, Error = ShopError>>,
{
    let cache = Cache::new(10_000);
    let builder = cache
        .batching_builder(loader)
        .batch_window(BatchWindow::Yield(1));
    match mode {
        Mode::Plain => builder.disable_cache().max_batch_size(1).build(),
        Mode::Batching => builder.build(),
    }
}
