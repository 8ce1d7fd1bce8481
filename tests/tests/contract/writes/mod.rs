//! Writes, removals and computations of a key, also while it is loaded.

mod compute_versus_write;
mod during_load;
mod entry;
mod entry_methods;
mod insert_entry;
mod removal_during_load;
mod remove_if;
