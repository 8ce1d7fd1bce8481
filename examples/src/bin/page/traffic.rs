//! The visitors of the shop: page views at the rate that is set.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cache_examples::shop::Profile;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::Zipf;
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval};

use crate::shopfront::{Answer, Shopfront};

/// The time between two groups of page views.
const TICK: Duration = Duration::from_millis(20);
/// Products on a page.
const SHOWN: usize = 3;
/// Page views that may be in flight. Others are not sent: a slow backend would otherwise collect
/// tasks without end.
const MOST: usize = 4_000;

/// Sends page views until it is dropped.
pub(crate) async fn run(shop: Shopfront) {
    let mut rng = StdRng::seed_from_u64(7);
    let users = Zipf::new(shop.popular_users() as f64, 1.1).expect("a valid distribution");
    let products = Zipf::new(shop.popular_products() as f64, 1.0).expect("a valid distribution");
    let permits = Arc::new(Semaphore::new(MOST));
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut due = 0.0;
    loop {
        ticks.tick().await;
        due += shop.rate.load(Ordering::Relaxed) as f64 * TICK.as_secs_f64();
        while due >= 1.0 {
            due -= 1.0;
            let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else {
                continue;
            };
            let view = View {
                user: rng.sample(users) as u64,
                products: std::array::from_fn(|_| rng.sample(products) as u64),
                shows_report: rng.random_bool(0.1),
            };
            let shop = shop.clone();
            tokio::spawn(async move {
                view.open(&shop).await;
                drop(permit);
            });
        }
    }
}

/// One page view.
struct View {
    user: u64,
    products: [u64; SHOWN],
    shows_report: bool,
}

impl View {
    async fn open(&self, shop: &Shopfront) {
        let traffic = &shop.traffic;
        traffic.views.fetch_add(1, Ordering::Relaxed);
        let failed = |failed: bool| traffic.failed.fetch_add(failed.into(), Ordering::Relaxed);
        let requests = |number| traffic.requests.fetch_add(number, Ordering::Relaxed);
        requests(1 + SHOWN as u64);
        let products = shop.products.get_all(self.products);
        let profile = shop.profile(self.user, &traffic.queries);
        let (products, profile) = tokio::join!(products, profile);
        for product in products {
            failed(product.is_err());
        }
        failed(profile.is_err());
        if let Some(city) = self.city(shop, profile) {
            requests(1);
            failed(shop.report(&city, &traffic.queries).await.is_err());
        }
    }

    /// The city whose report the page shows, if it shows one.
    fn city(&self, shop: &Shopfront, profile: Answer<Arc<Profile>>) -> Option<String> {
        let city = profile.ok().map(|profile| profile.city.clone());
        city.filter(|city| self.shows_report && **city != *shop.reserved_city)
    }
}
