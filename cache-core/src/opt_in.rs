//! What any cache of the program was ever asked for: see [`machine::asked`](crate::machine::asked).

use crate::machine::OptIn;

/// Reads that write to their shard: exact LRU, an idle or a custom expiry.
pub(crate) static WRITING_READS: OptIn = OptIn::new();
pub(crate) static LISTENER: OptIn = OptIn::new();
pub(crate) static JANITOR: OptIn = OptIn::new();
pub(crate) static LOAD_TIMEOUT: OptIn = OptIn::new();
pub(crate) static DETACHED_LOADS: OptIn = OptIn::new();
/// More than one shard.
pub(crate) static SHARDS: OptIn = OptIn::new();
/// Loads that are part of a batch.
pub(crate) static BATCHES: OptIn = OptIn::new();
/// Batches that wait for others to come back.
pub(crate) static BATCH_PERMITS: OptIn = OptIn::new();
/// Batch loaders that return maps.
pub(crate) static BATCH_MAPS: OptIn = OptIn::new();
/// Answers without a value that are remembered.
pub(crate) static REMEMBERED_ANSWERS: OptIn = OptIn::new();
