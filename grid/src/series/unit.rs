//! Units in which intensities are published.

/// Grams in an international pound, exact (1959 agreement).
const G_PER_LB: f64 = 453.59237;

/// The unit of a published intensity. It is read from the source, never assumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum IntensityUnit {
    /// Grams CO2e per kilowatt-hour.
    #[default]
    GramsPerKwh,
    /// Kilograms per megawatt-hour: the same number.
    KilogramsPerMwh,
    /// Pounds per megawatt-hour, as US sources have it.
    PoundsPerMwh,
}

impl IntensityUnit {
    /// Grams per kilowatt-hour of a figure in this unit.
    ///
    /// ```
    /// # use eco2_grid::IntensityUnit;
    /// assert!((IntensityUnit::PoundsPerMwh.g_per_kwh(870.0) - 394.625_361_9).abs() < 1e-9);
    /// ```
    #[must_use]
    pub fn g_per_kwh(self, value: f64) -> f64 {
        match self {
            Self::GramsPerKwh | Self::KilogramsPerMwh => value,
            Self::PoundsPerMwh => value * G_PER_LB / 1000.0,
        }
    }

    /// The unit of that name, as sources write it; `None` for any other text.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "g/kwh" | "gco2/kwh" | "gco2eq/kwh" | "gco2e/kwh" | "gco2e_per_kwh" => Some(Self::GramsPerKwh),
            "kg/mwh" | "kgco2/mwh" | "kgco2e/mwh" => Some(Self::KilogramsPerMwh),
            "lb/mwh" | "lbs/mwh" | "lbs_co2_per_mwh" => Some(Self::PoundsPerMwh),
            _ => None,
        }
    }
}
