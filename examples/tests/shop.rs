//! The shop's database has the stated contents, is the same for the same seed, and replaces no
//! other file.

use std::path::PathBuf;
use std::{env, fs, process};

use cache_examples::shop::{Found, Shop, ShopError, Stage, Stock, create, inspect};

const STOCK: Stock = Stock {
    users: 200,
    orders: 5_000,
    seed: 7,
};

/// A path for one test, removed at its end.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        Self(env::temp_dir().join(format!("shop-test-{}-{name}.sqlite", process::id())))
    }

    fn shop(&self, stock: Stock) -> Shop {
        create(&self.0, stock, &mut |_| {}).unwrap();
        Shop::open(&self.0, 2).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn one_seed_makes_one_database() {
    let places = [Place::new("one"), Place::new("other")];
    let [one, other] = places.each_ref().map(|place| place.shop(STOCK));
    for user in [1, 57, 200] {
        assert_eq!(
            one.profile(user).await.unwrap(),
            other.profile(user).await.unwrap()
        );
    }
}

#[tokio::test]
async fn all_orders_are_in_the_profiles() {
    let place = Place::new("sum");
    let shop = place.shop(STOCK);
    let mut orders = 0;
    for user in 1..=STOCK.users {
        orders += shop.profile(user).await.unwrap().orders;
    }
    assert_eq!(orders, STOCK.orders);
    assert_eq!(shop.queries_sent(), STOCK.users);
}

#[tokio::test]
async fn a_city_report_agrees_with_the_profiles() {
    let place = Place::new("city");
    let shop = place.shop(STOCK);
    let city = shop.city_of_last_order().await.unwrap();
    let report = shop.city_report(&city).await.unwrap();
    let (mut customers, mut orders, mut revenue) = (0, 0, 0);
    for user in 1..=STOCK.users {
        let profile = shop.profile(user).await.unwrap();
        if profile.city == city && profile.orders > 0 {
            customers += 1;
            orders += profile.orders;
            revenue += profile.spent;
        }
    }
    assert_eq!(
        (report.customers, report.orders, report.revenue),
        (customers, orders, revenue)
    );
}

#[tokio::test]
async fn a_move_is_seen_by_the_next_query() {
    let place = Place::new("move");
    let shop = place.shop(STOCK);
    shop.move_to(3, "Atlantis").await.unwrap();
    assert_eq!(shop.profile(3).await.unwrap().city, "Atlantis");
    assert!(matches!(
        shop.move_to(999, "Rome").await,
        Err(ShopError::NoSuchUser(999))
    ));
    assert!(matches!(
        shop.profile(999).await,
        Err(ShopError::NoSuchUser(999))
    ));
    assert!(matches!(
        shop.city_report("Nowhere").await,
        Err(ShopError::NoSuchCity(_))
    ));
}

#[test]
fn the_stock_is_found_again() {
    let place = Place::new("found");
    assert_eq!(inspect(&place.0).unwrap(), Found::Nothing);
    let mut stages = Vec::new();
    create(&place.0, STOCK, &mut |stage| stages.push(stage)).unwrap();
    assert_eq!(inspect(&place.0).unwrap(), Found::Shop(STOCK));
    assert_eq!(stages, [Stage::Rows(4_096), Stage::Indexing]);
}

#[test]
fn a_file_of_somebody_else_is_left_alone() {
    let place = Place::new("foreign");
    fs::write(&place.0, "a letter to my aunt").unwrap();
    assert!(matches!(inspect(&place.0), Err(ShopError::NotOurs(_))));
    assert!(matches!(
        inspect(&env::temp_dir()),
        Err(ShopError::NotOurs(_))
    ));
}
