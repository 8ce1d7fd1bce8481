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
struct TestFile(PathBuf);

impl TestFile {
    fn new(name: &str) -> Self {
        Self(env::temp_dir().join(format!("shop-test-{}-{name}.sqlite", process::id())))
    }

    fn shop(&self, stock: Stock) -> Shop {
        create(&self.0, stock, &mut |_| {}).unwrap();
        Shop::open(&self.0, 2).unwrap()
    }
}

impl Drop for TestFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn equal_seeds_create_equal_databases() {
    let files = [TestFile::new("one"), TestFile::new("other")];
    let [one, other] = files.each_ref().map(|file| file.shop(STOCK));
    for user in [1, 57, 200] {
        assert_eq!(
            one.profile(user).await.unwrap(),
            other.profile(user).await.unwrap()
        );
    }
}

#[tokio::test]
async fn the_profiles_contain_all_orders() {
    let file = TestFile::new("sum");
    let shop = file.shop(STOCK);
    let mut orders = 0;
    for user in 1..=STOCK.users {
        orders += shop.profile(user).await.unwrap().orders;
    }
    assert_eq!(orders, STOCK.orders);
    assert_eq!(shop.queries_sent(), STOCK.users);
}

#[tokio::test]
async fn a_city_report_agrees_with_the_profiles() {
    let file = TestFile::new("city");
    let shop = file.shop(STOCK);
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
async fn the_next_query_returns_the_new_city() {
    let file = TestFile::new("move");
    let shop = file.shop(STOCK);
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
fn inspect_returns_the_stock_of_a_created_database() {
    let file = TestFile::new("found");
    assert_eq!(inspect(&file.0).unwrap(), Found::Nothing);
    let mut stages = Vec::new();
    create(&file.0, STOCK, &mut |stage| stages.push(stage)).unwrap();
    assert_eq!(inspect(&file.0).unwrap(), Found::Shop(STOCK));
    assert_eq!(stages, [Stage::Rows(4_096), Stage::Indexing]);
}

#[test]
fn a_file_that_is_no_shop_database_is_left_unchanged() {
    let file = TestFile::new("foreign");
    fs::write(&file.0, "another file").unwrap();
    assert!(matches!(inspect(&file.0), Err(ShopError::NotOurs(_))));
    assert!(matches!(
        inspect(&env::temp_dir()),
        Err(ShopError::NotOurs(_))
    ));
}
