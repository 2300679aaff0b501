//! Software carbon intensity: `SCI = (O + M) per R` (SCI 1.1, ISO/IEC 21031:2024), `O = E × I`.
//!
//! `I` is location-based, always: the specification excludes market-based measures and offsets. An embodied estimate
//! shall be included; where none was given the figure says so by an empty `embodied_g`.

use eco2_core::Bounded;
use eco2_core::schema::{Carbon, Embodied, Sci, Work};

/// What the grams are divided by.
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

    /// The unit of that name; `None` for any other text.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|unit| unit.as_str() == name)
    }

    /// As options and reports write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Sample => "sample",
            Self::Token => "token",
            Self::Run => "run",
        }
    }

    /// How many of them were done; `None` where nobody counted.
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

/// The intensity per unit; `None` where the unit was not counted.
#[must_use]
pub fn sci(carbon: &Carbon, embodied: Option<&Embodied>, unit: FunctionalUnit, work: &Work) -> Option<Sci> {
    let units = unit.count(work)?;
    let operational = carbon.bounded();
    let sum = match embodied {
        // A sum without its operational part would pass for the whole.
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
