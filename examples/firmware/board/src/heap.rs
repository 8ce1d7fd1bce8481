//! A heap that counts its allocations.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;

use critical_section::Mutex;
use embedded_alloc::LlffHeap;

/// The size of the heap in bytes.
const SIZE: usize = if cfg!(target_has_atomic = "ptr") {
    40 * 1024
} else {
    // As much as the smallest board can spare.
    10 * 1024
};

#[global_allocator]
static HEAP: Counting = Counting {
    heap: LlffHeap::empty(),
    counts: Mutex::new(Cell::new(Counts {
        allocations: 0,
        live: 0,
    })),
};

/// The counts of the heap so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Allocations, growth included.
    pub allocations: usize,
    /// Bytes that were allocated and not freed.
    pub live: usize,
}

/// The counts of the heap so far.
pub fn counts() -> Counts {
    critical_section::with(|token| HEAP.counts.borrow(token).get())
}

pub(crate) fn init() {
    let heap = &HEAP.heap;
    // SAFETY: called once, before anything is allocated.
    unsafe {
        embedded_alloc::init!(heap, SIZE);
    }
}

struct Counting {
    heap: LlffHeap,
    counts: Mutex<Cell<Counts>>,
}

impl Counting {
    fn count(&self, allocations: usize, allocated: usize, freed: usize) {
        critical_section::with(|token| {
            let counts = self.counts.borrow(token);
            let before = counts.get();
            counts.set(Counts {
                allocations: before.allocations + allocations,
                live: before.live + allocated - freed,
            });
        });
    }
}

// SAFETY: `LlffHeap` does the work, and the caller upholds its contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.count(1, layout.size(), 0);
        // SAFETY: the caller upholds the contract of `GlobalAlloc`.
        unsafe { self.heap.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        self.count(0, 0, layout.size());
        // SAFETY: the caller upholds the contract of `GlobalAlloc`.
        unsafe { self.heap.dealloc(pointer, layout) }
    }
}
