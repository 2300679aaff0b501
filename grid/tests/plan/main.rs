//! Series and plans seen from outside: known answers, brute force, a linear-programming oracle, published results.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot set its stage has failed")]
#![allow(clippy::print_stdout, reason = "what is skipped is said")]

mod advice;
mod brute;
mod gaps;
mod jobs;
mod oracle;
mod published;
mod series;
mod stage;
mod uncertain;
mod weighing;
