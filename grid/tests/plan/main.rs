//! Series and plans by the public API: known answers, brute force, a solver of linear programmes, published results.
//!
//! Prefixes of test names (`d16_`, `k09_`) refer to docs/acceptance.md.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot set its stage has failed")]
#![allow(clippy::print_stdout, reason = "prints the name of a test that is skipped")]

mod advice;
mod brute;
mod emissions;
mod gaps;
mod jobs;
mod oracle;
mod published;
mod series;
mod stage;
mod uncertain;
