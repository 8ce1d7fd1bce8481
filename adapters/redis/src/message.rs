//! What processes publish to each other on the namespace's channel.

use crate::names::Generation;

/// A message. Its first byte is its kind, and texts of keys contain no space.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message<'a> {
    /// `D key key…`: the keys were removed, or written by a program that expects nothing back.
    Removed(Vec<&'a str>),
    /// `P origin number key number key…`: a process has written the keys. The number is that of the
    /// write, of which only the process with this origin knows.
    Written {
        origin: &'a str,
        writes: Vec<(u64, &'a str)>,
    },
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
            "P" => {
                let mut words = rest.split(' ');
                let origin = words.next()?;
                let words: Vec<_> = words.collect();
                let (pairs, []) = words.as_chunks() else {
                    return None;
                };
                let writes = pairs
                    .iter()
                    .map(|[number, text]| Some((number.parse().ok()?, *text)));
                let writes = writes.collect::<Option<_>>()?;
                Some(Self::Written { origin, writes })
            }
            "F" => Some(Self::Filled(rest.split(' ').collect())),
            "G" => Generation::parse(rest.as_bytes()).map(Self::Generation),
            _ => None,
        }
    }
}

/// The message that this process has written keys, each with the number of its write.
pub(crate) fn written<'a>(origin: &str, writes: impl Iterator<Item = (u64, &'a str)>) -> String {
    let mut message = format!("P {origin}");
    for (number, text) in writes {
        message.push_str(&format!(" {number} {text}"));
    }
    message
}

/// The message that a value of a key was stored.
pub(crate) fn filled(text: &str) -> String {
    format!("F {text}")
}

/// The message that keys were removed.
pub(crate) fn removed(texts: &[String]) -> String {
    format!("D {}", texts.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_message_reads_back() {
        let message = written("a1", [(7, "x"), (8, "")].into_iter());
        let read = Message::decode(message.as_bytes());
        let writes = vec![(7, "x"), (8, "")];
        let origin = "a1";
        assert_eq!(read, Some(Message::Written { origin, writes }));
    }

    #[test]
    fn a_message_of_another_form_is_none() {
        for bytes in [
            &b"P"[..],
            b"P a1 7",
            b"P a1 seven x",
            b"Q x",
            b"",
            b"D\xff x",
        ] {
            assert_eq!(Message::decode(bytes), None, "{bytes:?}");
        }
    }
}
