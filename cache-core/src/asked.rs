//! What any cache of the program was ever asked for: see [`machine::asked`](crate::machine::asked).

use crate::machine::Asked;

/// Reads that write to their shard: exact LRU, an idle or a custom expiry.
pub(crate) static WRITING_READS: Asked = Asked::new();
pub(crate) static LISTENER: Asked = Asked::new();
pub(crate) static JANITOR: Asked = Asked::new();
pub(crate) static LOAD_TIMEOUT: Asked = Asked::new();
pub(crate) static DETACHED_LOADS: Asked = Asked::new();
/// More than one shard.
pub(crate) static SHARDS: Asked = Asked::new();
/// Loads that are part of a batch.
pub(crate) static BATCHES: Asked = Asked::new();
/// Batches that wait for others to come back.
pub(crate) static BATCH_PERMITS: Asked = Asked::new();
/// Batch loaders that return maps.
pub(crate) static BATCH_MAPS: Asked = Asked::new();
/// Answers without a value that are remembered.
pub(crate) static REMEMBERED_ANSWERS: Asked = Asked::new();
