//! Defines power usage effectiveness (PUE, option `pue`): the energy of a data centre divided by that of its computers.
//! It also defines the error for values out of range.

/// Power usage effectiveness: energy of the facility over energy of its computers; at least 1 (ISO/IEC 30134-2).
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Pue(f64);

impl Pue {
    /// No overhead, or an unknown one.
    pub const ONE: Self = Self(1.0);

    /// Makes a PUE of a value.
    ///
    /// # Errors
    /// [`RangeError`] unless the value is finite and at least 1.
    pub fn new(value: f64) -> Result<Self, RangeError> {
        if value.is_finite() && value >= 1.0 {
            return Ok(Self(value));
        }
        Err(RangeError { what: "PUE", value, allowed: "a finite number of at least 1" })
    }

    /// Returns the ratio of the energies, at least 1.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }

    /// Returns the facility energy for an energy of the computers, microjoules, rounded and saturating. It is exact for
    /// a PUE of 1 and never less than `uj`, because only the overhead is computed in floating point.
    #[must_use]
    pub fn facility_uj(self, uj: u64) -> u64 {
        let overhead = (uj as f64 * (self.0 - 1.0)).round();
        uj.saturating_add(overhead as u64)
    }
}

/// A value out of range.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{what} is {value}; allowed: {allowed}")]
pub struct RangeError {
    /// Name of the value.
    pub what: &'static str,
    /// The value.
    pub value: f64,
    /// The allowed range in words.
    pub allowed: &'static str,
}
