//! Chapter 1: the database, created if it does not exist yet.

use std::fs;
use std::path::Path;
use std::time::Instant;

use cache_examples::bar::Bar;
use cache_examples::figures::{bytes, count, counted, time};
use cache_examples::report::Report;
use cache_examples::shop::{Found, Shop, ShopError, Stage, Stock, create, inspect};

use crate::BoxError;
use crate::flags::Plan;

pub(crate) fn open(plan: &Plan, report: &mut Report) -> Result<Shop, BoxError> {
    let Plan {
        database: path,
        stock,
        ..
    } = plan;
    report.chapter("The database", &introduction(*stock));
    match inspect(path)? {
        Found::Shop(found) if found == *stock => {
            report.text(&format!("{} exists already.", path.display()))
        }
        found => {
            report.text(&replaced(found, path));
            make(path, *stock, report)?;
        }
    }
    let size = fs::metadata(path)?.len();
    report.text(&format!("Its size is {}.", bytes(size)));
    Ok(Shop::open(path, plan.connections)?)
}

fn introduction(stock: Stock) -> String {
    format!(
        "A shop in SQLite: {} and {}. All figures below come from real queries on it.",
        counted(stock.users, "user", "users"),
        counted(stock.orders, "order", "orders"),
    )
}

fn replaced(found: Found, path: &Path) -> String {
    let path = path.display();
    match found {
        Found::Nothing => format!("{path} is created now, once."),
        Found::Outdated => format!("{path} is from an older version and is created again."),
        Found::Shop(Stock {
            users,
            orders,
            seed,
        }) => format!(
            "{path} has other contents ({} users, {} orders, seed {seed}) and is created again.",
            count(users),
            count(orders),
        ),
    }
}

fn make(path: &Path, stock: Stock, report: &Report) -> Result<(), ShopError> {
    let started = Instant::now();
    let bar = Bar::new(stock.users + stock.orders, "writing users and orders");
    create(path, stock, &mut |stage| match stage {
        Stage::Rows(rows) => bar.set(rows),
        Stage::Indexing => bar.rename("building the indexes"),
    })?;
    drop(bar);
    report.text(&format!("Created in {}.", time(started.elapsed())));
    Ok(())
}
