//! The types that are keys.

use std::borrow::Cow;
use std::rc::Rc;
use std::str;
use std::sync::Arc;

use super::{KeyReader, KeyWriter, TierKey};

macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl TierKey for $number {
            fn write(&self, key: &mut KeyWriter) {
                key.plain(self);
            }

            fn read(key: &mut KeyReader<'_>) -> Option<Self> {
                let bytes = key.component()?;
                let text = str::from_utf8(&bytes).ok()?;
                let number: Self = text.parse().ok()?;
                // `007` and `+7` are not the text of 7.
                (number.to_string() == text).then_some(number)
            }
        }
    )*};
}

numbers!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize bool);

macro_rules! strings {
    ($($string:ty)*) => {$(
        impl TierKey for $string {
            fn write(&self, key: &mut KeyWriter) {
                key.component(self.as_bytes());
            }

            fn read(key: &mut KeyReader<'_>) -> Option<Self> {
                let text = String::from_utf8(key.component()?).ok()?;
                Some(text.into())
            }
        }
    )*};
}

strings!(String Box<str> Arc<str> Rc<str> Cow<'static, str>);

macro_rules! byte_strings {
    ($($bytes:ty)*) => {$(
        impl TierKey for $bytes {
            fn write(&self, key: &mut KeyWriter) {
                key.component(self);
            }

            fn read(key: &mut KeyReader<'_>) -> Option<Self> {
                Some(key.component()?.into())
            }
        }
    )*};
}

byte_strings!(Vec<u8> Box<[u8]> Arc<[u8]> Rc<[u8]>);

impl<const N: usize> TierKey for [u8; N] {
    fn write(&self, key: &mut KeyWriter) {
        key.component(self);
    }

    fn read(key: &mut KeyReader<'_>) -> Option<Self> {
        key.component()?.try_into().ok()
    }
}

impl TierKey for char {
    fn write(&self, key: &mut KeyWriter) {
        key.component(self.encode_utf8(&mut [0; 4]));
    }

    fn read(key: &mut KeyReader<'_>) -> Option<Self> {
        let bytes = key.component()?;
        let mut characters = str::from_utf8(&bytes).ok()?.chars();
        let character = characters.next()?;
        characters.next().is_none().then_some(character)
    }
}

#[cfg(feature = "uuid")]
impl TierKey for uuid::Uuid {
    fn write(&self, key: &mut KeyWriter) {
        key.plain(self.as_hyphenated());
    }

    fn read(key: &mut KeyReader<'_>) -> Option<Self> {
        let bytes = key.component()?;
        let text = str::from_utf8(&bytes).ok()?;
        let id: Self = text.parse().ok()?;
        // Other spellings of an id are not its text.
        (id.as_hyphenated().to_string() == text).then_some(id)
    }
}

macro_rules! tuples {
    ($(($($name:ident)+))*) => {$(
        impl<$($name: TierKey),+> TierKey for ($($name,)+) {
            fn write(&self, key: &mut KeyWriter) {
                #[allow(non_snake_case)]
                let ($($name,)+) = self;
                $($name.write(key);)+
            }

            fn read(key: &mut KeyReader<'_>) -> Option<Self> {
                Some(($($name::read(key)?,)+))
            }
        }
    )*};
}

tuples! {
    (A)
    (A B)
    (A B C)
    (A B C D)
    (A B C D E)
    (A B C D E F)
}
