//! The picture of a plan: the way of a record from its stream to the brokers, in a terminal and as an SVG. Pure.
//!
//! [`scene`] says what there is to see, once, with every text made harmless; [`terminal`] and [`svg`] only draw it.

pub mod scene;
pub mod svg;
pub mod terminal;
pub(crate) mod text;

#[cfg(test)]
mod tests;

pub use scene::Scene;
