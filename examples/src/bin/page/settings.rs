//! What the visitor sets, and the state that the page shows.

use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};

use crate::backend::Health;
use crate::shopfront::Shopfront;

/// The settings to change; the others stay.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Changes {
    rate: Option<u64>,
    backend: Option<Health>,
    capacity: Option<u64>,
    ttl: Option<u64>,
}

#[derive(Debug, Serialize)]
pub(crate) struct State {
    rate: u64,
    backend: Health,
    capacity: u64,
    ttl: u64,
    views: u64,
    requests: u64,
    queries: u64,
    failed: u64,
    users: u64,
}

impl Changes {
    /// Applies all changes, or none if one is out of its range.
    pub(crate) fn apply(&self, shop: &Shopfront) -> Result<(), String> {
        within("rate", self.rate, 0, 2_000)?;
        within("capacity", self.capacity, 0, 100_000)?;
        within("ttl", self.ttl, 1, 3_600)?;
        if let Some(rate) = self.rate {
            shop.rate.store(rate, Ordering::Relaxed);
        }
        if let Some(health) = self.backend {
            shop.backend.set_health(health);
        }
        if let Some(capacity) = self.capacity {
            shop.profiles.set_max_capacity(capacity);
        }
        if let Some(ttl) = self.ttl {
            shop.ttl.set(ttl);
        }
        Ok(())
    }
}

fn within(name: &str, value: Option<u64>, min: u64, max: u64) -> Result<(), String> {
    match value {
        Some(value) if !(min..=max).contains(&value) => Err(format!(
            "{name} is {value}, and must be from {min} to {max}"
        )),
        _ => Ok(()),
    }
}

impl State {
    pub(crate) fn of(shop: &Shopfront) -> Self {
        let traffic = &shop.traffic;
        Self {
            rate: shop.rate.load(Ordering::Relaxed),
            backend: shop.backend.health(),
            capacity: shop.profiles.max_capacity().unwrap_or(u64::MAX),
            ttl: shop.ttl.seconds(),
            views: traffic.views.load(Ordering::Relaxed),
            requests: traffic.requests.load(Ordering::Relaxed),
            queries: traffic.queries.count(),
            failed: traffic.failed.load(Ordering::Relaxed),
            users: shop.users,
        }
    }
}
