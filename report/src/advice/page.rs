//! Advice for people.

use super::{Advice, Claim, Counsel};
use crate::render::{Page, TextStyle, Tone};

impl Counsel {
    /// The advice as text, every line ended by `\n`; what nothing is said of at the end, with the reason.
    #[must_use]
    pub fn text(&self, style: &TextStyle) -> String {
        let mut page = Page::new(*style, false);
        page.row("Run", Tone::Strong, &self.run);
        if self.estimated_percent > 0.0 {
            let share =
                format!("{:.0} % of the energy comes from a model: take shares of it as rough", self.estimated_percent);
            page.row("ESTIMATED", Tone::Warning, &share);
        }
        if self.advice.is_empty() {
            page.row("Advice", Tone::Strong, "none: nothing that was measured calls for any");
        }
        for (number, advice) in self.advice.iter().enumerate() {
            one(number + 1, advice, &mut page);
        }
        if let (Some(percent), 2..) =
            (self.combined_percent, self.advice.iter().filter(|one| one.saving.is_some()).count())
        {
            page.row(
                "Together",
                Tone::Strong,
                &format!("at most {percent:.1} %: savings multiply, and exclude each other in part"),
            );
        }
        for silence in &self.silences {
            page.row("Not said", Tone::Faint, &format!("{}: {}", silence.topic.as_str(), silence.reason));
        }
        page.finish()
    }
}

fn one(number: usize, advice: &Advice, page: &mut Page) {
    page.row(&format!("{number}."), Tone::Strong, &advice.title);
    page.row("", Tone::Normal, &advice.text);
    page.row("Saves", Tone::Normal, &saves(advice));
    page.row("Try", Tone::Normal, &advice.command);
}

fn saves(advice: &Advice) -> String {
    let Some(saving) = advice.saving else {
        return "not known before it is measured".to_owned();
    };
    let interval = format!("{:.1} % [{:.1} to {:.1}]", saving.percent, saving.low_percent, saving.high_percent);
    let grams = saving.grams.map_or_else(String::new, |grams| format!(", {grams:.3} g CO2e"));
    match advice.claim {
        Claim::AtMost => format!("at most {:.1} % of the energy: {interval} went into it{grams}", saving.high_percent),
        _ => format!("{interval} of the grams{grams}"),
    }
}
