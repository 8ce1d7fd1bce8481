//! Traces this program by valgrind, and counts while the trace arrives.

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;

use crate::count::{Counter, Tally};
use crate::marks::{self, Mark, SETUP};
use crate::subjects::{Operation, Subject, name};
use crate::system;
use crate::turns::{self, Lengths};

/// What one process runs.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) subject: Subject,
    pub(crate) threads: u8,
    pub(crate) entries: u64,
    pub(crate) operations: Vec<Operation>,
}

/// What the traced process says of itself before it begins.
#[derive(Debug, Clone, Copy)]
struct Layout {
    marks: u64,
    /// The address to which the program is loaded.
    program: u64,
}

/// The counts of a run.
#[derive(Debug)]
pub(crate) struct Counts {
    /// One for each operation of the run.
    pub(crate) tallies: Vec<Tally>,
    /// The address to which the program was loaded.
    pub(crate) program: u64,
}

/// Runs `run` under valgrind.
pub(crate) fn count(run: &Run, line_bytes: u64) -> Counts {
    let mut child = spawn(run);
    let mut answers = BufReader::new(child.stdout.take().expect("piped"));
    let mut orders = child.stdin.take().expect("piped");
    let trace = BufReader::with_capacity(1 << 16, child.stderr.take().expect("piped"));
    let layout = OnceLock::new();
    let (tallies, log) = thread::scope(|scope| {
        scope.spawn(|| {
            let mut answer = String::new();
            answers.read_line(&mut answer).expect("readable");
            if let Some(known) = Layout::parse(&answer) {
                layout.set(known).expect("set once");
                // The process waits for this line, so the layout is known before the first mark.
                orders.write_all(b"begin\n").expect("the process reads");
            }
            answers.read_to_string(&mut answer).expect("readable");
        });
        read(trace, &layout, run.operations.len(), line_bytes)
    });
    let status = child.wait().expect("valgrind ends");
    assert!(status.success(), "{log}");
    let layout = layout
        .into_inner()
        .expect("a process that succeeds says it");
    Counts {
        tallies,
        program: layout.program,
    }
}

fn spawn(run: &Run) -> Child {
    let operations: Vec<String> = run.operations.iter().copied().map(name).collect();
    Command::new("valgrind")
        .args(["--tool=lackey", "--basic-counts=no", "--trace-mem=yes"])
        .arg(env::current_exe().expect("a path of this program"))
        .args(["--traced", "--subjects", &name(run.subject)])
        .args(["--threads", &run.threads.to_string()])
        .args(["--entries", &run.entries.to_string()])
        .args(["--operations", &operations.join(",")])
        // The C library allows eight arenas for each processor that it sees itself.
        .env("MALLOC_ARENA_MAX", (8 * u16::from(run.threads)).to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("valgrind runs: install it (Debian: apt-get install valgrind)")
}

/// Counts what `trace` contains. Returns the counts, and what is not part of the trace.
fn read(
    mut trace: impl BufRead,
    layout: &OnceLock<Layout>,
    phases: usize,
    line_bytes: u64,
) -> (Vec<Tally>, String) {
    let (mut line, mut log) = (Vec::new(), String::new());
    let mut counter = None;
    while trace.read_until(b'\n', &mut line).expect("readable") > 0 {
        if !matches!(line[0], b'I' | b' ') {
            log.push_str(&String::from_utf8_lossy(&line));
        } else if let Some(layout) = layout.get() {
            let counter =
                counter.get_or_insert_with(|| Counter::new(phases, layout.marks, line_bytes));
            counter.line(&line);
        }
        line.clear();
    }
    let tallies = counter.map_or_else(Vec::new, Counter::finish);
    (tallies, log)
}

/// Runs `run` in this process, which valgrind traces.
pub(crate) fn run_traced(run: &Run) {
    exit_on_panic();
    println!("{}", Layout::of_this_process());
    let mut order = String::new();
    std::io::stdin().read_line(&mut order).expect("readable");
    system::pretend_processors(run.threads.into());
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_time().build().expect("a runtime");
    Mark::Begin(SETUP).write();
    let phases = run.subject.set_up(&run.operations, run.entries);
    Mark::End.write();
    let lengths = Lengths::of(run.entries, run.threads);
    turns::run(run.threads.into(), &phases, lengths, &runtime);
}

/// A thread that panics would leave the others waiting for their turn.
fn exit_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::exit(101);
    }));
}

impl Layout {
    fn of_this_process() -> Self {
        let maps = std::fs::read_to_string("/proc/self/maps").expect("Linux");
        let program = env::current_exe().expect("a path of this program");
        let program = program.to_str().expect("a path in UTF-8");
        let first = maps.lines().find(|map| map.ends_with(program));
        let first = first.expect("the program is mapped");
        let start = first.split('-').next().unwrap_or_default();
        Self {
            marks: marks::base(),
            program: u64::from_str_radix(start, 16).expect("an address"),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let (marks, program) = text.trim().split_once(' ')?;
        Some(Self {
            marks: marks.parse().ok()?,
            program: program.parse().ok()?,
        })
    }
}

impl std::fmt::Display for Layout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.marks, self.program)
    }
}
