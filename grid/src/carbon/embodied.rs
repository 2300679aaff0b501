//! Computes embodied emissions: the emissions of manufacturing the hardware, and the share of them that a run is
//! charged with. This serves the options `embodied`, `embodied_years` and `embodied_share`, and the report's
//! `embodied`.
//!
//! Software Carbon Intensity 1.1 (SCI, ISO/IEC 21031:2024) defines `M = TE × TS × RS`: the embodied emissions M of a
//! run are the total embodied emissions (TE) times the time share (TS) times the resource share (RS). The time share is
//! the time for which the hardware was reserved over its expected lifespan (EL); the resource share is the resources
//! reserved (RR) over the total resources (ToR) of the hardware. The example in the specification prints "around 28 g"
//! for 28.54 g.
//!
//! Total emissions are stated by the user or taken from [`HARDWARE`], a list of published values. *Luccioni*: Luccioni,
//! Viguier, Ligozat, "Estimating the Carbon Footprint of BLOOM" (2022), where both values are assumptions; *Boavizta*:
//! the GPU formula of Boavizta's methodology 2.4, evaluated for the board; *Hubblo*: calculator of Hubblo and ADEME;
//! *Chien*: Chien et al., HotCarbon 2023; *NVIDIA*: product carbon footprint of the HGX H100 board, 1312 kg, an eighth
//! of it. Where several values are published, they are the bounds. A single value has no bounds: at least 0, at most
//! unknown. No public values were found for other hardware: state kilograms.

use std::str::FromStr;

use eco2_core::Bounded;
use eco2_core::schema::{Embodied, EmbodiedTerms};

use crate::RangeError;

/// Default lifespan of hardware, years; the example of the SCI specification.
const LIFE_YEARS: f64 = 4.0;

/// Published embodied emissions of one piece of hardware.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EmbodiedRange {
    /// Name in the option `embodied`.
    pub name: &'static str,
    /// Best value, kilograms CO2e.
    pub kg: f64,
    /// Lowest published value, kilograms; 0 if only one is published.
    pub low_kg: f64,
    /// Highest published value; `None` if only one is published.
    pub high_kg: Option<f64>,
    /// Publishers of the values.
    pub source: &'static str,
}

/// Hardware with published values.
pub const HARDWARE: &[EmbodiedRange] = &[
    making("a100-sxm4-40gb", 273.0, 150.0, Some(318.0), "Boavizta; low: Luccioni, high: Chien"),
    making("a100-pcie-40gb", 276.0, 181.0, Some(276.0), "Boavizta; low: Hubblo"),
    making("h100-sxm-80gb", 164.0, 164.0, Some(575.0), "NVIDIA; high: Boavizta"),
    making("l4", 114.0, 0.0, None, "Boavizta"),
    making("p100", 129.0, 0.0, None, "Boavizta"),
    making("rtx-a4500", 141.0, 0.0, None, "Boavizta"),
    making("gtx-1080-ti", 89.0, 0.0, None, "Boavizta"),
    making("titan-rtx", 160.0, 0.0, None, "Boavizta"),
    making("server", 2500.0, 0.0, None, "Luccioni"),
];

/// Returns a published value with its bounds, kilograms CO2e.
const fn making(name: &'static str, kg: f64, low_kg: f64, high_kg: Option<f64>, source: &'static str) -> EmbodiedRange {
    EmbodiedRange { name, kg, low_kg, high_kg, source }
}

/// Upper limit of accepted embodied emissions, kilograms CO2e; more than any hardware has.
const MOST_KG: f64 = 1e12;

/// The hardware of a run: its embodied emissions, its lifespan, and the share that the run reserves.
///
/// ```
/// use eco2_grid::carbon::Hardware;
///
/// // A server and eight GPUs that last five years; the run reserves half of them for two hours.
/// let hardware = "server,8xa100-sxm4-40gb".parse::<Hardware>()?.for_years(5.0)?.shared(0.5)?;
/// let embodied = hardware.embodied(2 * 3_600_000_000_000);
/// // (2500 + 8 × 273) kg × 2 h ÷ (5 × 8760 h) × 0.5.
/// assert_eq!((embodied.total_kg, embodied.grams.round()), (4684.0, 107.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Hardware {
    /// TE, kilograms CO2e. It always has a value, because every piece has one.
    total_kg: Bounded<f64>,
    life_years: f64,
    share: f64,
    source: String,
}

/// The option `embodied` names unknown hardware.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no embodied emissions for {text:?}; give kilograms, LOW:KG:HIGH, or pieces such as server,8xa100-sxm4-40gb, of: {known}"
)]
pub struct HardwareError {
    /// The unknown part, shortened.
    pub text: String,
    known: String,
}

impl FromStr for Hardware {
    type Err = HardwareError;

    /// Returns the hardware from a comma-separated list of kilograms (`1000`), kilograms with bounds (`900:1000:1200`),
    /// and names in [`HARDWARE`] with an optional count (`server,8xa100-sxm4-40gb`). It lasts 4 years, and the run
    /// reserves all of it.
    ///
    /// # Errors
    /// [`HardwareError`] for anything else.
    fn from_str(text: &str) -> Result<Self, HardwareError> {
        let piece = |part: &str| parse_kg(part).or_else(|| parse_listed(part)).ok_or_else(|| unknown_hardware(part));
        let pieces = text.split(',').map(|part| piece(part.trim())).collect::<Result<Vec<_>, _>>()?;
        let (kg, sources): (Vec<_>, Vec<_>) = pieces.into_iter().unzip();
        let total_kg = kg.into_iter().sum();
        Ok(Self { total_kg, life_years: LIFE_YEARS, share: 1.0, source: sources.join(", ") })
    }
}

impl Hardware {
    /// Returns the hardware that the terms of a report state; `None` if a value is out of range.
    #[must_use]
    pub(crate) fn stated(terms: &EmbodiedTerms) -> Option<Self> {
        let total_kg = Bounded::plausible(terms.total_kg, terms.total_low_kg, terms.total_high_kg);
        let is_sound = total_kg.low >= 0.0 && total_kg.is_consistent() && terms.total_kg < MOST_KG;
        let hardware = Self { total_kg, life_years: LIFE_YEARS, share: 1.0, source: terms.source.clone() };
        hardware.for_years(terms.life_years).and_then(|hardware| hardware.shared(terms.share)).ok().filter(|_| is_sound)
    }

    /// Returns the hardware as a report states it.
    #[must_use]
    pub(crate) fn terms(&self) -> EmbodiedTerms {
        EmbodiedTerms {
            total_kg: self.total_kg.value.unwrap_or(self.total_kg.low),
            total_low_kg: self.total_kg.low,
            total_high_kg: self.total_kg.high,
            life_years: self.life_years,
            share: self.share,
            source: self.source.clone(),
        }
    }

    /// Returns the same hardware with another lifespan (EL), years of 365 days.
    ///
    /// # Errors
    /// [`RangeError`] unless the lifespan is more than 0 and at most 100 years.
    pub fn for_years(self, life_years: f64) -> Result<Self, RangeError> {
        if life_years > 0.0 && life_years <= 100.0 {
            return Ok(Self { life_years, ..self });
        }
        Err(RangeError { what: "the hardware's life", value: life_years, allowed: "more than 0 to 100 years" })
    }

    /// Returns the same hardware with another resource share (RR ÷ ToR) that the run reserves.
    ///
    /// # Errors
    /// [`RangeError`] unless the share is from 0 to 1.
    pub fn shared(self, share: f64) -> Result<Self, RangeError> {
        if (0.0..=1.0).contains(&share) {
            return Ok(Self { share, ..self });
        }
        Err(RangeError { what: "the share of the hardware", value: share, allowed: "0 to 1" })
    }
}

/// Parses kilograms, `1000` or `900:1000:1200`.
fn parse_kg(part: &str) -> Option<(Bounded<f64>, String)> {
    let numbers: Option<Vec<f64>> = part.split(':').map(|number| number.trim().parse().ok()).collect();
    let kg = match *numbers?.as_slice() {
        [kg] => Bounded::plausible(kg, kg, Some(kg)),
        [low, kg, high] => Bounded::plausible(kg, low, Some(high)),
        _ => return None,
    };
    let is_mass = kg.low >= 0.0 && kg.high.is_some_and(|high| high < MOST_KG);
    (is_mass && kg.is_consistent()).then(|| (kg, "given".to_owned()))
}

/// Parses a name in [`HARDWARE`] with an optional count, `8xa100-sxm4-40gb` or `server`.
fn parse_listed(part: &str) -> Option<(Bounded<f64>, String)> {
    let lower = part.to_ascii_lowercase();
    let counted = lower.split_once('x').and_then(|(count, name)| Some((count.parse::<u32>().ok()?, name.to_owned())));
    let (count, name) = counted.filter(|(count, _)| *count > 0).unwrap_or((1, lower.clone()));
    let found = HARDWARE.iter().find(|making| making.name == name.replace(' ', "-"))?;
    let kg = Bounded::plausible(found.kg, found.low_kg, found.high_kg);
    Some((kg.times(f64::from(count)), format!("{count} × {} ({})", found.name, found.source)))
}

/// Returns the error for unknown hardware, with the known names.
fn unknown_hardware(part: &str) -> HardwareError {
    let known = HARDWARE.iter().map(|making| making.name).collect::<Vec<_>>().join(", ");
    HardwareError { text: crate::series::shown(part), known }
}

/// Seconds of a year of 365 days, as in the example of the SCI specification.
const SECONDS_PER_YEAR: f64 = 365.0 * 24.0 * 3600.0;

impl Hardware {
    /// Returns the embodied emissions of a run that reserved the hardware for `reserved_ns` nanoseconds.
    #[must_use]
    pub fn embodied(&self, reserved_ns: u64) -> Embodied {
        let time_share = reserved_ns as f64 / 1e9 / (self.life_years * SECONDS_PER_YEAR);
        let total = self.total_kg;
        let share = total.times(1e3 * time_share * self.share);
        Embodied {
            grams: share.value.unwrap_or(share.low),
            low: share.low,
            high: share.high,
            total_kg: total.value.unwrap_or(total.low),
            total_low_kg: total.low,
            total_high_kg: total.high,
            reserved_ns,
            life_years: self.life_years,
            share: self.share,
            source: self.source.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_add_up_and_one_without_an_upper_bound_leaves_none() {
        let node = "8xA100-SXM4-40GB".parse::<Hardware>().unwrap().total_kg;
        assert_eq!(node, Bounded::plausible(2184.0, 1200.0, Some(2544.0)));
        let server = "server, 2 x".parse::<Hardware>().err().map(|error| error.text);
        assert_eq!(server.as_deref(), Some("2 x"));
        let both = "server,1xa100-pcie-40gb,50".parse::<Hardware>().unwrap();
        assert_eq!(both.total_kg, Bounded::plausible(2826.0, 231.0, None));
        assert_eq!(both.source, "1 × server (Luccioni), 1 × a100-pcie-40gb (Boavizta; low: Hubblo), given");
    }

    #[test]
    fn text_that_names_no_hardware_is_refused() {
        for text in ["", "h200", "-1", "3:2:1", "1:2", "nan", "inf", "0xl4", "1e13"] {
            assert!(text.parse::<Hardware>().is_err(), "{text}");
        }
        let plain = "1".parse::<Hardware>().unwrap();
        assert!(plain.clone().for_years(0.0).is_err() && plain.clone().for_years(f64::NAN).is_err());
        assert!(plain.clone().shared(1.1).is_err() && plain.shared(0.0).is_ok());
    }

    #[test]
    fn every_listed_value_is_within_its_bounds_and_cited() {
        for EmbodiedRange { name, kg, low_kg, high_kg, source } in HARDWARE {
            assert!(low_kg <= kg && high_kg.is_none_or(|high| *kg <= high) && !source.is_empty(), "{name}");
        }
    }

    const HOUR_NS: u64 = 3_600_000_000_000;

    #[test]
    fn example_of_the_sci_specification_is_28_54_grams() {
        let hour = "1000".parse::<Hardware>().unwrap().for_years(4.0).unwrap().embodied(HOUR_NS);
        // 1,000,000 g ÷ 35,040 h.
        assert!((hour.grams - 28.538_812_785).abs() < 1e-9, "{}", hour.grams);
        assert_eq!((hour.low, hour.high), (hour.grams, Some(hour.grams)));
    }

    #[test]
    fn bounds_time_and_share_scale_the_grams() {
        let all = "900:1000:1200".parse::<Hardware>().unwrap().for_years(4.0).unwrap();
        let half = all.clone().shared(0.5).unwrap().embodied(2 * HOUR_NS);
        let hour = all.embodied(HOUR_NS);
        assert!((half.grams - hour.grams).abs() < 1e-12);
        assert!((hour.low / hour.grams - 0.9).abs() < 1e-12);
        assert!((hour.high.unwrap() / hour.grams - 1.2).abs() < 1e-12);
        assert_eq!((half.total_kg, half.share, half.reserved_ns), (1000.0, 0.5, 2 * HOUR_NS));
    }
}
