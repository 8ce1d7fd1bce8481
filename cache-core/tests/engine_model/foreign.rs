//! User-defined keys, values and flights. They check when the engine runs their code.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

/// A key. Each comparison burns the fuse, if one is lit.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) id: u8,
    _watch: Watch,
}

/// A value: the number of its write.
#[derive(Debug)]
pub(crate) struct Value {
    pub(crate) write: u32,
    _watch: Watch,
}

/// A flight: its number, and a handle that shows whether the engine still holds it.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) serial: usize,
    _handle: Rc<()>,
    _watch: Watch,
}

/// The panic payload of foreign code.
#[derive(Debug)]
pub(crate) struct Blown;

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    static FUSE: Cell<Option<u32>> = const { Cell::new(None) };
}

/// Calls the engine. No foreign value may be dropped meanwhile, and after `fuse` pieces of foreign
/// code have run, the next panics.
pub(crate) fn call<T>(fuse: Option<u32>, f: impl FnOnce() -> T) -> Result<T, Blown> {
    FUSE.set(fuse);
    INSIDE.set(true);
    let result = catch_unwind(AssertUnwindSafe(f));
    INSIDE.set(false);
    FUSE.set(None);
    match result {
        Ok(answer) => Ok(answer),
        Err(payload) if payload.is::<Blown>() => Err(Blown),
        Err(payload) => resume_unwind(payload),
    }
}

/// Called by every piece of foreign code. Panics if the fuse is burnt down.
pub(crate) fn burn() {
    match FUSE.get() {
        // Not `panic!`, which would run the panic hook.
        Some(0) => resume_unwind(Box::new(Blown)),
        fuse => FUSE.set(fuse.map(|left| left - 1)),
    }
}

impl Key {
    pub(crate) const fn new(id: u8) -> Self {
        let _watch = Watch;
        Self { id, _watch }
    }

    /// Many keys share a hash, so that the engine must compare them.
    pub(crate) fn hash(&self) -> u32 {
        u32::from(self.id % 5).wrapping_mul(0x9E37_79B9)
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        burn();
        self.id == other.id
    }
}

impl Eq for Key {}

impl Value {
    pub(crate) const fn new(write: u32) -> Self {
        let _watch = Watch;
        Self { write, _watch }
    }
}

impl Flight {
    pub(crate) fn new(serial: usize, handle: &Rc<()>) -> Self {
        Self {
            serial,
            _handle: Rc::clone(handle),
            _watch: Watch,
        }
    }
}

/// Checks that its owner is not dropped inside the engine, which runs under a lock in the cache.
#[derive(Debug)]
struct Watch;

impl Drop for Watch {
    fn drop(&mut self) {
        // A call that panics drops its arguments, which is unavoidable.
        let allowed = !INSIDE.get() || std::thread::panicking();
        assert!(allowed, "foreign code was dropped inside the engine");
    }
}
