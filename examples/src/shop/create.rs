//! Creates the database in one transaction, in a file beside the final one, which the new file then
//! replaces.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rusqlite::{Connection, ErrorCode, Transaction};

use super::catalogue::{CITIES, FIRST_NAMES, LAST_NAMES, QUALITIES, THINGS, words};
use super::{ShopError, pool};

/// The contents of a database. Equal stocks give equal data, row for row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stock {
    /// Users, numbered from 1.
    pub users: u64,
    /// Orders, spread evenly over the users.
    pub orders: u64,
    /// The seed of the random numbers.
    pub seed: u64,
}

/// The file that [`inspect`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// No file.
    Nothing,
    /// A shop with this stock.
    Shop(Stock),
    /// A shop that an older version of this program created.
    Outdated,
}

/// The progress of [`create`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// This many users and orders are written.
    Rows(u64),
    /// All rows are written. The indexes follow.
    Indexing,
}

/// Inspects the file without changing it.
///
/// # Errors
///
/// Returns [`ShopError::NotOurs`] for a file that [`create`] has not created, or the database's
/// error.
pub fn inspect(path: &Path) -> Result<Found, ShopError> {
    if !path.exists() {
        return Ok(Found::Nothing);
    }
    if !path.is_file() {
        return Err(ShopError::NotOurs(path.to_owned()));
    }
    let db = pool::open_reader(path)?;
    let number = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    match number("application_id") {
        Ok(APPLICATION) => {}
        Err(error) if error.sqlite_error_code() != Some(ErrorCode::NotADatabase) => {
            return Err(error.into());
        }
        _ => return Err(ShopError::NotOurs(path.to_owned())),
    }
    if number("user_version")? != VERSION {
        return Ok(Found::Outdated);
    }
    let stock = db.query_row("SELECT users, orders, seed FROM stock", [], |row| {
        let seed: i64 = row.get(2)?;
        Ok(Stock {
            users: row.get(0)?,
            orders: row.get(1)?,
            seed: seed as u64,
        })
    })?;
    Ok(Found::Shop(stock))
}

/// Creates the database at `path` and replaces an older one. Blocks the thread, for seconds if the
/// stock is large.
///
/// # Errors
///
/// Returns [`ShopError::NotOurs`] for a file that is no such database, or an error if the file
/// cannot be written. An older database is then still intact.
pub fn create(path: &Path, stock: Stock, progress: &mut dyn FnMut(Stage)) -> Result<(), ShopError> {
    inspect(path)?;
    let unfinished = unfinished(path);
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(ShopError::File(unfinished, error));
        }
        _ => {}
    }
    fill(&unfinished, stock, progress)?;
    fs::rename(&unfinished, path).map_err(|error| ShopError::File(path.to_owned(), error))
}

fn unfinished(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".part");
    name.into()
}

fn fill(path: &Path, stock: Stock, progress: &mut dyn FnMut(Stage)) -> Result<(), ShopError> {
    let mut db = Connection::open(path)?;
    db.execute_batch(SETTINGS)?;
    db.pragma_update(None, "application_id", APPLICATION)?;
    db.pragma_update(None, "user_version", VERSION)?;
    let work = db.transaction()?;
    work.execute_batch(TABLES)?;
    work.execute(
        "INSERT INTO stock VALUES (?1, ?2, ?3)",
        (stock.users, stock.orders, stock.seed as i64),
    )?;
    let mut filling = Filling {
        rng: StdRng::seed_from_u64(stock.seed),
        work: &work,
        rows: 0,
        progress,
    };
    let products = filling.products()?;
    filling.users(stock.users)?;
    filling.orders(stock, products)?;
    progress(Stage::Indexing);
    work.execute_batch(INDEXES)?;
    work.commit()?;
    Ok(())
}

struct Filling<'a> {
    rng: StdRng,
    work: &'a Transaction<'a>,
    rows: u64,
    progress: &'a mut dyn FnMut(Stage),
}

impl Filling<'_> {
    fn products(&mut self) -> Result<u32, ShopError> {
        let mut insert = self
            .work
            .prepare("INSERT INTO products (name, cents) VALUES (?1, ?2)")?;
        let (qualities, things) = (words(QUALITIES), words(THINGS));
        for quality in &qualities {
            for thing in &things {
                insert.execute((
                    format!("{quality} {thing}"),
                    self.rng.random_range(199..20_000),
                ))?;
            }
        }
        Ok((qualities.len() * things.len()) as u32)
    }

    fn users(&mut self, users: u64) -> Result<(), ShopError> {
        let mut insert = self
            .work
            .prepare("INSERT INTO users (id, name, email, city) VALUES (?1, ?2, ?3, ?4)")?;
        let (first, last, cities) = (words(FIRST_NAMES), words(LAST_NAMES), words(CITIES));
        for user in 1..=users {
            let (first, last) = (pick(&first, &mut self.rng), pick(&last, &mut self.rng));
            let email = format!("{first}.{last}.{user}@example.org").to_lowercase();
            insert.execute((
                user,
                format!("{first} {last}"),
                email,
                pick(&cities, &mut self.rng),
            ))?;
            self.row_done();
        }
        Ok(())
    }

    fn orders(&mut self, stock: Stock, products: u32) -> Result<(), ShopError> {
        let mut insert = self
            .work
            .prepare("INSERT INTO orders VALUES (?1, ?2, ?3, ?4, ?5)")?;
        let mut placed_at: u64 = 1_700_000_000;
        for order in 1..=stock.orders {
            let (user, product) = (
                self.rng.random_range(1..=stock.users),
                self.rng.random_range(1..=products),
            );
            placed_at += self.rng.random_range(0..120);
            insert.execute((
                order,
                user,
                product,
                self.rng.random_range(1..=4),
                placed_at,
            ))?;
            self.row_done();
        }
        Ok(())
    }

    fn row_done(&mut self) {
        self.rows += 1;
        if self.rows.is_multiple_of(4_096) {
            (self.progress)(Stage::Rows(self.rows));
        }
    }
}

fn pick(words: &[&'static str], rng: &mut StdRng) -> &'static str {
    words.choose(rng).expect("the lists of words are not empty")
}

/// Marks the file as a database of this program ("shop"), so that no other file is ever replaced.
const APPLICATION: i32 = i32::from_be_bytes(*b"shop");
const VERSION: i32 = 1;

// No other process sees the file before it is complete, so a journal or a sync to the disk would
// protect nothing.
const SETTINGS: &str = "
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    PRAGMA cache_size = -65536;";

const TABLES: &str = "
    CREATE TABLE stock (
        users INTEGER NOT NULL,
        orders INTEGER NOT NULL,
        seed INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE users (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        email TEXT NOT NULL,
        city TEXT NOT NULL
    ) STRICT;
    CREATE TABLE products (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        cents INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE orders (
        id INTEGER PRIMARY KEY,
        user_id INTEGER NOT NULL REFERENCES users,
        product_id INTEGER NOT NULL REFERENCES products,
        quantity INTEGER NOT NULL,
        placed_at INTEGER NOT NULL
    ) STRICT;";

const INDEXES: &str = "
    CREATE INDEX orders_by_user ON orders (user_id);
    CREATE INDEX users_by_city ON users (city);";
