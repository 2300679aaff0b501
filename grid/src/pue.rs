//! Power usage effectiveness: the energy overhead of the building that the computers are in.

/// Power usage effectiveness: energy of the facility over energy of its computers; at least 1 (ISO/IEC 30134-2).
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Pue(f64);

impl Pue {
    /// No overhead, or none known.
    pub const ONE: Self = Self(1.0);

    /// Checks a figure.
    ///
    /// # Errors
    /// [`RangeError`] unless it is finite and at least 1.
    pub fn new(value: f64) -> Result<Self, RangeError> {
        if value.is_finite() && value >= 1.0 {
            return Ok(Self(value));
        }
        Err(RangeError { what: "PUE", value, allowed: "a finite number of at least 1" })
    }

    /// The ratio.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }

    /// Facility energy of an energy, microjoules, rounded; saturates. Exact for a PUE of 1, and never less than `uj`:
    /// only the overhead goes through floating point.
    #[must_use]
    pub fn facility_uj(self, uj: u64) -> u64 {
        let overhead = (uj as f64 * (self.0 - 1.0)).round();
        uj.saturating_add(overhead as u64)
    }
}

/// A figure outside the range that makes sense.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{what} is {value}; allowed: {allowed}")]
pub struct RangeError {
    /// What the figure is.
    pub what: &'static str,
    /// The figure.
    pub value: f64,
    /// The range, for people.
    pub allowed: &'static str,
}
