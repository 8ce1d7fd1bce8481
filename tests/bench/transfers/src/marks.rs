//! Marks in a trace: writes to known addresses that say which thread runs which operation.

use std::sync::atomic::{AtomicU8, Ordering};

/// What a mark says. Each mark is a write to an address of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The thread of this number begins an operation. [`SETUP`] stands for the set-up.
    Begin(u8),
    /// The operation ends. Until the next begins, the threads take turns.
    End,
    /// The threads warm up for the phase of this number.
    WarmUp(u8),
    /// From here on the operations of the phase of this number count.
    Measured(u8),
}

/// The core of the set-up, which no thread has.
pub(crate) const SETUP: u8 = 126;

const END: u8 = 127;
const WARM_UP: u8 = 128;
const MEASURED: u8 = 192;

static MARKS: [AtomicU8; 256] = [const { AtomicU8::new(0) }; 256];

impl Mark {
    const fn number(self) -> u8 {
        match self {
            Self::Begin(thread) => thread,
            Self::End => END,
            Self::WarmUp(phase) => WARM_UP + phase,
            Self::Measured(phase) => MEASURED + phase,
        }
    }

    /// The mark that a write to `address` is, if the marks begin at `base`.
    pub(crate) fn at(address: u64, base: u64) -> Option<Self> {
        let number = u8::try_from(address.checked_sub(base)?).ok()?;
        Some(match number {
            ..END => Self::Begin(number),
            END => Self::End,
            WARM_UP..MEASURED => Self::WarmUp(number - WARM_UP),
            MEASURED.. => Self::Measured(number - MEASURED),
        })
    }

    /// Writes the mark. Not inlined, so that no access of an operation moves past its marks.
    #[inline(never)]
    pub(crate) fn write(self) {
        MARKS[usize::from(self.number())].store(1, Ordering::SeqCst);
    }
}

/// The address at which the marks of this process begin.
pub(crate) fn base() -> u64 {
    MARKS.as_ptr().addr() as u64
}

#[cfg(test)]
mod tests {
    use super::{Mark, SETUP};

    #[test]
    fn an_address_says_which_mark_it_is() {
        let base = 0x1000;
        let marks = [
            Mark::Begin(0),
            Mark::Begin(63),
            Mark::Begin(SETUP),
            Mark::End,
            Mark::WarmUp(0),
            Mark::WarmUp(9),
            Mark::Measured(0),
            Mark::Measured(9),
        ];
        for mark in marks {
            let address = base + u64::from(mark.number());
            assert_eq!(Mark::at(address, base), Some(mark));
        }
        assert_eq!(Mark::at(base - 1, base), None);
        assert_eq!(Mark::at(base + 256, base), None);
    }
}
