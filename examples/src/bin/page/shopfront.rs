//! The caches in front of the backend.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_examples::shop::{CityReport, Product, Profile, Shop};
use cache_page::Registry;
use cache_tokio::{BatchLoader, Cache, Expiry, LoadError, Ttl};
use tokio::sync::Mutex;

use crate::BoxError;
use crate::backend::{Backend, Failure, Meter};

/// Products in the database.
const PRODUCTS: u64 = 1_000;
/// The last users and products are for actions only, so that their queries can be counted exactly
/// while the traffic continues.
pub(crate) const RESERVED_USERS: u64 = 1_000;
pub(crate) const RESERVED_PRODUCTS: u64 = 200;

pub(crate) type Answer<T> = Result<T, LoadError<Failure>>;

/// All that the shop's handlers share. A clone is another handle.
#[derive(Debug, Clone)]
pub(crate) struct Shopfront {
    pub(crate) backend: Backend,
    pub(crate) profiles: Cache<u64, Arc<Profile>>,
    pub(crate) products: BatchLoader<u64, Arc<Product>, Failure>,
    pub(crate) reports: Cache<String, Arc<CityReport>>,
    pub(crate) ttl: Lifetime,
    /// Page views a second.
    pub(crate) rate: Arc<AtomicU64>,
    pub(crate) users: u64,
    /// The city for actions only.
    pub(crate) reserved_city: Arc<str>,
    pub(crate) traffic: Arc<Traffic>,
    /// The queries of batches of reserved products.
    pub(crate) reserved_batches: Meter,
    /// Held by the action that runs.
    pub(crate) action: Arc<Mutex<()>>,
}

/// What the traffic has done since the start.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) views: AtomicU64,
    /// Each is a query without a cache.
    pub(crate) requests: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) queries: Meter,
}

/// A time to live that can change while the cache is in use. It applies to values that are stored
/// from then on.
#[derive(Debug, Clone)]
pub(crate) struct Lifetime(Arc<AtomicU64>);

impl Lifetime {
    fn new(seconds: u64) -> Self {
        Self(Arc::new(AtomicU64::new(seconds)))
    }

    pub(crate) fn seconds(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, seconds: u64) {
        self.0.store(seconds, Ordering::Relaxed);
    }

    fn ttl(&self) -> Ttl {
        Ttl::After(Duration::from_secs(self.seconds()))
    }
}

impl<K, V> Expiry<K, V> for Lifetime {
    fn expire_after_create(&self, _: &K, _: &V) -> Ttl {
        self.ttl()
    }

    fn expire_after_update(&self, _: &K, _: &V, _: Option<Duration>) -> Option<Ttl> {
        Some(self.ttl())
    }
}

impl Shopfront {
    pub(crate) async fn open(shop: Shop, users: u64) -> Result<Self, BoxError> {
        let reserved_city = shop.city_of_last_order().await?.into();
        let backend = Backend::new(shop);
        let ttl = Lifetime::new(60);
        let profiles = Cache::builder()
            .name("profiles")
            .max_capacity(1_000)
            .expire_after(ttl.clone());
        let products = Cache::builder()
            .name("products")
            .max_capacity(500)
            .time_to_live(Duration::from_secs(20));
        let reports = Cache::builder()
            .name("reports")
            .max_capacity(100)
            .time_to_live(Duration::from_secs(30));
        let (traffic, reserved_batches) = (Arc::<Traffic>::default(), Meter::default());
        let load = {
            let (backend, reserved) = (backend.clone(), reserved_batches.clone());
            let others = traffic.queries.clone();
            move |ids: Vec<u64>| {
                let backend = backend.clone();
                let is_reserved = ids.iter().any(|id| *id > PRODUCTS - RESERVED_PRODUCTS);
                let meter = if is_reserved { &reserved } else { &others }.clone();
                async move { backend.products(ids, &meter).await }
            }
        };
        Ok(Self {
            profiles: profiles.build(),
            products: products.build().batching(load),
            reports: reports.build(),
            ttl,
            rate: Arc::new(AtomicU64::new(200)),
            users,
            reserved_city,
            traffic,
            reserved_batches,
            action: Arc::default(),
            backend,
        })
    }

    pub(crate) fn register(&self, registry: &Registry) -> Result<(), BoxError> {
        registry.register(&self.profiles)?;
        registry.register(self.products.cache())?;
        registry.register(&self.reports)?;
        Ok(())
    }

    pub(crate) async fn profile(&self, user: u64, meter: &Meter) -> Answer<Arc<Profile>> {
        let load = || self.load_profile(user, meter);
        self.profiles.try_get_with(user, load).await
    }

    /// The load of a profile, which may outlive its caller.
    pub(crate) fn load_profile(
        &self,
        user: u64,
        meter: &Meter,
    ) -> impl Future<Output = Result<Arc<Profile>, Failure>> + Send + use<> {
        let (backend, meter) = (self.backend.clone(), meter.clone());
        async move { backend.profile(user, &meter).await }
    }

    pub(crate) async fn report(&self, city: &str, meter: &Meter) -> Answer<Arc<CityReport>> {
        let load = || {
            let (backend, meter, city) = (self.backend.clone(), meter.clone(), city.to_owned());
            async move { backend.report(&city, &meter).await }
        };
        self.reports.try_get_with_by_ref(city, load).await
    }

    /// The users that only actions request.
    pub(crate) fn reserved_users(&self) -> impl Iterator<Item = u64> + Clone + use<> {
        self.users - RESERVED_USERS + 1..=self.users
    }

    /// The products that only actions request.
    pub(crate) fn reserved_products(&self) -> impl Iterator<Item = u64> + Clone + use<> {
        PRODUCTS - RESERVED_PRODUCTS + 1..=PRODUCTS
    }

    /// The users that the traffic requests, the most popular first.
    pub(crate) fn popular_users(&self) -> u64 {
        self.users - RESERVED_USERS
    }

    /// The products that the traffic requests.
    pub(crate) fn popular_products(&self) -> u64 {
        PRODUCTS - RESERVED_PRODUCTS
    }
}
