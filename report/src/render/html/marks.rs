//! Marks of quality: how an energy came about, as a square with a word, and the hatches of charts and bars.

use eco2_core::Quality;
use eco2_core::schema::Report;
use maud::{Markup, html};

/// Whether a part of the energy was generated for demonstrations and tests.
pub(super) fn is_synthetic(report: &Report) -> bool {
    report.energy.synthetic_uj > 0 || report.devices.iter().any(|device| device.quality == Quality::Synthetic)
}

/// Returns how the larger part of the energy came about.
pub(super) fn main_quality(report: &Report) -> Quality {
    let energy = &report.energy;
    let parts = [
        (Quality::Measured, energy.measured_uj),
        (Quality::Derived, energy.derived_uj),
        (Quality::Estimated, energy.estimated_uj),
    ];
    match (energy.total_uj, is_synthetic(report)) {
        (None, _) => Quality::Missing,
        (_, true) => Quality::Synthetic,
        _ => parts.into_iter().rev().max_by_key(|(_, uj)| *uj).map_or(Quality::Missing, |(quality, _)| quality),
    }
}

/// Returns the mark of a quality: a square and the word.
pub(super) fn quality(quality: Quality) -> Markup {
    let word = if quality == Quality::Missing { "not measured" } else { quality.name() };
    html! { span class=(format!("q {}", quality.name())) { (word) } }
}

/// Returns the hatches: for estimates, for what is not attributed and for what was not measured.
pub(super) fn patterns() -> Markup {
    html! {
        svg id="defs" aria-hidden="true" {
            defs {
                @for color in ["cpu", "memory", "gpu", "other", "total"] {
                    pattern id={ "h-" (color) } width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                        rect width="5" height="5" class={ "k-" (color) } fill-opacity=".18" {}
                        rect width="2" height="5" class={ "k-" (color) } {}
                    }
                }
                pattern id="h-unattr" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" { rect.k-idle width="1.6" height="5" {} }
                pattern id="h-gap" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)" {
                    rect.k-idle width="6" height="6" fill-opacity=".12" {}
                    rect.k-idle width="1.2" height="6" {}
                }
            }
        }
    }
}
