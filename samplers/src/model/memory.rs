//! What main memory is taken to draw, from its size.
//!
//! | machine | idle, W per GB | busy | 90 % of the busy value |
//! | --- | --- | --- | --- |
//! | server | 0.13 | 0.25 | 0.05 to 0.7 |
//! | desktop or laptop | 0.15 | 0.30 | 0.02 to 0.6 |
//!
//! Servers: a regression over 661 results of SPECpower_ssj2008 (0.10 idle and 0.17 busy at the plug) and memory
//! counters of seven cloud servers (0.13 to 0.25 idle, 0.66 to 1.1 in a stress test); large modules are at the low end.
//! Clients: an assumption between those and a laptop's low-power modules. Sources: docs/estimates.md. Memory is taken
//! to be as busy as the processors.

use super::power::{Factors, Power, Shape};
use super::table::Class;

const GIGABYTE: f64 = 1e9;

/// Power of this much memory, and how it was calculated.
pub(crate) fn estimate(bytes: u64, class: Class) -> (Power, String) {
    let ([idle, busy], range_w) = match class {
        Class::Server => ([0.13, 0.25], [0.05, 0.7]),
        Class::Client => ([0.15, 0.30], [0.02, 0.6]),
    };
    let size = bytes as f64 / GIGABYTE;
    let factors = [range_w[0] / busy, range_w[1] / busy];
    let power =
        Power::from_watts([idle * size, busy * size], Shape::Straight, Factors { idle: factors, busy: factors });
    (power, format!("estimated from {idle} to {busy} W per GB × {size:.1} GB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 16 GB: 2.08 W idle, 4 W busy, 0.8 to 11.2 W.
    #[test]
    fn sixteen_gigabytes_by_hand() {
        let (power, method) = estimate(16_000_000_000, Class::Server);
        assert_eq!((power.idle_uw, power.full_uw, power.max_uw()), (2_080_000, 4_000_000, 11_200_000));
        assert_eq!(method, "estimated from 0.13 to 0.25 W per GB × 16.0 GB");
    }
}
