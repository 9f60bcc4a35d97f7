//! What `k2m init` asks and writes: which questions are left once flags, variables, the file and AWS have been heard, and how k2m.yaml is changed without
//! losing a word of it. Pure: the command asks, looks and writes.

pub mod questions;
pub mod rewrite;
