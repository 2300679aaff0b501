//! One figure for all time: a constant that the user brings, or a zone's yearly average.

use super::{IntensityOrigin, IntensityQuery, IntensitySlot, Provider, ProviderFault, Reply};
use crate::Intensity;

/// A provider that always gives the same figure.
#[derive(Debug, Clone)]
pub struct Fixed {
    name: &'static str,
    intensity: Intensity,
}

impl Fixed {
    /// The figure that the user brings: see [`crate::constant`].
    #[must_use]
    pub fn constant(intensity: Intensity) -> Self {
        Self { name: "constant", intensity }
    }

    /// The yearly average of a zone: see [`crate::lookup`] and [`crate::world`].
    #[must_use]
    pub fn table(intensity: Intensity) -> Self {
        Self { name: super::TABLE, intensity }
    }
}

impl Provider for Fixed {
    fn name(&self) -> &str {
        self.name
    }

    fn slots(&self, wanted: &IntensityQuery<'_>) -> Result<Reply, ProviderFault> {
        let Intensity { g_per_kwh, estimated, .. } = self.intensity;
        let (from_ns, to_ns) = (wanted.from_ns, wanted.to_ns);
        let slot = IntensitySlot { from_ns, to_ns, g_per_kwh, estimated, forecast: false, answer: None };
        Ok(Reply::new(IntensityOrigin::from(&self.intensity), [slot]))
    }
}
