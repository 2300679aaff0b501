//! What users of the crate see, in one binary.

#[cfg(test)]
mod advice;
#[cfg(test)]
mod boamps;
#[cfg(test)]
mod clean;
#[cfg(test)]
mod compare;
#[cfg(test)]
mod cyclonedx;
#[cfg(test)]
mod exports;
#[cfg(test)]
mod fixture;
#[cfg(test)]
#[path = "../../../benches/src/generator.rs"]
mod generator;
#[cfg(test)]
mod hf;
#[cfg(test)]
mod history;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod html;
#[cfg(test)]
mod log;
#[cfg(test)]
mod merge;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod periods;
#[cfg(test)]
mod pushed;
#[cfg(test)]
mod released;
mod render;
#[cfg(test)]
mod same_numbers;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod short;
#[cfg(test)]
mod statements;
#[cfg(test)]
mod trace;
