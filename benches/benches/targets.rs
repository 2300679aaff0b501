//! Criterion benches: the targets table.
fn main() {}
