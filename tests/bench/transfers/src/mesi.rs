//! A model of cores with private caches that the MESI protocol keeps coherent.
//!
//! The caches are unlimited, so a core loses a line only because another core writes to it. The
//! states exclusive and shared cost the same here: a line is modified by one core, or clean in any
//! number of cores.

use std::collections::HashMap;

/// A core, by its number.
pub(crate) type Core = u8;

/// The largest number of cores.
pub(crate) const MOST_CORES: Core = 128;

/// What an access to a line costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cost {
    /// The core holds the line. A write finds it modified, or in no other core.
    Nothing,
    /// The first access of the core, and no other core has modified the line.
    Cold,
    /// Another core holds the line modified and must send it.
    Modified,
    /// A write of another core has taken the line from this core. It is clean again.
    Lost,
    /// A write, and other cores hold the line clean: they must drop it.
    Invalidation,
}

impl Cost {
    /// Whether cores exchange messages about the line that an earlier access of this core or a
    /// better layout would have saved.
    pub(crate) const fn is_transfer(self) -> bool {
        matches!(self, Self::Modified | Self::Lost | Self::Invalidation)
    }
}

/// Sets of cores are bits.
#[derive(Debug, Clone, Copy, Default)]
struct Line {
    holders: u128,
    /// The cores that have ever held the line.
    known_to: u128,
    /// Whether the only holder has modified the line.
    is_modified: bool,
}

/// The lines of all cores.
#[derive(Debug, Default)]
pub(crate) struct Machine {
    lines: HashMap<u64, Line>,
}

impl Machine {
    pub(crate) fn read(&mut self, core: Core, line: u64) -> Cost {
        let line = self.lines.entry(line).or_default();
        let cost = line.miss(core);
        if line.holders & bit(core) == 0 {
            line.is_modified = false;
        }
        line.holders |= bit(core);
        line.known_to |= bit(core);
        cost
    }

    pub(crate) fn write(&mut self, core: Core, line: u64) -> Cost {
        let line = self.lines.entry(line).or_default();
        let others = line.holders & !bit(core);
        let cost = match line.miss(core) {
            Cost::Nothing | Cost::Cold | Cost::Lost if others != 0 => Cost::Invalidation,
            miss => miss,
        };
        *line = Line {
            holders: bit(core),
            known_to: line.known_to | bit(core),
            is_modified: true,
        };
        cost
    }
}

impl Line {
    /// What it costs `core` to get the line.
    const fn miss(&self, core: Core) -> Cost {
        if self.holders & bit(core) != 0 {
            Cost::Nothing
        } else if self.is_modified {
            Cost::Modified
        } else if self.known_to & bit(core) != 0 {
            Cost::Lost
        } else {
            Cost::Cold
        }
    }
}

const fn bit(core: Core) -> u128 {
    1 << core
}

#[cfg(test)]
mod tests {
    use super::{Cost, Machine};

    #[test]
    fn lines_that_cores_only_read_are_never_transferred() {
        let mut machine = Machine::default();
        for core in 0..4 {
            assert_eq!(machine.read(core, 7), Cost::Cold);
        }
        for core in 0..4 {
            assert_eq!(machine.read(core, 7), Cost::Nothing);
        }
    }

    #[test]
    fn a_core_writes_to_its_own_line_for_nothing() {
        let mut machine = Machine::default();
        assert_eq!(machine.read(0, 7), Cost::Cold);
        assert_eq!(machine.write(0, 7), Cost::Nothing);
        assert_eq!(machine.write(0, 7), Cost::Nothing);
        assert_eq!(machine.read(0, 7), Cost::Nothing);
    }

    #[test]
    fn each_of_alternating_writes_is_one_transfer() {
        let mut machine = Machine::default();
        assert_eq!(machine.write(0, 7), Cost::Cold);
        for _ in 0..3 {
            assert_eq!(machine.write(1, 7), Cost::Modified);
            assert_eq!(machine.write(0, 7), Cost::Modified);
        }
    }

    #[test]
    fn a_write_after_a_read_costs_the_read_and_the_invalidation() {
        let mut machine = Machine::default();
        assert_eq!(machine.write(0, 7), Cost::Cold);
        assert_eq!(machine.read(1, 7), Cost::Modified);
        assert_eq!(machine.write(1, 7), Cost::Invalidation);
        assert_eq!(machine.write(1, 7), Cost::Nothing);
    }

    #[test]
    fn a_line_that_a_write_took_is_a_transfer_also_when_it_is_clean_again() {
        let mut machine = Machine::default();
        assert_eq!(machine.read(0, 7), Cost::Cold);
        assert_eq!(machine.write(1, 7), Cost::Invalidation);
        assert_eq!(machine.read(2, 7), Cost::Modified);
        assert_eq!(machine.read(0, 7), Cost::Lost);
        assert_eq!(machine.read(3, 7), Cost::Cold);
    }

    #[test]
    fn a_first_write_invalidates_the_copies_of_readers() {
        let mut machine = Machine::default();
        assert_eq!(machine.read(0, 7), Cost::Cold);
        assert_eq!(machine.write(1, 7), Cost::Invalidation);
        assert_eq!(machine.write(0, 7), Cost::Modified);
    }

    #[test]
    fn lines_are_independent() {
        let mut machine = Machine::default();
        assert_eq!(machine.write(0, 7), Cost::Cold);
        assert_eq!(machine.write(1, 8), Cost::Cold);
        assert_eq!(machine.write(0, 7), Cost::Nothing);
    }
}
