//! How the 32 bits that the machine keeps of a key's hash become what a hash table wants.

/// Spreads a 32-bit hash over 64 bits: `hashbrown` takes a key's bucket from the low bits and its
/// tag from the top ones. The multiplier is 2⁶⁴ divided by the golden ratio (Fibonacci hashing,
/// Knuth, The Art of Computer Programming, vol. 3, 6.4).
#[inline]
pub(crate) const fn spread(hash: u32) -> u64 {
    (hash as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}
