//! Whose energy it was: a command's part of what the host's devices used, idle kept apart.
//!
//! A counter knows the device, not who used it. What can be known beside it is time: how much of the device's time the
//! command used, how much others used, and how much nobody did. With `c`, `o` and `i` for those times and `E` for the
//! device's energy:
//!
//! - **Estimate.** Energy goes with time: command `E·c/(c+o+i)`, others `E·o/(c+o+i)`, idle the rest.
//! - **Bounds of the command.** Suppose that a second of the command costs what a second of others costs, `p`, and that
//!   an idle second costs `q` with `0 ≤ q ≤ p`. Then `E = p·(c+o) + q·i`, and the command's energy `p·c` lies between
//!   `E·c/(c+o+i)`, where idle costs as much as work (`q = p`), and `E·c/(c+o)`, where idle costs nothing (`q = 0`).
//!   With the device's own bounds: from `E_low·c/(c+o+i)` to `E_high·c/(c+o)`.
//! - **Times unknown.** The command may have used nothing or all: its bounds widen to `[0, E_high]`, its estimate gets
//!   nothing, and the device's energy stays in `idle`: nobody is charged for use that nobody saw. The method says how
//!   much that is.
//!
//! So the estimate is the lower end for a device whose energy is known exactly: idle energy is never put on the command.
//! Whole microjoules are kept: the two used parts are rounded down and idle takes the rest, so that
//! `command + idle + others` is the devices' energy to the microjoule.

use crate::report::Attribution;

/// Energy of one device with its bounds, in microjoules; devices must not overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceEnergy {
    /// The estimate.
    pub energy_uj: u64,
    /// Lower bound, at most the estimate.
    pub low_uj: u64,
    /// Upper bound, at least the estimate; `None`: unbounded.
    pub high_uj: Option<u64>,
}

/// Who used one device's time. Weights of any one unit (nanoseconds, ticks, parts in a million).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    /// Time of the command and its descendants.
    pub command: u64,
    /// Time of everyone else.
    pub others: u64,
    /// Time of nobody.
    pub idle: u64,
}

impl Shares {
    /// From fractions of the device's time, as drivers give them; the rest is idle, in parts per billion.
    ///
    /// `None` unless both are numbers of 0 or more. Where they exceed the whole together (each was sampled for itself),
    /// nothing is idle and their proportion stands.
    #[must_use]
    pub fn from_fractions(command: f64, others: f64) -> Option<Self> {
        const WHOLE: u64 = 1_000_000_000;
        let known = |fraction: f64| fraction.is_finite() && fraction >= 0.0;
        if !known(command) || !known(others) {
            return None;
        }
        let parts = |fraction: f64| (fraction * WHOLE as f64).round() as u64;
        let (command, others) = (parts(command), parts(others));
        Some(Self { command, others, idle: WHOLE.saturating_sub(command.saturating_add(others)) })
    }
}

/// One device's part of the answer.
struct Part {
    command: u64,
    others: u64,
    low: u64,
    high: Option<u64>,
}

/// Divides the energy of a host's devices; shares that are `None`, or that hold no time at all, are unknown.
///
/// `command + idle + others` of the result is the sum of the devices' energies exactly (both saturate at `u64::MAX`),
/// and the command's energy lies in its bounds.
#[must_use]
pub fn split(host: &[(DeviceEnergy, Option<Shares>)]) -> Attribution {
    let mut sum = Attribution { high_uj: Some(0), ..Attribution::default() };
    let (mut total, mut unknown, mut unknown_uj) = (0u64, 0usize, 0u64);
    for (device, shares) in host {
        let part = match shares.filter(|s| weight(*s) > 0) {
            Some(shares) => divide(*device, shares),
            None => {
                unknown += 1;
                unknown_uj = unknown_uj.saturating_add(device.energy_uj);
                Part { command: 0, others: 0, low: 0, high: device.high_uj }
            }
        };
        total = total.saturating_add(device.energy_uj);
        sum.command_uj = sum.command_uj.saturating_add(part.command);
        sum.others_uj = sum.others_uj.saturating_add(part.others);
        sum.low_uj = sum.low_uj.saturating_add(part.low);
        sum.high_uj = sum.high_uj.zip(part.high).map(|(a, b)| a.saturating_add(b));
    }
    sum.idle_uj = total.saturating_sub(sum.command_uj).saturating_sub(sum.others_uj);
    sum.method = method(host.len(), unknown, unknown_uj);
    sum
}

fn method(devices: usize, unknown: usize, unknown_uj: u64) -> String {
    let how = "share of device time, idle apart";
    match unknown {
        0 => how.to_owned(),
        _ if unknown == devices => "not told apart: who used the devices is unknown".to_owned(),
        _ => format!("{how}; use of {unknown} of {devices} devices unknown ({unknown_uj} uJ, kept in idle)"),
    }
}

fn weight(shares: Shares) -> u128 {
    u128::from(shares.command) + u128::from(shares.others) + u128::from(shares.idle)
}

fn divide(device: DeviceEnergy, shares: Shares) -> Part {
    let all = weight(shares);
    let used = all - u128::from(shares.idle);
    Part {
        command: fraction(device.energy_uj, shares.command, all, false),
        others: fraction(device.energy_uj, shares.others, all, false),
        low: fraction(device.low_uj, shares.command, all, false),
        // Nobody used it: neither did the command, whatever the device's own upper bound is.
        high: if used == 0 { Some(0) } else { device.high_uj.map(|high| fraction(high, shares.command, used, true)) },
    }
}

/// `energy · part / whole` in whole microjoules; `part` is at most `whole`, so the result fits.
fn fraction(energy: u64, part: u64, whole: u128, up: bool) -> u64 {
    // 64 bits times 64 bits fit into 128; a whole of more than 64 bits (three weights) only divides.
    let product = u128::from(energy) * u128::from(part);
    let quotient = if up { product.div_ceil(whole) } else { product / whole };
    u64::try_from(quotient).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(energy_uj: u64) -> DeviceEnergy {
        DeviceEnergy { energy_uj, low_uj: energy_uj, high_uj: Some(energy_uj) }
    }

    #[test]
    fn the_command_gets_its_time_and_idle_stays_apart() {
        // 1000 µJ over 2 s of command, 3 s of others, 5 s idle: 200, 300, 500; if idle cost nothing, 1000 · 2/5 = 400.
        let split = split(&[(device(1_000), Some(Shares { command: 2, others: 3, idle: 5 }))]);
        assert_eq!((split.command_uj, split.others_uj, split.idle_uj), (200, 300, 500));
        assert_eq!((split.low_uj, split.high_uj), (200, Some(400)));
    }

    #[test]
    fn bounds_of_the_device_go_into_the_bounds_of_the_command() {
        let wide = DeviceEnergy { energy_uj: 1_000, low_uj: 900, high_uj: Some(1_200) };
        let split = split(&[(wide, Some(Shares { command: 1, others: 1, idle: 2 }))]);
        // low 900 · 1/4, high 1200 · 1/2.
        assert_eq!((split.low_uj, split.command_uj, split.high_uj), (225, 250, Some(600)));
        // A third of 10 µJ: bounds are rounded outwards.
        let third = super::split(&[(device(10), Some(Shares { command: 1, others: 2, idle: 0 }))]);
        assert_eq!((third.low_uj, third.high_uj), (3, Some(4)));
    }

    #[test]
    fn unknown_use_is_charged_to_nobody_and_opens_the_bounds() {
        let known = Some(Shares { command: 1, others: 0, idle: 1 });
        let split = split(&[(device(100), known), (device(70), None)]);
        assert_eq!((split.command_uj, split.others_uj, split.idle_uj), (50, 0, 120));
        assert_eq!((split.low_uj, split.high_uj), (50, Some(170)));
        assert!(split.method.contains("1 of 2 devices unknown (70 uJ"), "{}", split.method);
    }

    #[test]
    fn fractions_become_weights_and_nonsense_does_not() {
        let shares = |command, others, idle| Some(Shares { command, others, idle });
        assert_eq!(Shares::from_fractions(0.25, 0.5), shares(250_000_000, 500_000_000, 250_000_000));
        assert_eq!(Shares::from_fractions(0.9, 0.6), shares(900_000_000, 600_000_000, 0));
        for (command, others) in [(f64::NAN, 0.0), (0.0, f64::INFINITY), (-0.1, 0.5)] {
            assert_eq!(Shares::from_fractions(command, others), None);
        }
    }

    #[test]
    fn no_time_is_no_knowledge_and_no_bound_stays_none() {
        let open = DeviceEnergy { energy_uj: 5, low_uj: 5, high_uj: None };
        let split = split(&[(open, Some(Shares { command: 0, others: 0, idle: 0 }))]);
        assert_eq!((split.command_uj, split.idle_uj, split.high_uj), (0, 5, None));
    }
}
