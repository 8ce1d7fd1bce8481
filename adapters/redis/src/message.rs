//! What processes publish to each other on the namespace's channel.

use crate::names::Generation;

/// A message. Its first byte is its kind, and texts of keys contain no space.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message<'a> {
    /// `D key key…`: the keys were removed or written.
    Removed(Vec<&'a str>),
    /// `F key key…`: values of the keys were stored, or their leases were given up.
    Filled(Vec<&'a str>),
    /// `G generation`: keys are of this generation now.
    Generation(Generation),
}

impl<'a> Message<'a> {
    pub(crate) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (kind, rest) = str::from_utf8(bytes).ok()?.split_once(' ')?;
        match kind {
            "D" => Some(Self::Removed(rest.split(' ').collect())),
            "F" => Some(Self::Filled(rest.split(' ').collect())),
            "G" => Generation::parse(rest.as_bytes()).map(Self::Generation),
            _ => None,
        }
    }
}

/// The message that keys were removed or written.
pub(crate) fn removed(texts: &[String]) -> String {
    format!("D {}", texts.join(" "))
}
