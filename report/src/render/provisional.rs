//! States why values of a report are provisional, in words.

use eco2_core::schema::{RecordEnding, Run, State};

/// Returns why the values of a run are provisional, and what follows; `None` if they are final.
pub(super) fn provisional_text(run: &Run) -> Option<&'static str> {
    let text = match run.end {
        Some(RecordEnding::Recorded) => "a counter was not updated after the end; see the range",
        Some(RecordEnding::Interrupted) => "eco2 was killed: these are the values until its last record",
        Some(RecordEnding::Open) | None => "the run is still going or was interrupted: values may grow",
    };
    (run.state == State::Provisional).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn killed_runs_and_awaited_updates_have_different_texts() {
        let text = |end| provisional_text(&Run { end, ..Run::default() }).unwrap();
        assert!(text(Some(RecordEnding::Recorded)).contains("counter"));
        assert!(text(Some(RecordEnding::Interrupted)).contains("killed"));
        assert_eq!(text(Some(RecordEnding::Open)), text(None), "unknown in reports of earlier versions");
        assert_eq!(provisional_text(&Run { state: State::Final, ..Run::default() }), None);
    }
}
