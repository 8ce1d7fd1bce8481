//! Percent-encoding with one text for each sequence of bytes.

const DIGITS: &[u8; 16] = b"0123456789ABCDEF";

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

pub(super) fn escape(bytes: &[u8], text: &mut String) {
    for &byte in bytes {
        if is_unreserved(byte) {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.push(char::from(DIGITS[usize::from(byte >> 4)]));
            text.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

/// The bytes that `escape` writes as this text. A lower-case digit and an escape that is not needed
/// are refused: else two texts would name one key, and an invalidation of one would miss the other.
pub(super) fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let escaped = digit(rest.next()?)? << 4 | digit(rest.next()?)?;
            if is_unreserved(escaped) {
                return None;
            }
            bytes.push(escaped);
        } else if is_unreserved(byte) {
            bytes.push(byte);
        } else {
            return None;
        }
    }
    Some(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    let value = DIGITS.iter().position(|&digit| digit == byte)?;
    u8::try_from(value).ok()
}
