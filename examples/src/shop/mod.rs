//! A small shop in a real SQLite database: its users, its products, and many orders.
//!
//! The queries are of the kind that programs cache: short, answered through an index, and still
//! thousands of times slower than a read from memory. Each query is counted when it is sent.

mod catalogue;
mod create;
mod error;
mod orders;
mod pool;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::{Connection, OptionalExtension, Row};

pub use self::create::{Found, Stage, Stock, create, inspect};
pub use self::error::ShopError;
pub use self::orders::{Order, Product, User};
use self::pool::Pool;

/// A handle to the shop's database. Clones share connections and counters.
#[derive(Clone, Debug)]
pub struct Shop {
    pool: Arc<Pool>,
    queries: Arc<AtomicU64>,
}

/// A user's page, gathered from three tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The user's number.
    pub user: u64,
    /// First and last name.
    pub name: String,
    /// The email address.
    pub email: String,
    /// The city that the user lives in.
    pub city: String,
    /// The number of orders.
    pub orders: u64,
    /// The total price of the orders, in cents.
    pub spent: u64,
    /// The product of the last order; `None` without an order.
    pub last_bought: Option<String>,
}

/// The sales of one city: every order of every user in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CityReport {
    /// The city.
    pub city: String,
    /// Users with at least one order.
    pub customers: u64,
    /// Their orders.
    pub orders: u64,
    /// The total price of the orders, in cents.
    pub revenue: u64,
    /// The customer that spent most.
    pub best_customer: String,
}

impl Shop {
    /// Opens a database that [`create`] has created, for at most `connections` concurrent readers
    /// (at least one).
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be opened.
    pub fn open(path: &Path, connections: usize) -> Result<Self, ShopError> {
        // The pool opens connections lazily. Report an unreadable file here.
        drop(pool::open_reader(path)?);
        Ok(Self {
            pool: Arc::new(Pool::new(path, connections)),
            queries: Arc::default(),
        })
    }

    /// The number of queries that this handle and its clones have sent to the database. Changes do
    /// not count.
    #[must_use]
    pub fn queries_sent(&self) -> u64 {
        self.queries.load(Ordering::Relaxed)
    }

    /// The page of one user: a join and an aggregate over that user's orders.
    ///
    /// # Errors
    ///
    /// Returns [`ShopError::NoSuchUser`], or the database's error.
    pub async fn profile(&self, user: u64) -> Result<Profile, ShopError> {
        self.query(move |db| {
            let row = db
                .prepare_cached(PROFILE)?
                .query_row([user], profile_of)
                .optional()?;
            row.ok_or(ShopError::NoSuchUser(user))
        })
        .await
    }

    /// The sales report of one city: a join and an aggregate over thousands of orders.
    ///
    /// # Errors
    ///
    /// Returns [`ShopError::NoSuchCity`], or the database's error.
    pub async fn city_report(&self, city: &str) -> Result<CityReport, ShopError> {
        let city = city.to_owned();
        self.query(move |db| {
            let row = db
                .prepare_cached(CITY_REPORT)?
                .query_row([&city], |row| report_of(&city, row))?;
            row.ok_or(ShopError::NoSuchCity(city))
        })
        .await
    }

    /// The city of the user with the last order.
    ///
    /// # Errors
    ///
    /// Returns the database's error, also if there are no orders.
    pub async fn city_of_last_order(&self) -> Result<String, ShopError> {
        self.query(|db| Ok(db.query_row(LAST_CITY, [], |row| row.get(0))?))
            .await
    }

    /// Changes a user's city.
    ///
    /// # Errors
    ///
    /// Returns [`ShopError::NoSuchUser`], or the database's error.
    pub async fn move_to(&self, user: u64, city: &str) -> Result<(), ShopError> {
        let city = city.to_owned();
        let change = move |db: &Connection| match db.execute(MOVE, (user, city))? {
            0 => Err(ShopError::NoSuchUser(user)),
            _ => Ok(()),
        };
        self.pool.write(change).await
    }

    async fn query<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, ShopError> + Send + 'static,
    ) -> Result<T, ShopError> {
        let queries = Arc::clone(&self.queries);
        let counted = move |db: &Connection| {
            queries.fetch_add(1, Ordering::Relaxed);
            query(db)
        };
        self.pool.read(counted).await
    }
}

fn profile_of(row: &Row<'_>) -> rusqlite::Result<Profile> {
    Ok(Profile {
        user: row.get(0)?,
        name: row.get(1)?,
        email: row.get(2)?,
        city: row.get(3)?,
        orders: row.get(4)?,
        spent: row.get(5)?,
        last_bought: row.get(6)?,
    })
}

fn report_of(city: &str, row: &Row<'_>) -> rusqlite::Result<Option<CityReport>> {
    let Some(best_customer) = row.get(3)? else {
        return Ok(None);
    };
    let city = city.to_owned();
    Ok(Some(CityReport {
        city,
        customers: row.get(0)?,
        orders: row.get(1)?,
        revenue: row.get(2)?,
        best_customer,
    }))
}

// SQLite takes a plain column beside a single MAX() from the row with the maximum.
const PROFILE: &str = "
    SELECT users.id, users.name, users.email, users.city,
           COUNT(orders.id), COALESCE(SUM(orders.quantity * products.cents), 0),
           products.name, MAX(orders.id)
    FROM users
    LEFT JOIN orders ON orders.user_id = users.id
    LEFT JOIN products ON products.id = orders.product_id
    WHERE users.id = ?1
    GROUP BY users.id";

const CITY_REPORT: &str = "
    SELECT COUNT(*), SUM(orders), SUM(spent), name, MAX(spent)
    FROM (
        SELECT users.name AS name, COUNT(*) AS orders,
               SUM(orders.quantity * products.cents) AS spent
        FROM users
        JOIN orders ON orders.user_id = users.id
        JOIN products ON products.id = orders.product_id
        WHERE users.city = ?1
        GROUP BY users.id
    )";

const LAST_CITY: &str = "
    SELECT city FROM users WHERE id = (SELECT user_id FROM orders ORDER BY id DESC LIMIT 1)";

const MOVE: &str = "UPDATE users SET city = ?2 WHERE id = ?1";
