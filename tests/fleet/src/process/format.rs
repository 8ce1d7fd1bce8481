//! Values as bytes, in formats that exclude each other.

use cache_redis::{Codec, CodecError};

/// A format: its number, the version, and further bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Format {
    pub(super) number: u8,
    pub(super) padding: usize,
}

impl Codec<u64> for Format {
    fn encode(&self, version: &u64) -> Result<Vec<u8>, CodecError> {
        let mut bytes = vec![self.number];
        bytes.extend(version.to_le_bytes());
        bytes.resize(bytes.len() + self.padding, 0);
        Ok(bytes)
    }

    fn decode(&self, bytes: &[u8]) -> Result<u64, CodecError> {
        match bytes.split_first() {
            Some((&number, rest)) if number == self.number => {
                let (version, _) = rest.split_first_chunk().ok_or("the version is missing")?;
                Ok(u64::from_le_bytes(*version))
            }
            _ => Err(format!("this is not of the format {}", self.number).into()),
        }
    }
}
