//! Keys as texts: readable, and reversible, so that no two keys have the same text.

mod escape;
mod types;

use std::fmt::Display;
use std::str::Split;

/// A key that has a text of its own in the second tier.
///
/// The text of a key is its components, joined by colons. A component consists of the unreserved
/// characters of RFC 3986 (`A-Z a-z 0-9 - . _ ~`); every other byte is written as `%XX`, as
/// `encodeURIComponent` and `urllib.parse.quote` write it. So a key is readable in the server's
/// tools, and other languages can produce it.
///
/// Implemented for integers, `bool`, `char`, strings, byte strings, tuples of keys and, with the
/// feature `uuid`, `Uuid`. A struct writes and reads its fields in the same order:
///
/// ```
/// use cache_redis::{KeyReader, KeyWriter, TierKey};
///
/// #[derive(Debug, PartialEq)]
/// struct ProductKey {
///     shop: String,
///     id: u64,
/// }
///
/// impl TierKey for ProductKey {
///     fn write(&self, key: &mut KeyWriter) {
///         self.shop.write(key);
///         self.id.write(key);
///     }
///
///     fn read(key: &mut KeyReader<'_>) -> Option<Self> {
///         Some(Self { shop: TierKey::read(key)?, id: TierKey::read(key)? })
///     }
/// }
///
/// let key = ProductKey { shop: "a:b c".to_string(), id: 7 };
/// assert_eq!(key.to_text(), "a%3Ab%20c:7");
/// assert_eq!(ProductKey::from_text("a%3Ab%20c:7"), Some(key));
/// ```
///
/// An implementation must read back what it wrote, and write the same number of components for each
/// key of its type. Else two keys could have the same text.
pub trait TierKey: Sized {
    /// Appends the components of this key.
    fn write(&self, key: &mut KeyWriter);

    /// Reads the components that [`write`](Self::write) appends. `None` if they are not those of a
    /// key of this type.
    fn read(key: &mut KeyReader<'_>) -> Option<Self>;

    /// Returns the text of this key.
    #[must_use]
    fn to_text(&self) -> String {
        let mut writer = KeyWriter::default();
        self.write(&mut writer);
        writer.text
    }

    /// Returns the key that has this text, if any has.
    #[must_use]
    fn from_text(text: &str) -> Option<Self> {
        let mut reader = KeyReader {
            components: text.split(':'),
        };
        let key = Self::read(&mut reader)?;
        reader.components.next().is_none().then_some(key)
    }
}

/// What a [`TierKey`] writes its components to.
#[derive(Debug, Default)]
pub struct KeyWriter {
    text: String,
    has_component: bool,
}

impl KeyWriter {
    /// Appends a component, and escapes it.
    pub fn component(&mut self, bytes: impl AsRef<[u8]>) {
        self.separate();
        escape::escape(bytes.as_ref(), &mut self.text);
    }

    /// Appends a component that has only unreserved characters: a number.
    fn plain(&mut self, value: impl Display) {
        use std::fmt::Write;
        self.separate();
        write!(self.text, "{value}").expect("a string takes every text");
    }

    fn separate(&mut self) {
        if self.has_component {
            self.text.push(':');
        }
        self.has_component = true;
    }
}

/// What a [`TierKey`] reads its components from.
#[derive(Debug)]
pub struct KeyReader<'a> {
    components: Split<'a, char>,
}

impl KeyReader<'_> {
    /// Reads the next component. `None` if there is none, or if it is not escaped as
    /// [`KeyWriter::component`] escapes it.
    pub fn component(&mut self) -> Option<Vec<u8>> {
        escape::unescape(self.components.next()?)
    }
}
