//! Writes the advice of `eco2 optimize` as JSON (schema `eco2.advice/1`) and as text for the terminal.

use serde_json::{Value, json};

use super::types::{ADVICE_SCHEMA, Advice, Claim, Evidence, NotAssessed, Suggestions};
use crate::render::{Page, TextStyle, Tone};

impl Suggestions {
    /// Returns the advice as one JSON object that ends with a line end; numbers are not rounded.
    #[must_use]
    pub fn json(&self) -> String {
        let skipped = |skipped: &NotAssessed| json!({"topic": skipped.topic.as_str(), "reason": skipped.reason});
        let whole = json!({
            "schema": ADVICE_SCHEMA,
            "run": self.run,
            "advice": self.advice.iter().map(advice_json).collect::<Vec<_>>(),
            "combined_percent": self.combined_percent,
            "estimated_percent": self.estimated_percent,
            "silences": self.not_assessed.iter().map(skipped).collect::<Vec<_>>(),
        });
        format!("{whole:#}\n")
    }

    /// Returns the advice as text for the terminal, followed by the topics that were not assessed. Every line ends with
    /// `\n`.
    #[must_use]
    pub fn text(&self, style: &TextStyle) -> String {
        let mut page = Page::new(*style, false);
        page.row("Run", Tone::Strong, &self.run);
        if self.estimated_percent > 0.0 {
            let share = format!("{:.0} % of the energy comes from a model: shares are rough", self.estimated_percent);
            page.row("Estimated", Tone::Warning, &share);
        }
        if self.advice.is_empty() {
            page.row("Advice", Tone::Strong, "No suggestions.");
        }
        for (number, advice) in self.advice.iter().enumerate() {
            advice_rows(number + 1, advice, &mut page);
        }
        let savings = self.advice.iter().filter(|advice| advice.saving.is_some()).count();
        if let (Some(percent), 2..) = (self.combined_percent, savings) {
            page.row("Together", Tone::Strong, &format!("at most {percent:.1} % (savings overlap in part)"));
        }
        for skipped in &self.not_assessed {
            page.row("Not checked", Tone::Faint, &format!("{}: {}", skipped.topic.as_str(), skipped.reason));
        }
        page.finish()
    }
}

/// Returns one suggestion as JSON.
fn advice_json(advice: &Advice) -> Value {
    let saving = advice.saving;
    let evidence = |evidence: &Evidence| json!({"name": evidence.name, "value": evidence.value, "unit": evidence.unit});
    let grams = saving.and_then(|saving| saving.grams);
    json!({
        "topic": advice.topic.as_str(),
        "title": advice.title,
        "text": advice.text,
        "evidence": advice.evidence.iter().map(evidence).collect::<Vec<_>>(),
        "claim": advice.claim.as_str(),
        "percent": saving.map(|saving| saving.percent),
        "low_percent": saving.map(|saving| saving.low_percent),
        "high_percent": saving.map(|saving| saving.high_percent),
        "grams": grams,
        "co2_kg": grams.map(|grams| grams / 1000.0),
        "command": advice.command,
        "difficulty": advice.difficulty,
    })
}

/// Adds one suggestion to the text: title, text, saving and command.
fn advice_rows(number: usize, advice: &Advice, page: &mut Page) {
    page.row(&format!("{number}."), Tone::Strong, &advice.title);
    page.row("", Tone::Normal, &advice.text);
    page.row("Saves", Tone::Normal, &saved(advice));
    page.row("Try", Tone::Normal, &advice.command);
}

/// Returns the saving in words, with its interval.
fn saved(advice: &Advice) -> String {
    let Some(saving) = advice.saving else {
        return "not known until it is measured".to_owned();
    };
    let interval = format!("{:.1} % [{:.1} to {:.1}]", saving.percent, saving.low_percent, saving.high_percent);
    let grams = saving.grams.map_or_else(String::new, |grams| format!(", {grams:.3} g CO2e"));
    match advice.claim {
        Claim::AtMost => format!("at most {:.1} % of the energy: {interval} was used{grams}", saving.high_percent),
        _ => format!("{interval} of the emissions{grams}"),
    }
}
