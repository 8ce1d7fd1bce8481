//! Keys and values whose user code panics at a chosen call.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cache_core::{Expiry, Ttl};

use crate::contract::support::common::boom;

/// The user code that panics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Trap {
    Eq,
    Hash,
    Clone,
    Weigher,
    Expiry,
    Drop,
}

pub const TRAPS: [Trap; 6] = [
    Trap::Eq,
    Trap::Hash,
    Trap::Clone,
    Trap::Weigher,
    Trap::Expiry,
    Trap::Drop,
];

/// For each trap, the number of calls until the panic. 0 disarms it.
#[derive(Clone, Default)]
pub struct Traps(Arc<[AtomicU32; TRAPS.len()]>);

impl Traps {
    pub fn arm(&self, trap: Trap, call: u32) {
        self.0[trap as usize].store(call, Ordering::SeqCst);
    }

    /// Disarms the trap and returns whether it was still armed.
    pub fn disarm(&self, trap: Trap) -> bool {
        self.0[trap as usize].swap(0, Ordering::SeqCst) > 0
    }

    pub fn step_on(&self, trap: Trap) {
        let count = |left: u32| left.checked_sub(1);
        let left = self.0[trap as usize].fetch_update(Ordering::SeqCst, Ordering::SeqCst, count);
        if left == Ok(1) {
            boom();
        }
    }
}

/// A key and value type: a number, and traps.
pub struct Trapped {
    pub number: u32,
    pub traps: Traps,
}

impl PartialEq for Trapped {
    fn eq(&self, other: &Self) -> bool {
        self.traps.step_on(Trap::Eq);
        self.number == other.number
    }
}

impl Eq for Trapped {}

impl Hash for Trapped {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.traps.step_on(Trap::Hash);
        self.number.hash(state);
    }
}

impl Clone for Trapped {
    fn clone(&self) -> Self {
        self.traps.step_on(Trap::Clone);
        Self {
            number: self.number,
            traps: self.traps.clone(),
        }
    }
}

impl Drop for Trapped {
    fn drop(&mut self) {
        // A second panic during unwinding would abort the process.
        if !std::thread::panicking() {
            self.traps.step_on(Trap::Drop);
        }
    }
}

pub struct Lifetime(pub Traps);

impl Expiry<Trapped, Trapped> for Lifetime {
    fn expire_after_create(&self, _: &Trapped, _: &Trapped) -> Ttl {
        self.0.step_on(Trap::Expiry);
        Ttl::Never
    }

    fn expire_after_read(&self, _: &Trapped, _: &Trapped, _: Option<Duration>) -> Option<Ttl> {
        self.0.step_on(Trap::Expiry);
        Some(Ttl::Never)
    }
}
