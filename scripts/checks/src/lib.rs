//! Checks of the repository itself, for `scripts/circles` and `scripts/test`.
//!
//! [`interface`] lists the public items of a crate, and [`broken`] what a version takes away from an earlier one.
//!
//! [`circles`] finds files of one crate that import each other. An import is a `use` of an item, or a path in code or in a
//! macro call, that leads to another file; re-exports are followed to the file that defines the item. A parent module that
//! only declares and re-exports a child does not import it. Test code (`#[cfg(test)]`) does not count.

#![forbid(unsafe_code)]

mod graph;
mod interface;
mod load;
mod paths;
mod resolve;

pub use graph::{Circle, circles};
pub use interface::{broken, interface};
