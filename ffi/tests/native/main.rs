//! Tests of libeco2 from C, C++ and Python programs: the release library, installed, shared and static.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
#![allow(clippy::print_stderr, reason = "a test prints that a tool is missing")]

mod cpp;
mod examples;
mod installed;
mod instruments;
mod libtorch;
mod package;
mod programs;
mod refused;
mod symbols;
