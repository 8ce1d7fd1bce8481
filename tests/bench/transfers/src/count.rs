//! Counts the transfers in a trace of memory accesses.

use std::collections::{HashMap, HashSet};

use crate::marks::{Mark, SETUP};
use crate::mesi::{Core, MOST_CORES, Machine};

/// What one phase of a trace costs.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) operations: u64,
    pub(crate) transfers: u64,
    /// The lines that each operation gets from other cores, added up. A line that an operation
    /// reads and then writes is transferred twice, but counts once here.
    pub(crate) lines: u64,
    /// Where the transfers happen, by the address of the instruction.
    pub(crate) sites: HashMap<u64, Site>,
}

/// The transfers of one instruction.
#[derive(Debug, Default)]
pub(crate) struct Site {
    pub(crate) transfers: u64,
    /// Those in which the instruction writes.
    pub(crate) writes: u64,
    pub(crate) lines: HashSet<u64>,
}

impl Tally {
    /// Transfers for each operation.
    pub(crate) fn rate(&self) -> f64 {
        self.per_operation(self.transfers)
    }

    #[expect(clippy::cast_precision_loss, reason = "a ratio needs no 53 bits")]
    pub(crate) fn per_operation(&self, transfers: u64) -> f64 {
        transfers as f64 / self.operations.max(1) as f64
    }
}

/// Reads a trace line by line. The format is that of valgrind's lackey: `I  addr,size` is an
/// instruction, and ` L addr,size`, ` S …` and ` M …` are its loads, stores and both at once.
#[derive(Debug)]
pub(crate) struct Counter {
    /// Bytes in a cache line, as a power of two.
    line_bits: u32,
    /// The address of the marks.
    marks: u64,
    machine: Machine,
    /// The core that runs now; `None` between operations.
    core: Option<Core>,
    /// The phase whose operations count now.
    measured: Option<usize>,
    instruction: u64,
    /// The lines of the instruction, and whether it writes them. An atomic update is traced as a
    /// load and an update, but takes its line once.
    pending: Vec<(u64, bool)>,
    /// The lines that were transferred since the operation began.
    transferred: HashSet<u64>,
    tallies: Vec<Tally>,
}

impl Counter {
    /// Counts `phases` phases in a trace whose marks begin at `marks`.
    pub(crate) fn new(phases: usize, marks: u64, line_bytes: u64) -> Self {
        assert!(line_bytes.is_power_of_two(), "lines of {line_bytes} bytes");
        Self {
            line_bits: line_bytes.ilog2(),
            marks,
            machine: Machine::default(),
            core: None,
            measured: None,
            instruction: 0,
            pending: Vec::new(),
            transferred: HashSet::new(),
            tallies: (0..phases).map(|_| Tally::default()).collect(),
        }
    }

    /// Processes one line of the trace. Skips what is not an access, such as valgrind's messages.
    pub(crate) fn line(&mut self, line: &[u8]) {
        let [kind @ (b'I' | b' '), rest @ ..] = line else {
            return;
        };
        let Some((&access, rest)) = rest.split_first() else {
            return;
        };
        let Some((address, size)) = address_and_size(rest) else {
            return;
        };
        match (kind, access) {
            (b'I', b' ') => {
                self.end_instruction();
                self.instruction = address;
            }
            (b' ', b'L') => self.access(address, size, false),
            (b' ', b'S' | b'M') => self.access(address, size, true),
            _ => {}
        }
    }

    /// The tallies of all phases.
    pub(crate) fn finish(mut self) -> Vec<Tally> {
        self.end_instruction();
        self.tallies
    }

    fn access(&mut self, address: u64, size: u64, writes: bool) {
        if let Some(mark) = Mark::at(address, self.marks) {
            if writes {
                self.mark(mark);
            }
            return;
        }
        if self.core.is_none() {
            return;
        }
        let last = address + size.max(1) - 1;
        for line in address >> self.line_bits..=last >> self.line_bits {
            match self.pending.iter_mut().find(|known| known.0 == line) {
                Some(known) => known.1 |= writes,
                None => self.pending.push((line, writes)),
            }
        }
    }

    fn mark(&mut self, mark: Mark) {
        self.end_instruction();
        match mark {
            Mark::Begin(thread) => {
                assert!(thread < MOST_CORES, "thread {thread}");
                self.core = Some(thread);
                self.transferred.clear();
                if let (Some(phase), true) = (self.measured, thread != SETUP) {
                    self.tallies[phase].operations += 1;
                }
            }
            Mark::End => self.core = None,
            Mark::WarmUp(_) => self.measured = None,
            Mark::Measured(phase) => self.measured = Some(usize::from(phase)),
        }
    }

    fn end_instruction(&mut self) {
        let Some(core) = self.core else {
            self.pending.clear();
            return;
        };
        for (line, writes) in self.pending.drain(..) {
            let cost = if writes {
                self.machine.write(core, line)
            } else {
                self.machine.read(core, line)
            };
            if let (Some(phase), true) = (self.measured, cost.is_transfer()) {
                let tally = &mut self.tallies[phase];
                tally.transfers += 1;
                tally.lines += u64::from(self.transferred.insert(line));
                let site = tally.sites.entry(self.instruction).or_default();
                site.transfers += 1;
                site.writes += u64::from(writes);
                site.lines.insert(line);
            }
        }
    }
}

/// Reads `addr,size`: the first is hexadecimal, the second is decimal.
fn address_and_size(text: &[u8]) -> Option<(u64, u64)> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let (address, size) = text.split_once(',')?;
    Some((u64::from_str_radix(address, 16).ok()?, size.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{Counter, Tally};

    const MARKS: u64 = 0x1000;

    /// Counts one phase. `begin 3`, `end`, `warm` and `measure` stand for marks.
    fn count(trace: &str) -> Tally {
        let mut counter = Counter::new(1, MARKS, 64);
        for line in trace.lines().map(str::trim_end) {
            let mark = match line.trim().split_once(' ').unwrap_or((line.trim(), "")) {
                ("begin", thread) => thread.parse().expect("a number"),
                ("end", _) => 127,
                ("warm", _) => 128,
                ("measure", _) => 192,
                _ => {
                    counter.line(line.as_bytes());
                    continue;
                }
            };
            // A mark as the compiler writes it: an atomic exchange.
            counter.line(b"I  00000042,3");
            counter.line(format!(" L {:08x},1", MARKS + mark).as_bytes());
            counter.line(format!(" M {:08x},1", MARKS + mark).as_bytes());
        }
        counter.finish().remove(0)
    }

    #[test]
    fn an_atomic_update_of_a_shared_line_is_one_transfer() {
        let add = "I  00400000,4\n L 00009000,8\n M 00009000,8\n";
        let tally = count(&format!(
            "warm\nbegin 0\n{add}end\nmeasure\nbegin 1\n{add}end\nbegin 0\n{add}end\n"
        ));
        assert_eq!((tally.operations, tally.transfers), (2, 2));
        let site = &tally.sites[&0x0040_0000];
        assert_eq!((site.transfers, site.writes, site.lines.len()), (2, 2, 1));
    }

    #[test]
    fn a_load_and_a_later_store_are_two_transfers_of_one_line() {
        let load_and_store = "I  00400000,4\n L 00009000,8\nI  00400004,4\n S 00009000,8\n";
        let tally = count(&format!(
            "begin 0\n{load_and_store}end\nmeasure\nbegin 1\n{load_and_store}end\n"
        ));
        assert_eq!((tally.transfers, tally.lines), (2, 1));
    }

    #[test]
    fn an_access_to_two_lines_counts_for_both() {
        let store = "I  00400000,4\n S 0000903c,8\n";
        let tally = count(&format!(
            "begin 0\n{store}end\nmeasure\nbegin 1\n{store}end\n"
        ));
        assert_eq!(tally.transfers, 2);
    }

    #[test]
    fn accesses_of_the_warm_up_and_between_operations_do_not_count() {
        let store = "I  00400000,4\n S 00009000,8\n";
        let tally = count(&format!(
            "warm\nbegin 0\n{store}end\nbegin 1\n{store}end\nmeasure\n{store}begin 1\n{store}end\n"
        ));
        assert_eq!((tally.operations, tally.transfers), (1, 0));
    }

    #[test]
    fn lines_of_the_set_up_are_transferred_once() {
        let store = "I  00400000,4\n S 00009000,8\n";
        let tally = count(&format!(
            "begin 126\n{store}end\nmeasure\nbegin 0\n{store}end\nbegin 0\n{store}end\n"
        ));
        assert_eq!((tally.operations, tally.transfers), (2, 1));
    }

    #[test]
    fn what_is_no_access_is_skipped() {
        let tally = count("==12== Lackey\nmeasure\nbegin 0\n\nI\n L zz\nend\n");
        assert_eq!((tally.operations, tally.transfers), (1, 0));
    }
}
