//! A GraphQL schema over the shop's database. Its resolvers read from a cache that loads in
//! batches.
//!
//! The program executes the same nested query twice: once with resolvers that send their own
//! queries, and once with batches behind the cache. Exit code 0: the batches kept their promises;
//! 1: they did not; 2: the program could not run. The program opens no network port. A server would
//! pass its requests to the same schema.

mod lookups;
mod schema;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use async_graphql::Value;
use cache_examples::figures::{count, counted, time};
use cache_examples::report::{self, Report};
use cache_examples::shop::{Shop, Stock, create};
use cache_examples::temporary::TemporaryFile;

use crate::lookups::{Lookups, Mode};

/// Any error that stops the program.
type BoxError = Box<dyn Error + Send + Sync>;

/// Runs on one thread, so that every runnable resolver has requested its keys before the batch is
/// sent after one round of the executor.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut report = Report::new();
    let file = TemporaryFile::new("batching");
    match compare(file.path(), &mut report).await {
        Ok(()) => report.finish(),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

async fn compare(path: &Path, report: &mut Report) -> Result<(), BoxError> {
    create(path, STOCK, &mut |_| ())?;
    let shop = Shop::open(path, 4)?;
    report.chapter("GraphQL, without and with batches", &introduction());
    println!("{QUERY}\n");

    let plain = Execution::of(&shop, Lookups::new(&shop, Mode::Plain)).await?;
    let batching = Lookups::new(&shop, Mode::Batching);
    let first = Execution::of(&shop, batching.clone()).await?;
    let again = Execution::of(&shop, batching).await?;

    show(&[&plain, &first, &again], report);
    report.promise_count("queries without batches", WITHOUT, plain.queries);
    report.promise_count("queries with batches", WITH, first.queries);
    report.promise_count("queries for the same page again", 1, again.queries);
    let differ = first.answer != plain.answer || again.answer != plain.answer;
    report.promise(
        "all three answers are equal",
        differ.then(|| "answers that differ".to_owned()),
    );
    Ok(())
}

fn introduction() -> String {
    format!(
        "A shop with {} and {} in SQLite. A query requests the last {LINES} orders, with product \
         and user, and the last orders of each of these users. Each field that needs a lookup is \
         one resolver call. Either each call sends a query, or the calls go to a cache that \
         collects concurrent lookups into batches.",
        counted(STOCK.users, "user", "users"),
        counted(STOCK.orders, "order", "orders"),
    )
}

/// The query, executed once.
struct Execution {
    queries: u64,
    took: Duration,
    answer: Value,
}

impl Execution {
    async fn of(shop: &Shop, lookups: Lookups) -> Result<Self, BoxError> {
        let schema = schema::over(shop.clone(), lookups);
        let (began, before) = (Instant::now(), shop.queries_sent());
        let answer = schema.execute(QUERY).await;
        let took = began.elapsed();
        if let Some(error) = answer.errors.first() {
            return Err(error.message.clone().into());
        }
        Ok(Self {
            queries: shop.queries_sent() - before,
            took,
            answer: answer.data,
        })
    }
}

fn show(executions: &[&Execution; 3], report: &Report) {
    let mut table = report::table(1, ["", "queries", "took"]);
    let names = ["a query for each field", "batches", "the same page again"];
    for (name, execution) in names.into_iter().zip(executions) {
        table.add_row([
            name.to_owned(),
            count(execution.queries),
            time(execution.took),
        ]);
    }
    report.table(&table);
}

const STOCK: Stock = Stock {
    users: 2_000,
    orders: 20_000,
    seed: 42,
};

const QUERY: &str = "  {
    orders(last: 40) {
      id quantity
      product { name cents }
      user {
        name city
        lastOrders { id product { name } }
      }
    }
  }";

/// The number of orders in the query above.
const LINES: u64 = 40;

/// One query for the page; for each line one for the product, one for the user and one for that
/// user's last orders; for each of these one for the product.
const WITHOUT: u64 = 1 + LINES * 3 + LINES * schema::LAST_ORDERS;

/// One query for the page, then one batch for each field that is looked up: no level of the answer
/// has more keys than a batch. The products of the second level are a batch of their own.
const WITH: u64 = 1 + 4;
