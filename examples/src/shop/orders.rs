//! Orders, and what is shown beside them: users and products, by one number or by many.
//!
//! The queries of many numbers are the ones of a single number too, so that a comparison of both
//! ways compares how often they are sent, and nothing else.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use rusqlite::types::FromSql;
use rusqlite::{Connection, Params, Row};

use super::{Shop, ShopError};

/// A user, as lists show one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The user's number.
    pub id: u64,
    /// First and last name.
    pub name: String,
    /// Where the user lives.
    pub city: String,
}

/// One thing that somebody bought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The order's number; a later order has a higher one.
    pub id: u64,
    /// Who bought it.
    pub user: u64,
    /// What was bought.
    pub product: u64,
    /// How many of it.
    pub quantity: u32,
    /// When, in seconds since 1970.
    pub placed_at: u64,
}

/// Something that the shop sells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// The product's number.
    pub id: u64,
    /// What it is.
    pub name: String,
    /// What one costs, in cents.
    pub cents: u64,
}

impl Shop {
    /// The last `most` orders of these users together, the latest first.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub async fn latest_orders(
        &self,
        users: RangeInclusive<u64>,
        most: u64,
    ) -> Result<Vec<Order>, ShopError> {
        let range = (*users.start(), *users.end(), most);
        self.query(move |db| rows(db, LATEST, range, order_of))
            .await
    }

    /// One user.
    ///
    /// # Errors
    ///
    /// [`ShopError::NoSuchUser`], or what the database says.
    pub async fn user(&self, user: u64) -> Result<Arc<User>, ShopError> {
        let found = self.users(vec![user]).await?.remove(&user);
        found.ok_or(ShopError::NoSuchUser(user))
    }

    /// Those of these users that there are, by number.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub async fn users(&self, users: Vec<u64>) -> Result<HashMap<u64, Arc<User>>, ShopError> {
        let found = self
            .query(move |db| rows(db, USERS, [list(&users)], user_of))
            .await?;
        Ok(by_number(found, |user| user.id))
    }

    /// One product.
    ///
    /// # Errors
    ///
    /// [`ShopError::NoSuchProduct`], or what the database says.
    pub async fn product(&self, product: u64) -> Result<Arc<Product>, ShopError> {
        let found = self.products(vec![product]).await?.remove(&product);
        found.ok_or(ShopError::NoSuchProduct(product))
    }

    /// Those of these products that there are, by number.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub async fn products(
        &self,
        products: Vec<u64>,
    ) -> Result<HashMap<u64, Arc<Product>>, ShopError> {
        let found = self
            .query(move |db| rows(db, PRODUCTS, [list(&products)], product_of))
            .await?;
        Ok(by_number(found, |product| product.id))
    }

    /// The last `most` orders of each of these users, the latest first. There is an entry for
    /// everybody, also for who has not bought anything.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub async fn last_orders_of(
        &self,
        users: Vec<u64>,
        most: u64,
    ) -> Result<HashMap<u64, Arc<[Order]>>, ShopError> {
        let mut orders: HashMap<u64, Vec<Order>> =
            users.iter().map(|user| (*user, Vec::new())).collect();
        let found = self
            .query(move |db| rows(db, LAST_OF_EACH, (list(&users), most), order_of))
            .await?;
        for order in found {
            orders.entry(order.user).or_default().push(order);
        }
        let orders = orders.into_iter();
        Ok(orders.map(|(user, orders)| (user, orders.into())).collect())
    }
}

fn rows<T>(
    db: &Connection,
    query: &str,
    values: impl Params,
    row: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, ShopError> {
    let mut query = db.prepare_cached(query)?;
    let rows = query.query_map(values, row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn by_number<T>(found: Vec<T>, number: fn(&T) -> u64) -> HashMap<u64, Arc<T>> {
    let found = found.into_iter();
    found.map(|row| (number(&row), Arc::new(row))).collect()
}

/// Numbers, as SQLite's `json_each` reads them: one value, however many there are, so that the
/// statement stays the same.
fn list(numbers: &[u64]) -> String {
    format!("{numbers:?}")
}

fn user_of(row: &Row<'_>) -> rusqlite::Result<User> {
    let (id, name, city) = three(row)?;
    Ok(User { id, name, city })
}

fn product_of(row: &Row<'_>) -> rusqlite::Result<Product> {
    let (id, name, cents) = three(row)?;
    Ok(Product { id, name, cents })
}

fn order_of(row: &Row<'_>) -> rusqlite::Result<Order> {
    let (id, user, product) = three(row)?;
    Ok(Order {
        id,
        user,
        product,
        quantity: row.get(3)?,
        placed_at: row.get(4)?,
    })
}

fn three<A: FromSql, B: FromSql, C: FromSql>(row: &Row<'_>) -> rusqlite::Result<(A, B, C)> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

const LATEST: &str = "
    SELECT id, user_id, product_id, quantity, placed_at FROM orders
    WHERE user_id BETWEEN ?1 AND ?2 ORDER BY id DESC LIMIT ?3";

const USERS: &str = "
    SELECT id, name, city FROM users WHERE id IN (SELECT value FROM json_each(?1))";

const PRODUCTS: &str = "
    SELECT id, name, cents FROM products WHERE id IN (SELECT value FROM json_each(?1))";

const LAST_OF_EACH: &str = "
    SELECT id, user_id, product_id, quantity, placed_at
    FROM (
        SELECT *, ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY id DESC) AS place
        FROM orders WHERE user_id IN (SELECT value FROM json_each(?1))
    )
    WHERE place <= ?2 ORDER BY id DESC";
