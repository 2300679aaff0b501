//! What users of the crate see, in one binary.

mod fixture;
mod log;
mod render;
mod schema;
mod trace;
