//! The pages of a shop. Each function is written as if there were no cache, and has one more line.

use std::sync::Arc;

use cache_examples::shop::{CityReport, Profile, Shop, ShopError};
use cache_tokio::{LoadError, cached};

/// All waiters of a failed query get its error. The error cannot be cloned, so it is shared. The
/// attribute does not see that the alias is a `Result`, so the functions say `result`.
pub(crate) type Answer<T> = Result<Arc<T>, LoadError<ShopError>>;

/// A user's page. The database handle is not part of the key. It is owned, so the load can keep it.
#[cached(max_capacity = 1_000, ttl = "5m", skip(shop), result)]
pub(crate) async fn profile(shop: Shop, user: u64) -> Answer<Profile> {
    simulated_round_trip().await;
    Ok(Arc::new(shop.profile(user).await?))
}

/// The same page with a cache for a few users that are requested often.
#[cached(max_capacity = 3, skip(shop), result)]
pub(crate) async fn regular(shop: Shop, user: u64) -> Answer<Profile> {
    Ok(Arc::new(shop.profile(user).await?))
}

/// The state of a request handler.
#[derive(Clone, Debug)]
pub(crate) struct Reports {
    pub(crate) shop: Shop,
}

impl Reports {
    /// The sales of a city. The load has a clone of `self`, so it does not depend on its caller.
    #[cached(ttl = "1h", skip(self), clone(self), result)]
    pub(crate) async fn of_city(&self, city: &str) -> Answer<CityReport> {
        simulated_round_trip().await;
        Ok(Arc::new(self.shop.city_report(city).await?))
    }
}

/// Simulates the round trip to a remote database. A query to the local database may complete at
/// once, before another caller can join the load.
async fn simulated_round_trip() {
    tokio::task::yield_now().await;
}
