//! The GraphQL schema and its resolvers.

use std::sync::Arc;

use async_graphql::{Context, EmptyMutation, EmptySubscription, Object, Result, Schema};
use cache_examples::shop::{self, Shop};

use crate::lookups::Lookups;

/// The schema of the shop.
pub(crate) type ShopSchema = Schema<Query, EmptyMutation, EmptySubscription>;

/// Maximum number of orders that `lastOrders` returns.
pub(crate) const LAST_ORDERS: u64 = 2;

/// Builds the schema over `shop`. Its resolvers load related objects through `lookups`.
pub(crate) fn over(shop: Shop, lookups: Lookups) -> ShopSchema {
    Schema::build(Query, EmptyMutation, EmptySubscription)
        .data(shop)
        .data(lookups)
        .finish()
}

pub(crate) struct Query;

#[Object]
impl Query {
    /// The last orders of the whole shop.
    async fn orders(&self, ctx: &Context<'_>, last: u64) -> Result<Vec<Order>> {
        let orders = ctx
            .data::<Shop>()?
            .latest_orders(1..=i64::MAX as u64, last)
            .await?;
        Ok(orders.into_iter().map(Order).collect())
    }
}

struct Order(shop::Order);

#[Object]
impl Order {
    async fn id(&self) -> u64 {
        self.0.id
    }

    async fn quantity(&self) -> u32 {
        self.0.quantity
    }

    /// When the order was placed, in seconds since 1970.
    async fn placed_at(&self) -> u64 {
        self.0.placed_at
    }

    async fn user(&self, ctx: &Context<'_>) -> Result<User> {
        let lookups = ctx.data::<Lookups>()?;
        let user = lookups.users.get(self.0.user).await?;
        Ok(User(user.ok_or("the user does not exist")?))
    }

    async fn product(&self, ctx: &Context<'_>) -> Result<Product> {
        let lookups = ctx.data::<Lookups>()?;
        let product = lookups.products.get(self.0.product).await?;
        Ok(Product(product.ok_or("the product does not exist")?))
    }
}

struct User(Arc<shop::User>);

#[Object]
impl User {
    async fn name(&self) -> &str {
        &self.0.name
    }

    async fn city(&self) -> &str {
        &self.0.city
    }

    /// The user's last orders.
    async fn last_orders(&self, ctx: &Context<'_>) -> Result<Vec<Order>> {
        let lookups = ctx.data::<Lookups>()?;
        let orders = lookups.last_orders.get(self.0.id).await?;
        Ok(orders
            .iter()
            .flat_map(|orders| orders.iter().cloned())
            .map(Order)
            .collect())
    }
}

struct Product(Arc<shop::Product>);

#[Object]
impl Product {
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The price of one piece.
    async fn cents(&self) -> u64 {
        self.0.cents
    }
}
