//! A small shop in a real SQLite database: its users, what it sells, and a long list of orders.
//!
//! The queries are of the kind people put a cache in front of: short to write, answered through an
//! index, and still thousands of times dearer than a look into memory. Each one is counted when it
//! is sent.

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

/// What a user's page shows, gathered from three tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The user's number.
    pub user: u64,
    /// First and last name.
    pub name: String,
    /// Where letters go.
    pub email: String,
    /// Where the user lives.
    pub city: String,
    /// How many orders there are.
    pub orders: u64,
    /// What they cost, in cents.
    pub spent: u64,
    /// What was bought last; nothing without an order.
    pub last_bought: Option<String>,
}

/// The sales of one city: every order of everybody who lives there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CityReport {
    /// The city.
    pub city: String,
    /// Users with at least one order.
    pub customers: u64,
    /// Their orders.
    pub orders: u64,
    /// What they cost, in cents.
    pub revenue: u64,
    /// Who spent most.
    pub best_customer: String,
}

impl Shop {
    /// Opens a database that [`create`] has made, for at most `connections` readers at a time (at
    /// least one).
    ///
    /// # Errors
    ///
    /// When the file cannot be opened.
    pub fn open(path: &Path, connections: usize) -> Result<Self, ShopError> {
        // The pool opens lazily; a file that cannot be read should be told here.
        drop(pool::open_reader(path)?);
        Ok(Self {
            pool: Arc::new(Pool::new(path, connections)),
            queries: Arc::default(),
        })
    }

    /// How many queries have been sent to the database through this handle and its clones. Changes
    /// do not count.
    #[must_use]
    pub fn queries_sent(&self) -> u64 {
        self.queries.load(Ordering::Relaxed)
    }

    /// The page of one user: a join and an aggregate over that user's orders.
    ///
    /// # Errors
    ///
    /// [`ShopError::NoSuchUser`], or what the database says.
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
    /// [`ShopError::NoSuchCity`], or what the database says.
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

    /// Where the user lives whose order came last.
    ///
    /// # Errors
    ///
    /// What the database says; also if there are no orders.
    pub async fn city_of_last_order(&self) -> Result<String, ShopError> {
        self.query(|db| Ok(db.query_row(LAST_CITY, [], |row| row.get(0))?))
            .await
    }

    /// Changes where a user lives.
    ///
    /// # Errors
    ///
    /// [`ShopError::NoSuchUser`], or what the database says.
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

// In SQLite a plain column beside a single MAX() is taken from the row that has the maximum.
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
