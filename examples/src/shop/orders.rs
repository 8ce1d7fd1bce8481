//! Orders, users and products, looked up by one number or by many.
//!
//! A lookup of a single number uses the query for many numbers. A comparison of both ways then
//! compares only how often the query is sent.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use rusqlite::types::FromSql;
use rusqlite::{Connection, Params, Row};

use super::{Shop, ShopError};

/// A user, as shown in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The user's number.
    pub id: u64,
    /// First and last name.
    pub name: String,
    /// The city that the user lives in.
    pub city: String,
}

/// One order of a product by a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The order's number; a later order has a higher one.
    pub id: u64,
    /// The user's number.
    pub user: u64,
    /// The product's number.
    pub product: u64,
    /// The number of pieces.
    pub quantity: u32,
    /// When the order was placed, in seconds since 1970.
    pub placed_at: u64,
}

/// A product of the shop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// The product's number.
    pub id: u64,
    /// The product's name.
    pub name: String,
    /// The price of one piece, in cents.
    pub cents: u64,
}

impl Shop {
    /// The last `most` orders of these users together, the latest first.
    ///
    /// # Errors
    ///
    /// Returns the database's error.
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
    /// Returns [`ShopError::NoSuchUser`], or the database's error.
    pub async fn user(&self, user: u64) -> Result<Arc<User>, ShopError> {
        let found = self.users(vec![user]).await?.remove(&user);
        found.ok_or(ShopError::NoSuchUser(user))
    }

    /// The users with these numbers, by number. Unknown numbers are left out.
    ///
    /// # Errors
    ///
    /// Returns the database's error.
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
    /// Returns [`ShopError::NoSuchProduct`], or the database's error.
    pub async fn product(&self, product: u64) -> Result<Arc<Product>, ShopError> {
        let found = self.products(vec![product]).await?.remove(&product);
        found.ok_or(ShopError::NoSuchProduct(product))
    }

    /// The products with these numbers, by number. Unknown numbers are left out.
    ///
    /// # Errors
    ///
    /// Returns the database's error.
    pub async fn products(
        &self,
        products: Vec<u64>,
    ) -> Result<HashMap<u64, Arc<Product>>, ShopError> {
        let found = self
            .query(move |db| rows(db, PRODUCTS, [list(&products)], product_of))
            .await?;
        Ok(by_number(found, |product| product.id))
    }

    /// The last `most` orders of each of these users, the latest first. Every user has an entry,
    /// also a user without orders.
    ///
    /// # Errors
    ///
    /// Returns the database's error.
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

/// Formats numbers for SQLite's `json_each` as one value, so that the statement is the same for any
/// number of them.
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
