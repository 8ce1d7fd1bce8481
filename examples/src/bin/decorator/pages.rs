//! The pages of a shop. Each function is written as if there were no cache, and has one line more.

use std::sync::Arc;

use cache_examples::shop::{CityReport, Profile, Shop, ShopError};
use cache_tokio::{LoadError, cached};

/// Queries that fail, fail for everybody who waits: an error that cannot be cloned is shared.
pub(crate) type Answer<T> = Result<Arc<T>, LoadError<ShopError>>;

/// A user's page. The database is no part of the key; being owned, it goes with the load.
#[cached(
    runtime = "tokio",
    max_capacity = 1_000,
    ttl = "5m",
    skip(shop),
    result
)]
pub(crate) async fn profile(shop: Shop, user: u64) -> Answer<Profile> {
    there_and_back().await;
    Ok(Arc::new(shop.profile(user).await?))
}

/// The same for the few users that are asked for again and again.
#[cached(runtime = "tokio", max_capacity = 3, skip(shop), result)]
pub(crate) async fn regular(shop: Shop, user: u64) -> Answer<Profile> {
    Ok(Arc::new(shop.profile(user).await?))
}

/// What a handler holds.
#[derive(Clone, Debug)]
pub(crate) struct Reports {
    pub(crate) shop: Shop,
}

impl Reports {
    /// The sales of a city. The load has a clone of `self`, so it does not depend on its caller.
    #[cached(runtime = "tokio", ttl = "1h", skip(self), clone(self), result)]
    pub(crate) async fn of_city(&self, city: &str) -> Answer<CityReport> {
        there_and_back().await;
        Ok(Arc::new(self.shop.city_report(city).await?))
    }
}

/// The way to a database that is elsewhere. This one is so near that an answer may be there at once,
/// and then nobody else has asked meanwhile.
async fn there_and_back() {
    tokio::task::yield_now().await;
}
