//! What a batch loader may return.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::convert::Infallible;
use core::hash::{BuildHasher, Hash};

use hashbrown::HashMap;

use crate::flight::Loaded;

/// What a batch loader returns: for each key a value, an error of its own, or nothing.
///
/// | a batch loader returns | for |
/// |---|---|
/// | a map from keys to items | queries that return rows in any order; a key without an item is "not found"; items of keys that nobody asked for are cached too |
/// | a `Vec` of items | one item a key, in the order of the keys; another length is an error |
/// | `Result` of one of these | queries that may fail as a whole |
///
/// An item is a value `V`, a [`Loaded<V>`] (with its own ttl or weight), an `Option` of one of these
/// (`None`: not found), or a `Result` of one of these (an error for this key only).
///
/// A named type of one's own can implement it through [`Answers`].
#[diagnostic::on_unimplemented(
    message = "a batch loader for a cache from `{K}` to `{V}` cannot return `{Self}`",
    label = "this batch loader returns `{Self}`",
    note = "it may return a `Vec` with one item for each key, in the order of the keys, or a map from keys to items, or a `Result` of one of these",
    note = "an item is a value, a `Loaded` value, an `Option` of one of these, or a `Result` of one of these"
)]
pub trait BatchOutput<K, V> {
    /// The loader's error, of one key or of the whole batch.
    type Error;

    /// The answers.
    ///
    /// # Errors
    /// The error of the whole batch.
    fn into_answers(self) -> Result<Answers<K, V, Self::Error>, Self::Error>;
}

/// The answers of a batch.
#[derive(Debug)]
pub enum Answers<K, V, E> {
    /// One for each key, in the order of the keys.
    InOrder(Vec<Answer<V, E>>),
    /// By key, in any order.
    ByKey(Vec<(K, Answer<V, E>)>),
}

/// The answer for one key: `Ok(None)` if there is no value.
pub type Answer<V, E> = Result<Option<Loaded<V>>, E>;

/// One item of a batch.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an item of a batch for a cache of `{V}`",
    label = "this batch loader returns items of type `{Self}`",
    note = "an item is a `{V}`, a `Loaded<{V}>`, an `Option` of one of these, or a `Result` of one of these"
)]
pub trait BatchItem<V> {
    /// The error for this key.
    type Error;

    /// The answer.
    ///
    /// # Errors
    /// The error for this key only.
    fn into_answer(self) -> Answer<V, Self::Error>;
}

/// One item of a batch that may also fail as a whole, with `E`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an item of a batch for a cache of `{V}` that fails with `{E}`",
    label = "this batch loader returns items of type `{Self}`",
    note = "an item is a `{V}`, a `Loaded<{V}>`, an `Option` of one of these, or a `Result` of one of these with the error `{E}`"
)]
pub trait BatchItemOr<V, E> {
    /// The answer.
    ///
    /// # Errors
    /// The error for this key only.
    fn into_answer_or(self) -> Answer<V, E>;
}

/// A collection of items.
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

/// Implements [`Items`] for a map, and [`BatchOutput`] for every collection.
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

/// An item that cannot fail is one for every error.
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
