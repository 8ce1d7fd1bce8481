//! A simulated sensor on a slow bus: a transfer takes as long for eight registers as for one.

use core::sync::atomic::{AtomicU32, Ordering};

use alloc::vec::Vec;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::mutex::Mutex;
use embassy_time::Timer;

/// The duration of a transfer in milliseconds.
const TRANSFER_MS: u64 = 3;

/// Maximum number of registers in a transfer.
pub const BURST: usize = 8;

/// Serializes transfers.
static BUS: Mutex<CriticalSectionRawMutex, ()> = Mutex::new(());

/// The number of measurements so far.
static MEASUREMENT: AtomicU32 = AtomicU32::new(0);

/// The number of transfers so far.
pub static TRANSFERS: AtomicU32 = AtomicU32::new(0);
/// The number of registers read so far.
pub static WORDS: AtomicU32 = AtomicU32::new(0);

/// Reads registers in one transfer. Their values are those of the last measurement before the
/// transfer began.
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

/// Takes a measurement. The sensor's interrupt calls it.
pub fn measure() {
    MEASUREMENT.fetch_add(1, Ordering::Relaxed);
}

/// The number of the last measurement.
pub fn measurement() -> u32 {
    MEASUREMENT.load(Ordering::Relaxed)
}
