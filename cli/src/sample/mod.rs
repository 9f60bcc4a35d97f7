//! The sample that many functions of this kind were copied from: what its code says of where it writes to. Pure.

pub mod config;
pub mod hints;
pub mod package;
