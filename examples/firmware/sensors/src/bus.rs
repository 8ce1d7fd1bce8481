//! A simulated sensor on a slow bus: a transfer takes as long for eight registers as for one.

use core::sync::atomic::{AtomicU32, Ordering};

use alloc::vec::Vec;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::mutex::Mutex;
use embassy_time::Timer;

/// How long a transfer takes, in milliseconds.
const TRANSFER_MS: u64 = 3;

/// Registers that one transfer can read.
pub const BURST: usize = 8;

/// One transfer at a time.
static BUS: Mutex<CriticalSectionRawMutex, ()> = Mutex::new(());

/// How often the sensor has measured.
static MEASUREMENT: AtomicU32 = AtomicU32::new(0);

pub static TRANSFERS: AtomicU32 = AtomicU32::new(0);
pub static WORDS: AtomicU32 = AtomicU32::new(0);

/// Reads registers in one transfer. What they hold is what the sensor measured last when it began.
pub async fn read(registers: Vec<u8>) -> Vec<u32> {
    assert!(registers.len() <= BURST, "{} registers", registers.len());
    let _bus = BUS.lock().await;
    let measurement = measurement();
    Timer::after_millis(TRANSFER_MS).await;
    TRANSFERS.fetch_add(1, Ordering::Relaxed);
    WORDS.fetch_add(registers.len() as u32, Ordering::Relaxed);
    let values = registers.into_iter();
    values
        .map(|register| (u32::from(register) << 16) | measurement)
        .collect()
}

/// The sensor measures: in the interrupt that says so.
pub fn measure() {
    MEASUREMENT.fetch_add(1, Ordering::Relaxed);
}

/// The number of the last measurement.
pub fn measurement() -> u32 {
    MEASUREMENT.load(Ordering::Relaxed)
}
