//! What a batch loader may return, and the conversion to one [`Answer`] for each key.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::convert::Infallible;
use core::hash::{BuildHasher, Hash};

use hashbrown::HashMap;

use crate::flight::Loaded;

/// What a batch loader may return: for each key a value, "not found", or an error.
///
/// | return type | meaning |
/// |---|---|
/// | `HashMap<K, Item>`, `BTreeMap<K, Item>` | items in any order; a key without an item is "not found" |
/// | `Vec<Item>` | one item for each key, in the order of the keys |
/// | `Result` of one of these | the whole batch may fail |
///
/// | `Item` | meaning |
/// |---|---|
/// | `V` | a value |
/// | [`Loaded<V>`] | a value with its own ttl or weight |
/// | `Option` of one of these | `None`: not found |
/// | `Result` of one of these | an error for this key only |
///
/// Keys are distinct. A `Vec` of another length fails every key with
/// [`LoadError::WrongLength`](crate::LoadError::WrongLength). A map may have more keys than the
/// loader got: the cache stores their values too, unless a key has an entry or a load in flight or
/// was written to since the loader was called.
///
/// Matching takes O(n) for a `Vec`, and O(n log n) for a map.
///
/// Implement the trait for a type of your own through [`Answers`]:
///
/// ```
/// use cache_core::{Answers, BatchOutput, Loaded};
///
/// struct Row { id: u64, name: Option<String> }
/// struct Rows(Vec<Row>);
///
/// impl BatchOutput<u64, String> for Rows {
///     type Error = std::io::Error;
///
///     fn into_answers(self) -> Result<Answers<u64, String, Self::Error>, Self::Error> {
///         let rows = self.0.into_iter();
///         let answers = rows.map(|row| (row.id, Ok(row.name.map(Loaded::new))));
///         Ok(Answers::ByKey(answers.collect()))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "a batch loader for a cache from `{K}` to `{V}` cannot return `{Self}`",
    label = "this batch loader returns `{Self}`",
    note = "it may return a `Vec` with one item for each key, in the order of the keys, or a map from keys to items, or a `Result` of one of these",
    note = "an item is a value, a `Loaded` value, an `Option` of one of these, or a `Result` of one of these"
)]
pub trait BatchOutput<K, V> {
    /// The error for one key or for the whole batch.
    type Error;

    /// The answer for each key.
    ///
    /// # Errors
    /// The error for the whole batch: every key fails with it.
    fn into_answers(self) -> Result<Answers<K, V, Self::Error>, Self::Error>;
}

/// The answers of a batch loader, one for each key.
#[derive(Debug)]
pub enum Answers<K, V, E> {
    /// As many answers as the loader got keys, in the order of the keys.
    InOrder(Vec<Answer<V, E>>),
    /// In any order. A key without an answer is "not found"; for a key with several answers the
    /// last one counts.
    ByKey(Vec<(K, Answer<V, E>)>),
}

/// The answer for one key: a value, `Ok(None)` for "not found", or an error for this key only.
pub type Answer<V, E> = Result<Option<Loaded<V>>, E>;

/// An item of a batch: what the loader returns for one key.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an item of a batch for a cache of `{V}`",
    label = "this batch loader returns items of type `{Self}`",
    note = "an item is a `{V}`, a `Loaded<{V}>`, an `Option` of one of these, or a `Result` of one of these"
)]
pub trait BatchItem<V> {
    /// The error for this key.
    type Error;

    /// The answer for the key.
    ///
    /// # Errors
    /// The error for this key only.
    fn into_answer(self) -> Answer<V, Self::Error>;
}

/// An item of a batch that may fail as a whole with an error `E`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an item of a batch for a cache of `{V}` that fails with `{E}`",
    label = "this batch loader returns items of type `{Self}`",
    note = "an item is a `{V}`, a `Loaded<{V}>`, an `Option` of one of these, or a `Result` of one of these with the error `{E}`"
)]
pub trait BatchItemOr<V, E> {
    /// The answer for the key.
    ///
    /// # Errors
    /// The error for this key only.
    fn into_answer_or(self) -> Answer<V, E>;
}

/// A collection of items that a function converts to answers.
trait Items<K>: Sized {
    type Item;
    fn into_answers_by<V, E>(self, answer: impl Fn(Self::Item) -> Answer<V, E>)
    -> Answers<K, V, E>;
}

impl<K, T> Items<K> for Vec<T> {
    type Item = T;

    fn into_answers_by<V, E>(self, answer: impl Fn(T) -> Answer<V, E>) -> Answers<K, V, E> {
        Answers::InOrder(self.into_iter().map(answer).collect())
    }
}

/// Implements [`Items`] for a map.
macro_rules! map_items {
    ([$($generics:tt)*] $map:ty) => {
        impl<$($generics)*> Items<K> for $map {
            type Item = T;

            fn into_answers_by<V, E>(self, answer: impl Fn(T) -> Answer<V, E>) -> Answers<K, V, E> {
                let answers = self.into_iter().map(|(key, item)| (key, answer(item)));
                Answers::ByKey(answers.collect())
            }
        }
    };
}

/// Implements [`BatchOutput`] for a collection, and for a `Result` of it.
macro_rules! batch_output {
    ([$($generics:tt)*] $items:ty) => {
        impl<V, $($generics)*> BatchOutput<K, V> for $items
        where
            T: BatchItem<V>,
        {
            type Error = T::Error;

            fn into_answers(self) -> Result<Answers<K, V, T::Error>, T::Error> {
                Ok(Items::into_answers_by(self, BatchItem::into_answer))
            }
        }

        impl<V, E, $($generics)*> BatchOutput<K, V> for Result<$items, E>
        where
            T: BatchItemOr<V, E>,
        {
            type Error = E;

            fn into_answers(self) -> Result<Answers<K, V, E>, E> {
                let items = self?;
                Ok(Items::into_answers_by(items, BatchItemOr::into_answer_or))
            }
        }
    };
}

map_items!([K: Eq + Hash, T, S: BuildHasher] HashMap<K, T, S>);
map_items!([K: Ord, T] BTreeMap<K, T>);
batch_output!([K, T] Vec<T>);
batch_output!([K: Eq + Hash, T, S: BuildHasher] HashMap<K, T, S>);
batch_output!([K: Ord, T] BTreeMap<K, T>);
#[cfg(feature = "std")]
map_items!([K: Eq + Hash, T, S: BuildHasher] std::collections::HashMap<K, T, S>);
#[cfg(feature = "std")]
batch_output!([K: Eq + Hash, T, S: BuildHasher] std::collections::HashMap<K, T, S>);

/// Implements [`BatchItem`] and [`BatchItemOr`] for an item that cannot fail, and for a `Result` of
/// it. The first kind fits a batch with any error.
macro_rules! plain_item {
    ($item:ty, $value:ident => $answer:expr) => {
        impl<V> BatchItem<V> for $item {
            type Error = Infallible;

            fn into_answer(self) -> Answer<V, Infallible> {
                let $value = self;
                Ok($answer)
            }
        }

        impl<V, E> BatchItemOr<V, E> for $item {
            fn into_answer_or(self) -> Answer<V, E> {
                let $value = self;
                Ok($answer)
            }
        }

        impl<V, E> BatchItem<V> for Result<$item, E> {
            type Error = E;

            fn into_answer(self) -> Answer<V, E> {
                self.map(|$value| $answer)
            }
        }

        impl<V, E> BatchItemOr<V, E> for Result<$item, E> {
            fn into_answer_or(self) -> Answer<V, E> {
                self.map(|$value| $answer)
            }
        }
    };
}

plain_item!(V, value => Some(Loaded::new(value)));
plain_item!(Loaded<V>, loaded => Some(loaded));
plain_item!(Option<V>, value => value.map(Loaded::new));
plain_item!(Option<Loaded<V>>, loaded => loaded);
