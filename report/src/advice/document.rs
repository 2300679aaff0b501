//! Advice as JSON, schema `eco2.advice/1`.

use serde_json::{Value, json};

use super::{ADVICE_SCHEMA, Advice, Counsel, Silence};

impl Counsel {
    /// One object: every figure unrounded, ended by a line end.
    #[must_use]
    pub fn json(&self) -> String {
        let silence = |silence: &Silence| json!({"topic": silence.topic.as_str(), "reason": silence.reason});
        let whole = json!({
            "schema": ADVICE_SCHEMA,
            "run": self.run,
            "advice": self.advice.iter().map(of_advice).collect::<Vec<_>>(),
            "combined_percent": self.combined_percent,
            "estimated_percent": self.estimated_percent,
            "silences": self.silences.iter().map(silence).collect::<Vec<_>>(),
        });
        format!("{whole:#}\n")
    }
}

fn of_advice(advice: &Advice) -> Value {
    let saving = advice.saving;
    let evidence = advice.evidence.iter().map(|one| json!({"name": one.name, "value": one.value, "unit": one.unit}));
    let grams = saving.and_then(|saving| saving.grams);
    json!({
        "topic": advice.topic.as_str(),
        "title": advice.title,
        "text": advice.text,
        "evidence": evidence.collect::<Vec<_>>(),
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
