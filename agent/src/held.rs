//! Keeps an energy with its bounds as it was published ([`Held`]): what a counter shows never falls.
//!
//! A counter may be corrected downwards: another sensor of the device is chosen, a reading turns out to be a fault, a bound
//! rested on an assumption that fails. What was published is then held until the truth has passed it.

use eco2_core::{Bounded, RangeKind, Ranged};
use serde::{Deserialize, Serialize};

/// A published energy, microjoules. Neither the value nor a bound ever falls, and the value stays between the bounds.
///
/// An upper bound that falls because more became known is no correction: a higher one is still true.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    /// `None`: not known yet. Once known, it stays known.
    uj: Option<u64>,
    low_uj: u64,
    /// The highest upper bound so far, and whether there is one now.
    high_uj: u64,
    is_open: bool,
    /// What the present bounds promise.
    kind: RangeKind,
    /// Whether the truth is below what is shown.
    is_held: bool,
}

impl Held {
    /// Takes what is known now. Returns whether it is a new correction: from now on more is shown than is known.
    pub(crate) fn update(&mut self, now: &Bounded<u64>) -> bool {
        let Some(uj) = now.value else {
            self.is_open = true;
            return false;
        };
        let was_held = self.is_held;
        self.is_held = self.uj.is_some_and(|shown| uj < shown) || now.low < self.low_uj;
        self.uj = self.uj.max(Some(uj));
        self.low_uj = self.low_uj.max(now.low);
        self.high_uj = self.high_uj.max(now.high.unwrap_or(uj)).max(self.uj.unwrap_or(uj));
        (self.is_open, self.kind) = (now.high.is_none(), now.kind);
        self.is_held && !was_held
    }

    /// Adds what another one shows.
    pub(crate) fn absorb(&mut self, other: &Self) {
        let sum = |a: u64, b: u64| a.saturating_add(b);
        self.uj = self.uj.map_or(other.uj, |uj| Some(sum(uj, other.uj())));
        (self.low_uj, self.high_uj) = (sum(self.low_uj, other.low_uj), sum(self.high_uj, other.high_uj));
        (self.is_open, self.is_held) = (self.is_open || other.is_open, self.is_held || other.is_held);
        self.kind = self.kind.and(other.kind);
    }

    /// Returns the value, and 0 where none is known.
    pub(crate) fn uj(&self) -> u64 {
        self.uj.unwrap_or(0)
    }

    /// Returns how far the truth may be below and above the value, microjoules; `None`: unbounded.
    pub(crate) fn slack_uj(&self) -> (u64, Option<u64>) {
        let shown = self.bounded();
        let Some(uj) = shown.value else { return (0, Some(0)) };
        (uj.saturating_sub(shown.low), shown.high.map(|high| high.saturating_sub(uj)))
    }
}

/// A [`Held`] in short: its value, its bounds, and its conditions as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PackedHeld(Option<u64>, u64, u64, u8);

const OPEN: u8 = 1;
const HELD: u8 = 2;
const PLAUSIBLE: u8 = 4;

impl From<Held> for PackedHeld {
    fn from(held: Held) -> Self {
        let Held { uj, low_uj, high_uj, is_open, kind, is_held } = held;
        let bit = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        let bits = bit(is_open, OPEN) | bit(is_held, HELD) | bit(kind == RangeKind::Plausible, PLAUSIBLE);
        Self(uj, low_uj, high_uj, bits)
    }
}

impl From<PackedHeld> for Held {
    fn from(PackedHeld(uj, low_uj, high_uj, bits): PackedHeld) -> Self {
        let kind = if bits & PLAUSIBLE == 0 { RangeKind::Hard } else { RangeKind::Plausible };
        Self { uj, low_uj, high_uj, is_open: bits & OPEN != 0, kind, is_held: bits & HELD != 0 }
    }
}

impl Ranged for Held {
    type Amount = u64;

    fn bounded(&self) -> Bounded<u64> {
        if self.uj.is_none() {
            return Bounded::unknown();
        }
        let high = (!self.is_open).then_some(self.high_uj);
        // What was published was wrong, so that its bounds promise nothing certain until the truth has passed it.
        let kind = if self.is_held { RangeKind::Plausible } else { self.kind };
        Bounded { value: self.uj, low: self.low_uj, high, kind }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn correction_is_held_until_the_truth_passes_it_and_reported_once() {
        let mut held = Held::default();
        assert!(!held.update(&Bounded::unknown()) && held.bounded().value.is_none());
        assert!(!held.update(&Bounded::hard(100, 90, Some(110))));
        assert!(held.update(&Bounded::hard(60, 50, Some(70))));
        assert!(!held.update(&Bounded::hard(80, 70, Some(90))), "the same correction");
        assert_eq!(held.bounded(), Bounded::plausible(100, 90, Some(110)), "what is known to be wrong is not certain");
        let text = serde_json::to_string(&held).unwrap();
        let mut held: Held = serde_json::from_str(&text).unwrap();
        assert!(!held.update(&Bounded::hard(85, 75, Some(95))), "nor is it a new one after a restart");
        assert!(!held.update(&Bounded::hard(105, 100, None)));
        assert_eq!(held.bounded(), Bounded::hard(105, 100, None), "an open bound is shown as such");
        assert!(!held.update(&Bounded::hard(106, 100, Some(106))), "a narrower range is no correction");
        assert_eq!(held.bounded().high, Some(110));
    }

    proptest! {
        #[test]
        fn nothing_falls_and_the_value_stays_between_the_bounds(seen in prop::collection::vec((0_u64..1_000, 0_u64..99, prop::option::of(0_u64..99)), 1..50)) {
            let (mut held, mut last) = (Held::default(), Bounded::hard(0, 0, Some(0)));
            for (uj, below, above) in seen {
                held.update(&Bounded::hard(uj, uj.saturating_sub(below), above.map(|above| uj + above)));
                let now = held.bounded();
                prop_assert!(now.is_consistent() && now.value >= last.value && now.low >= last.low);
                prop_assert!(now.high.is_none_or(|high| high >= last.high.unwrap_or(0)));
                last = Bounded { high: now.high.or(last.high), ..now };
            }
        }
    }
}
