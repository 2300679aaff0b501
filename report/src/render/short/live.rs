//! The line that `eco2 run` shows on a terminal while the command runs ([`live_text`]).

use crate::render::figures::Spelling;
use crate::render::page::TextStyle;

/// The values of the line; `None`: not known.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LiveValues {
    /// Time since the start of the run, nanoseconds.
    pub elapsed_ns: u64,
    /// Power between the last two readings, watts.
    pub watts: Option<f64>,
    /// Energy so far, microjoules.
    pub energy_uj: Option<u64>,
    /// Emissions so far, grams CO2e.
    pub grams: Option<f64>,
    /// Whether a part of the energy is estimated.
    pub estimated: bool,
}

/// Returns the line, without its end, cut to the width: `4 min 12 s · 412 W · 28.9 Wh · 9.90 g CO₂e`.
///
/// ```
/// use eco2_report::{LiveValues, TextStyle, live_text};
///
/// let energy_uj = Some(104_040_000_000);
/// let values = LiveValues { elapsed_ns: 252_000_000_000, watts: Some(412.3), energy_uj, ..LiveValues::default() };
/// assert_eq!(live_text(&values, &TextStyle::default()), "4 min 12 s · 412 W · 28.9 Wh");
/// ```
#[must_use]
pub fn live_text(values: &LiveValues, style: &TextStyle) -> String {
    let spelling = Spelling { ascii: style.ascii };
    // Whole seconds: the line changes once per second.
    let seconds = values.elapsed_ns / 1_000_000_000;
    let elapsed = if seconds < 60 {
        format!("{seconds} s")
    } else {
        spelling.short_duration(seconds.saturating_mul(1_000_000_000))
    };
    let mut facts = vec![elapsed];
    facts.extend(values.watts.map(|watts| format!("{} W", crate::render::figures::rounded(watts))));
    match values.energy_uj {
        Some(uj) => facts.push(spelling.energy_only(uj)),
        None => facts.push("no reading yet".to_owned()),
    }
    facts.extend(values.grams.map(|grams| spelling.mass_only(grams)));
    facts.extend(values.estimated.then(|| "estimated".to_owned()));
    while facts.len() > 1 && facts.join(spelling.dot()).chars().count() > style.width {
        facts.pop();
    }
    facts.join(spelling.dot()).chars().take(style.width).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_fits_its_terminal_and_shows_no_zero_for_what_is_not_known() {
        let values = LiveValues {
            elapsed_ns: 8_040_900_000_000,
            watts: Some(4_451.0),
            energy_uj: Some(38_232_000_000_000),
            grams: Some(3_632.0),
            estimated: true,
        };
        let text = |width| live_text(&values, &TextStyle { width, ..TextStyle::default() });
        assert_eq!(text(80), "2 h 14 min · 4450 W · 10.6 kWh · 3.63 kg CO₂e · estimated");
        assert_eq!(text(30), "2 h 14 min · 4450 W · 10.6 kWh");
        assert_eq!(text(5), "2 h 1");
        let ascii = live_text(&values, &TextStyle { ascii: true, ..TextStyle::default() });
        assert!(ascii.is_ascii() && ascii.contains("CO2e"), "{ascii}");
        let nothing = LiveValues { elapsed_ns: 1_400_000_000, ..LiveValues::default() };
        assert_eq!(live_text(&nothing, &TextStyle::default()), "1 s · no reading yet");
    }
}
