//! Declared names, of options and of event kinds: names that may not change, pages made from them, and that no other code
//! writes them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod frozen;
mod literals;
mod pages;
