//! How values become bytes.

use std::error::Error;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The error of a codec.
pub type CodecError = Box<dyn Error + Send + Sync>;

/// How values of the type `V` become bytes in the second tier, and values again.
///
/// The bytes that a codec reads come from the server: another version of the program, or another
/// program, may have written them. A codec must return an error for bytes that it cannot read.
///
/// ```
/// use cache_redis::{Codec, CodecError};
///
/// struct Celsius;
///
/// impl Codec<f32> for Celsius {
///     fn encode(&self, value: &f32) -> Result<Vec<u8>, CodecError> {
///         Ok(value.to_be_bytes().to_vec())
///     }
///
///     fn decode(&self, bytes: &[u8]) -> Result<f32, CodecError> {
///         Ok(f32::from_be_bytes(bytes.try_into()?))
///     }
/// }
///
/// assert_eq!(Celsius.decode(&Celsius.encode(&21.5).unwrap()).unwrap(), 21.5);
/// assert!(Celsius.decode(b"warm!").is_err());
/// ```
pub trait Codec<V>: Send + Sync + 'static {
    /// Writes a value.
    ///
    /// # Errors
    ///
    /// If the value has no bytes in this format. The cache then returns the value, and the server
    /// does not store it.
    fn encode(&self, value: &V) -> Result<Vec<u8>, CodecError>;

    /// Reads a value.
    ///
    /// # Errors
    ///
    /// If the bytes are not a value. The key is then a miss, which
    /// [`RedisStats::unreadable`](crate::RedisStats::unreadable) counts.
    fn decode(&self, bytes: &[u8]) -> Result<V, CodecError>;
}

/// MessagePack with the names of fields. The default.
///
/// Versions of a program may share a server while a deployment lasts: a field that a struct lacks
/// is ignored, and a new field needs `#[serde(default)]`. A value behind an `Arc` needs the feature
/// `rc` of serde.
///
/// ```
/// use cache_redis::{Codec, MessagePack};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct New { name: String, age: u8 }
///
/// #[derive(Serialize, Deserialize)]
/// struct Old { name: String }
///
/// let bytes = MessagePack.encode(&New { name: "alice".to_string(), age: 30 }).unwrap();
/// let old: Old = MessagePack.decode(&bytes).unwrap();
/// assert_eq!(old.name, "alice");
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct MessagePack;

impl<V: Serialize + DeserializeOwned> Codec<V> for MessagePack {
    fn encode(&self, value: &V) -> Result<Vec<u8>, CodecError> {
        Ok(rmp_serde::to_vec_named(value)?)
    }

    fn decode(&self, bytes: &[u8]) -> Result<V, CodecError> {
        let mut rest = bytes;
        let value = rmp_serde::from_read(&mut rest)?;
        if !rest.is_empty() {
            return Err(format!("{} bytes follow the value", rest.len()).into());
        }
        Ok(value)
    }
}

/// JSON, for values that other programs read.
#[cfg(feature = "json")]
#[derive(Debug, Clone, Copy, Default)]
pub struct Json;

#[cfg(feature = "json")]
impl<V: Serialize + DeserializeOwned> Codec<V> for Json {
    fn encode(&self, value: &V) -> Result<Vec<u8>, CodecError> {
        Ok(serde_json::to_vec(value)?)
    }

    fn decode(&self, bytes: &[u8]) -> Result<V, CodecError> {
        Ok(serde_json::from_slice(bytes)?)
    }
}

/// The bytes of byte strings and strings as they are.
///
/// ```
/// use cache_redis::{Codec, Raw};
///
/// assert_eq!(Raw.encode(&"alice".to_string()).unwrap(), b"alice");
/// let name: Result<String, _> = Raw.decode(b"\xff");
/// assert!(name.is_err());
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Raw;

macro_rules! raw {
    ($($value:ty, |$bytes:ident| $decode:expr;)*) => {$(
        impl Codec<$value> for Raw {
            fn encode(&self, value: &$value) -> Result<Vec<u8>, CodecError> {
                let bytes: &[u8] = AsRef::<[u8]>::as_ref(&**value);
                Ok(bytes.to_vec())
            }

            fn decode(&self, $bytes: &[u8]) -> Result<$value, CodecError> {
                Ok($decode)
            }
        }
    )*};
}

raw! {
    Vec<u8>, |bytes| bytes.to_vec();
    Arc<[u8]>, |bytes| bytes.into();
    String, |bytes| str::from_utf8(bytes)?.to_string();
    Arc<str>, |bytes| str::from_utf8(bytes)?.into();
}
