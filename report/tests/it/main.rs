//! What users of the crate see, in one binary.

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod log;
#[cfg(test)]
mod render;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod trace;
