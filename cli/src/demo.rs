//! What `k2m demo` adds to a run: generated records, mischief while they travel, and a check of all that arrived.

pub mod generate;
pub mod mischief;
pub mod verify;
