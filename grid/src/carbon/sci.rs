//! Expresses the emissions of a run in other terms: per unit of work (Software Carbon Intensity, option
//! `functional_unit`), and as everyday equivalents (option `equivalents`).
//!
//! Software Carbon Intensity (SCI 1.1, ISO/IEC 21031:2024) is `SCI = (O + M) per R`. Operational emissions O are the
//! energy E times the carbon intensity I. M is the run's embodied emissions, R the functional unit. I is always
//! location-based: the specification excludes market-based measures and offsets. It also requires embodied emissions;
//! where none were stated, `embodied_g` is empty.
//!
//! Equivalents: US EPA, *Greenhouse Gases Equivalencies Calculator: Calculations and References*, as published in 2022.
//! All are values of the United States: 3.98e-4 t CO2e per mile of the average passenger vehicle, 9.05e-4 t CO2 per
//! pound of coal burned, 8.22e-6 t CO2 per smartphone charged, and 0.060 t CO2 taken up by an urban tree seedling in
//! its first ten years.

use std::str::FromStr;

use eco2_core::schema::{Carbon, Embodied, Equivalent, Sci, Work};
use eco2_core::{Bounded, Ranged};

use crate::UnknownName;

/// The functional unit R that emissions are divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FunctionalUnit {
    /// A step.
    Step,
    /// A sample.
    Sample,
    /// A token.
    Token,
    /// The whole run.
    Run,
}

impl FunctionalUnit {
    /// Every unit.
    pub const ALL: [Self; 4] = [Self::Step, Self::Sample, Self::Token, Self::Run];

    /// Returns the name in options and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Sample => "sample",
            Self::Token => "token",
            Self::Run => "run",
        }
    }

    /// Returns the number of units in a run; `None` if they were not counted.
    #[must_use]
    pub fn count(self, work: &Work) -> Option<u64> {
        let count = match self {
            Self::Step => work.steps,
            Self::Sample => work.samples,
            Self::Token => work.tokens,
            Self::Run => Some(1),
        };
        count.filter(|count| *count > 0)
    }
}

impl FromStr for FunctionalUnit {
    type Err = UnknownName;

    /// Parses the name in options and reports.
    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|unit| unit.as_str() == name).ok_or_else(|| UnknownName(name.to_owned()))
    }
}

/// Returns the Software Carbon Intensity of a run; `None` if the unit was not counted.
#[must_use]
pub fn sci(carbon: &Carbon, embodied: Option<&Embodied>, unit: FunctionalUnit, work: &Work) -> Option<Sci> {
    let units = unit.count(work)?;
    let operational = carbon.bounded();
    let sum = match embodied {
        // Unknown operational emissions leave the sum unknown: the embodied part alone would look like the total.
        Some(made) => Bounded { value: carbon.grams.map(|grams| grams + made.grams), ..operational + made.bounded() },
        None => operational,
    };
    let each = sum.times(1.0 / units as f64);
    Some(Sci {
        grams: each.value,
        low: each.low,
        high: each.high,
        per: unit.as_str().to_owned(),
        units,
        operational_g: carbon.grams,
        embodied_g: embodied.map(|made| made.grams),
    })
}

/// Source of the emissions per equivalent.
const EQUIVALENTS_SOURCE: &str =
    "US EPA, Greenhouse Gases Equivalencies Calculator: Calculations and References (2022)";

const KM_PER_MILE: f64 = 1.609344;
const KG_PER_POUND: f64 = 0.453_592_37;
/// Equivalents, and the grams CO2e of one.
const EQUIVALENTS: [(&str, f64); 4] = [
    ("km in an average US passenger vehicle", 398.0 / KM_PER_MILE),
    ("kg of coal burned", 905.0 / KG_PER_POUND),
    ("smartphones charged", 8.22),
    ("urban tree seedlings growing for ten years", 60_000.0),
];

/// Returns the everyday equivalents of emissions; their amounts are unknown if the grams are.
#[must_use]
pub fn equivalents(grams: Option<f64>) -> Vec<Equivalent> {
    let equivalent = |(what, g_each): (&str, f64)| Equivalent {
        what: what.to_owned(),
        amount: grams.map(|grams| grams / g_each),
        g_each,
        source: EQUIVALENTS_SOURCE.to_owned(),
    };
    EQUIVALENTS.map(equivalent).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d13_one_cited_set_of_equivalents_by_hand() {
        let [car, coal, phones, trees] = &equivalents(Some(18_700.0))[..] else { panic!() };
        // 18.7 kg ÷ (0.398 kg ÷ 1.609344 km), ÷ (0.905 kg ÷ 0.45359237 kg), ÷ 8.22 g, ÷ 60 kg.
        assert!((car.amount.unwrap() - 75.614_9).abs() < 1e-3, "{:?}", car.amount);
        assert!((coal.amount.unwrap() - 9.372_5).abs() < 1e-3, "{:?}", coal.amount);
        assert!((phones.amount.unwrap() - 2274.939).abs() < 1e-3, "{:?}", phones.amount);
        assert!((trees.amount.unwrap() - 0.311_667).abs() < 1e-6, "{:?}", trees.amount);
        let sources: std::collections::BTreeSet<_> = equivalents(None).into_iter().map(|one| one.source).collect();
        assert_eq!(sources.len(), 1);
    }
}
