//! What a process logs: its reads, and the invalidations that returned `Ok`.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard};

/// The number of bytes of a record in a file.
pub const RECORD: usize = 24;

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A call that began at the time of the record returned the version.
    Read,
    /// An invalidation after the write of the version returned `Ok` at the time of the record.
    Invalidated,
}

/// An item of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// What it is about.
    pub kind: Kind,
    /// The number of the key.
    pub key: u32,
    /// The version of the key's row in the database.
    pub version: u64,
    /// When: see [`Kind`].
    pub at: u64,
}

/// The log of one process.
#[derive(Debug)]
pub struct Log(Mutex<BufWriter<File>>);

impl Log {
    /// Creates the file.
    ///
    /// # Panics
    /// If it cannot be created.
    #[must_use]
    pub fn create(path: &Path) -> Self {
        let file = File::create(path).expect("a log");
        Self(Mutex::new(BufWriter::with_capacity(1 << 16, file)))
    }

    /// Notes a read. A process that is killed loses the last reads of its log.
    pub fn read(&self, key: u32, version: u64, at: u64) {
        Record {
            kind: Kind::Read,
            key,
            version,
            at,
        }
        .write(&mut *self.file());
    }

    /// Notes an invalidation. A kill of the process does not lose it.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn invalidated(&self, key: u32, version: u64, at: u64) {
        let mut file = self.file();
        Record {
            kind: Kind::Invalidated,
            key,
            version,
            at,
        }
        .write(&mut *file);
        file.flush().expect("the log is written");
    }

    /// Writes what is buffered.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn flush(&self) {
        self.file().flush().expect("the log is written");
    }

    fn file(&self) -> MutexGuard<'_, BufWriter<File>> {
        self.0.lock().expect("nothing panics under this lock")
    }
}

impl Record {
    fn write(self, file: &mut impl Write) {
        let kind = match self.kind {
            Kind::Read => 0_u32,
            Kind::Invalidated => 1,
        };
        let mut bytes = [0; RECORD];
        bytes[..8].copy_from_slice(&self.at.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.version.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.key.to_le_bytes());
        bytes[20..].copy_from_slice(&kind.to_le_bytes());
        file.write_all(&bytes).expect("the log is written");
    }

    fn parse(bytes: &[u8; RECORD]) -> Self {
        let long = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
        let short = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
        Self {
            kind: match short(20) {
                0 => Kind::Read,
                1 => Kind::Invalidated,
                other => panic!("{other} is no kind of a record"),
            },
            key: short(16),
            version: long(8),
            at: long(0),
        }
    }
}

/// Calls `each` for the records of a log. The last one may be incomplete, if the process was
/// killed: it is left out.
///
/// # Errors
/// If the file cannot be read.
pub fn for_each(path: &Path, mut each: impl FnMut(Record)) -> io::Result<()> {
    let mut file = BufReader::with_capacity(1 << 20, File::open(path)?);
    let mut bytes = [0; RECORD];
    loop {
        match file.read_exact(&mut bytes) {
            Ok(()) => each(Record::parse(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}
