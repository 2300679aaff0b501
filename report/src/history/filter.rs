//! Selects runs of the history by name, label, time and quality.

use eco2_core::Quality;

use super::StoredRun;

/// Which runs are wanted; the default takes all.
///
/// ```
/// use eco2_report::RunFilter;
///
/// let sweep = RunFilter { name: Some("train*.py".into()), ..RunFilter::default() };
/// assert!(sweep.is_name("train_vision.py") && !sweep.is_name("eval.py"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunFilter {
    /// The name; `*` replaces any characters.
    pub name: Option<String>,
    /// Labels that a run has with these values.
    pub labels: Vec<(String, String)>,
    /// Earliest start, milliseconds since 1970.
    pub since_ms: Option<i64>,
    /// Starts before this, milliseconds since 1970.
    pub until_ms: Option<i64>,
    /// Worst quality among the parts of the energy.
    pub quality: Option<Quality>,
}

impl RunFilter {
    /// Whether a run is wanted.
    #[must_use]
    pub fn takes(&self, run: &StoredRun) -> bool {
        let started_ms = run.started_ms();
        self.is_name(&run.summary.name)
            && self.labels.iter().all(|(name, value)| run.summary.labels.get(name) == Some(value))
            && self.since_ms.is_none_or(|since_ms| started_ms >= since_ms)
            && self.until_ms.is_none_or(|until_ms| started_ms < until_ms)
            && self.quality.is_none_or(|quality| run.quality().0 == quality)
    }

    /// Whether a name is wanted.
    #[must_use]
    pub fn is_name(&self, name: &str) -> bool {
        self.name.as_deref().is_none_or(|pattern| matches_pattern(name, pattern))
    }
}

/// Whether a text matches a pattern, in which `*` replaces any characters.
fn matches_pattern(text: &str, pattern: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return text == pattern };
    let Some(mut left) = text.strip_prefix(start) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    // The first place at which a part fits leaves the most room for the parts after it.
    for part in parts {
        let Some((_, after)) = left.split_once(part) else { return false };
        left = after;
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn star_replaces_any_characters() {
        for (pattern, text, fits) in [
            ("train.py", "train.py", true),
            ("train.py", "train.pyc", false),
            ("train*", "train.py", true),
            ("*.py", "train.py", true),
            ("*rain*y", "train.py", true),
            ("t*n*n.py", "train.py", false),
            ("ab*ba", "aba", false),
            ("*", "", true),
            ("**a**", "bab", true),
            ("tr?in.py", "train.py", false),
        ] {
            assert_eq!(matches_pattern(text, pattern), fits, "{pattern} and {text}");
        }
    }
}
