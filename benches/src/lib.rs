//! eco2 benches
