//! What pipelines' functions log: found without a gap and without a line twice, and told in sentences. Pure but for [`tail`], which asks through a port.

pub mod line;
pub mod port;
pub mod seam;
pub mod shown;
pub mod tail;

pub use line::{Level, Said};
