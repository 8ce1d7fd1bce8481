//! The expansion does not trigger lints that users enable.

#![deny(warnings, missing_docs, missing_debug_implementations, unnameable_types, unreachable_pub)]
#![deny(unused, non_camel_case_types, private_interfaces, unsafe_code, rust_2018_idioms)]
#![deny(future_incompatible, single_use_lifetimes)]
#![deny(unused_qualifications, unused_lifetimes, elided_lifetimes_in_paths, redundant_lifetimes)]

use std::sync::Arc;

use cache_tokio::{LoadError, cached};

/// A product.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Product {
    /// Its number.
    pub id: u64,
}

/// A private type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Hidden(u64);

/// A product.
#[must_use]
#[cached(max_capacity = 10, ttl = "1s", tti = "500ms", builder = |builder| builder.shards(1))]
pub async fn product(id: u64, _name: &str) -> Product {
    Product { id }
}

#[cached]
async fn hidden(mut hidden: Hidden) -> Hidden {
    hidden.0 += 1;
    hidden
}

/// Something.
#[cached(key = "id / 10", cache_none)]
pub(crate) async fn something(id: u64, _unused: u8) -> Option<Product> {
    Some(Product { id })
}

/// Many arguments.
#[cached(key(a, b), cache_err = "5s")]
#[allow(clippy::too_many_arguments)]
pub async fn many(
    a: u8,
    b: u8,
    c: u8,
    d: u8,
    e: u8,
    f: &u8,
    g: u8,
    h: u8,
    i: u8,
) -> Result<u8, LoadError<std::io::Error>> {
    Ok(a + b + c + d + e + f + g + h + i)
}

#[cached]
#[expect(unused_variables, reason = "the attribute is kept")]
async fn nothing(number: u64) {}

#[cached]
async fn generic<T: Clone + Send + Sync + 'static>(id: u64) -> Option<T> {
    let _ = id;
    None
}

/// A service.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Service;

impl Service {
    /// A product.
    #[cached(skip(self))]
    pub async fn product(&self, id: u64) -> Product {
        Product { id }
    }

    #[cached(key(self, name))]
    async fn owned(self: Arc<Self>, name: String) -> String {
        name
    }

    #[cached]
    async fn made() -> Result<Self, std::num::ParseIntError> {
        let _ = "1".parse::<u8>()?;
        Ok(Self)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(product(1, "one").await, Product { id: 1 });
    assert_eq!(hidden(Hidden(1)).await, Hidden(2));
    assert_eq!(something(1, 0).await, Some(Product { id: 1 }));
    let _ = many(1, 1, 1, 1, 1, &1, 1, 1, 1).await;
    nothing(1).await;
    assert_eq!(generic::<u8>(1).await, None);
    assert_eq!(Service.product(1).await, Product { id: 1 });
    assert_eq!(Arc::new(Service).owned(String::new()).await, "");
    assert!(Service::made().await.is_ok());
}
