//! Functions as users write them. Their expansion does not trigger lints either.

#![deny(warnings, missing_docs, missing_debug_implementations, unnameable_types, unreachable_pub)]
#![deny(unused, non_camel_case_types, private_interfaces, unsafe_code, rust_2018_idioms)]
#![deny(future_incompatible, single_use_lifetimes, let_underscore_drop, keyword_idents)]
#![deny(unused_qualifications, unused_lifetimes, elided_lifetimes_in_paths, redundant_lifetimes)]

use std::sync::Arc;

use cache_tokio::cached;

/// Has the name of a `static` in the expansion, which must not hide it.
const CACHES: u64 = 10;

/// An extractor as in a web framework.
#[derive(Debug)]
pub struct Path<T>(pub T);

/// A type that is not `Clone`.
#[derive(Debug)]
pub struct Request {
    /// The path.
    pub path: String,
}

/// A function with inner docs.
#[cached]
pub async fn inside(id: u64) -> u64 {
    //! They are moved in front of the function.
    #![allow(unused_variables)]
    let unused = 1;
    id
}

/// Parameters that exist on some targets only.
#[cached]
pub async fn conditional(#[cfg(any())] _x: u32, id: u64, #[cfg(all())] _y: u8) -> u64 {
    id
}

/// A handler.
#[cached(key = "(id, name.len())")]
pub async fn handler(Path((mut id, name)): Path<(u64, String)>, _: u8, [a, b]: [u8; 2]) -> u64 {
    id += u64::from(a + b);
    id + name.len() as u64
}

/// A page.
#[cached(key = "request.path.clone()")]
pub async fn page(request: &Request, #[allow(unused_variables)] name: &str) -> usize {
    request.path.len()
}

/// A type parameter that may borrow.
#[cached(key = "name.as_ref().to_owned()")]
pub async fn length<T: AsRef<str>>(name: T) -> usize {
    name.as_ref().len()
}

/// Lifetimes that the companions do not have.
#[cached(key = "text.clone()", max_capacity = CACHES)]
pub async fn bounded<'a, T: 'static + Clone + Into<String> + Send + Sync + PartialEq<&'a str>>(
    text: &'a String,
    other: T,
) -> bool
where
    &'a str: PartialEq<T>,
{
    &**text == other
}

/// Recursion.
#[cached]
pub async fn fibonacci(n: u64) -> u64 {
    if n < 2 { n } else { fibonacci(n - 1).await + fibonacci(n - 2).await }
}

/// A raw name.
#[cached]
pub async fn r#type(r#fn: &str) -> String {
    r#fn.to_owned()
}

/// The name of a type.
#[cached(name = str_cache)]
pub async fn str(id: str_id::Id) -> u64 {
    let text: &'static str = "a";
    id.0 + text.len() as u64
}

/// A module whose name contains the name of a type.
pub mod str_id {
    /// An id.
    #[derive(Debug, Clone, PartialEq, Eq, Hash)]
    pub struct Id(pub u64);
}

/// Constants.
#[cached]
pub async fn constants<const N: usize, T: ?Sized + 'static, const B: bool>(id: u64) -> (u64, usize) {
    (id, if B { N } else { 0 })
}

/// Takes and returns a closure.
#[cached(skip(log))]
pub async fn function(
    id: u64,
    log: Box<dyn for<'b> Fn(&'b str) + Send>,
) -> Arc<dyn Fn(&str) -> usize + Send + Sync> {
    log("called");
    Arc::new(move |text| text.len() + id as usize)
}

macro_rules! functions {
    ($($name:ident: $ty:ty, $key:expr, $skipped:ident;)*) => {
        $(
            /// Made by a macro.
            #[cached(key = $key, max_capacity = 5 + 5)]
            pub async fn $name(argument: $ty, $skipped: u8) -> u64 {
                u64::from($skipped) + argument.to_string().len() as u64
            }
        )*
    };
}

functions! {
    from_literal: &str, "argument.len()", a;
    from_number: u64, "argument", b;
}

/// Borrows.
#[derive(Debug)]
pub struct Borrowing<'a>(&'a str);

impl Borrowing<'_> {
    /// Its length.
    #[cached(skip(self, Self))]
    pub async fn length(&self, id: u64) -> u64 {
        if id == 0 { self.0.len() as u64 } else { self.length(id - 1).await }
    }
}

/// A trait with a provided method.
#[allow(async_fn_in_trait)]
pub trait Named: Clone + Eq + std::hash::Hash + Send + Sync + 'static {
    /// Its name.
    fn name(&self) -> String;

    /// Its name, and a number.
    #[cached(skip(self))]
    async fn numbered(&self, id: u64) -> String {
        format!("{}{id}", self.name())
    }
}

impl Named for u8 {
    fn name(&self) -> String {
        self.to_string()
    }
}

/// Contains a function with the name of another one.
pub mod elsewhere {
    use cache_tokio::cached;

    /// Another.
    #[cached]
    pub async fn inside(id: u64) -> u64 {
        id + 1
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!((inside(1).await, elsewhere::inside(1).await), (1, 2));
    assert_eq!(conditional(1, 2).await, 1);
    assert_eq!(handler(Path((1, "ab".to_owned())), 0, [1, 2]).await, 6);
    let request = Request { path: "/".to_owned() };
    assert_eq!(page(&request, "").await, 1);
    assert_eq!(length(&request.path).await, 1);
    assert!(bounded(&request.path, "/").await);
    assert_eq!(fibonacci(10).await, 55);
    assert_eq!(r#type("a").await, "a");
    r#type::invalidate("a");
    assert_eq!(str(str_id::Id(1)).await, 2);
    assert_eq!(constants::<2, str, true>(1).await, (1, 2));
    assert_eq!(function(1, Box::new(|_| ())).await("a"), 2);
    assert_eq!((from_literal("abc", 1).await, from_number(10, 1).await), (4, 3));
    assert_eq!((from_literal("123", 2).await, from_number(10, 2).await), (4, 3));
    assert_eq!((from_literal("12", 2).await, from_number(200, 2).await), (4, 5));
    assert_eq!(Borrowing("abc").length(3).await, 3);
    assert_eq!(7_u8.numbered(1).await, "71");
    assert_eq!(u8::numbered_stats().loads, 1);
}
