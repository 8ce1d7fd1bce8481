//! The database behind a network: with a latency, and with faults that the visitor chooses.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use cache_examples::shop::{CityReport, Product, Profile, Shop, ShopError};
use serde::{Deserialize, Serialize};

/// How the backend behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Health {
    Normal,
    Slow,
    Broken,
}

impl Health {
    /// The time that a query needs on the network and in the queue of a server.
    fn latency(self) -> Duration {
        match self {
            Self::Normal | Self::Broken => Duration::from_millis(2),
            Self::Slow => Duration::from_millis(250),
        }
    }
}

/// Why a query failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The visitor broke the backend.
    Unavailable,
    Shop(ShopError),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable => f.write_str("the database does not answer"),
            Self::Shop(error) => error.fmt(f),
        }
    }
}

impl Error for Failure {}

/// Counts the queries that some requests send.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meter(Arc<AtomicU64>);

impl Meter {
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Backend {
    shop: Shop,
    health: Arc<AtomicU8>,
}

impl Backend {
    pub(crate) fn new(shop: Shop) -> Self {
        Self {
            shop,
            health: Arc::default(),
        }
    }

    pub(crate) fn health(&self) -> Health {
        match self.health.load(Ordering::Relaxed) {
            0 => Health::Normal,
            1 => Health::Slow,
            _ => Health::Broken,
        }
    }

    pub(crate) fn set_health(&self, health: Health) {
        self.health.store(health as u8, Ordering::Relaxed);
    }

    pub(crate) async fn profile(&self, user: u64, meter: &Meter) -> Result<Arc<Profile>, Failure> {
        let profile = self.send(meter, self.shop.profile(user)).await?;
        Ok(Arc::new(profile))
    }

    pub(crate) async fn report(
        &self,
        city: &str,
        meter: &Meter,
    ) -> Result<Arc<CityReport>, Failure> {
        let report = self.send(meter, self.shop.city_report(city)).await?;
        Ok(Arc::new(report))
    }

    /// Several products, by one query.
    pub(crate) async fn products(
        &self,
        ids: Vec<u64>,
        meter: &Meter,
    ) -> Result<HashMap<u64, Arc<Product>>, Failure> {
        self.send(meter, self.shop.products(ids)).await
    }

    /// Changes a user's city. Works also if the visitor broke the backend, so that the visitor sees
    /// what a write does to a load that is in flight.
    pub(crate) async fn move_to(&self, user: u64, city: &str) -> Result<(), Failure> {
        self.shop.move_to(user, city).await.map_err(Failure::Shop)
    }

    async fn send<T>(
        &self,
        meter: &Meter,
        query: impl Future<Output = Result<T, ShopError>>,
    ) -> Result<T, Failure> {
        meter.add();
        let health = self.health();
        tokio::time::sleep(health.latency()).await;
        if health == Health::Broken {
            return Err(Failure::Unavailable);
        }
        query.await.map_err(Failure::Shop)
    }
}
