//! The declarations of options seen from outside: names that may not change, pages made from them, and that no other code
//! writes an option's name.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod frozen;
mod literals;
mod pages;
