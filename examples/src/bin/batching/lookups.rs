//! The lookups of the resolvers: each a query to the database, or a cache that loads in batches.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use cache_examples::shop::{Order, Product, Shop, ShopError, User};
use cache_tokio::{BatchWindow, Cache, LoadError};

use crate::schema::LAST_ORDERS;

/// One lookup for each type of value.
#[derive(Clone)]
pub(crate) struct Lookups {
    pub(crate) users: Lookup<Arc<User>>,
    pub(crate) products: Lookup<Arc<Product>>,
    /// The last orders, by user.
    pub(crate) last_orders: Lookup<Arc<[Order]>>,
}

impl Lookups {
    /// Every lookup sends a query.
    pub(crate) fn plain(shop: &Shop) -> Self {
        Self {
            users: Lookup::plain(shop, Shop::users_by_number),
            products: Lookup::plain(shop, Shop::products_by_number),
            last_orders: Lookup::plain(shop, Shop::last_orders_by_user),
        }
    }

    /// Every lookup goes to a cache, which loads missing keys from the database in batches.
    pub(crate) fn batching(shop: &Shop) -> Self {
        Self {
            users: Lookup::batching(shop, Shop::users_by_number),
            products: Lookup::batching(shop, Shop::products_by_number),
            last_orders: Lookup::batching(shop, Shop::last_orders_by_user),
        }
    }
}

/// Looks up the value of a number.
pub(crate) struct Lookup<V>(Arc<dyn Fn(u64) -> Answer<V> + Send + Sync>);

type Answer<V> = Pin<Box<dyn Future<Output = Result<V, Missing>> + Send>>;

/// A query for many numbers.
type Query<V> = fn(Shop, Vec<u64>) -> Rows<V>;

type Rows<V> = Pin<Box<dyn Future<Output = Result<HashMap<u64, V>, ShopError>> + Send>>;

impl<V: Clone + Send + Sync + 'static> Lookup<V> {
    pub(crate) async fn get(&self, number: u64) -> Result<V, Missing> {
        (self.0)(number).await
    }

    fn plain(shop: &Shop, query: Query<V>) -> Self {
        let shop = shop.clone();
        Self(Arc::new(move |number| {
            let rows = query(shop.clone(), vec![number]);
            Box::pin(async move {
                let rows = rows
                    .await
                    .map_err(|error| Missing::Failed(LoadError::Loader(Arc::new(error))))?;
                rows.into_values().next().ok_or(Missing::NotFound(number))
            })
        }))
    }

    fn batching(shop: &Shop, query: Query<V>) -> Self {
        let (shop, cache) = (shop.clone(), Cache::<u64, V>::new(10_000));
        let batches = cache
            .batching_builder(move |numbers: Vec<u64>| query(shop, numbers))
            .batch_window(BatchWindow::Yield(1))
            .build();
        Self(Arc::new(move |number| {
            let batches = batches.clone();
            Box::pin(async move {
                let value = batches.get(number).await.map_err(Missing::Failed)?;
                value.ok_or(Missing::NotFound(number))
            })
        }))
    }
}

impl<V> Clone for Lookup<V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Why a lookup returned no value.
#[derive(Debug)]
pub(crate) enum Missing {
    /// The number does not exist.
    NotFound(u64),
    /// The load failed.
    Failed(LoadError<ShopError>),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(number) => write!(f, "number {number} does not exist"),
            Self::Failed(error) => write!(f, "{error}"),
        }
    }
}

impl Error for Missing {}

/// The shop's queries, with the signatures that [`Lookup`] needs.
trait Queries: Sized {
    fn users_by_number(self, numbers: Vec<u64>) -> Rows<Arc<User>>;
    fn products_by_number(self, numbers: Vec<u64>) -> Rows<Arc<Product>>;
    fn last_orders_by_user(self, users: Vec<u64>) -> Rows<Arc<[Order]>>;
}

impl Queries for Shop {
    fn users_by_number(self, numbers: Vec<u64>) -> Rows<Arc<User>> {
        Box::pin(async move { self.users(numbers).await })
    }

    fn products_by_number(self, numbers: Vec<u64>) -> Rows<Arc<Product>> {
        Box::pin(async move { self.products(numbers).await })
    }

    fn last_orders_by_user(self, users: Vec<u64>) -> Rows<Arc<[Order]>> {
        Box::pin(async move { self.last_orders_of(users, LAST_ORDERS).await })
    }
}
