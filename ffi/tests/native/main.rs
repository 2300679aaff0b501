//! libeco2 as C, C++ and Python programs see it: the release library, installed, shared and static.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
#![allow(clippy::print_stderr, reason = "a test that lacks a tool says so")]

mod cpp;
mod examples;
mod installed;
mod instruments;
mod libtorch;
mod package;
mod programs;
mod refused;
mod symbols;
