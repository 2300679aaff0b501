//! Applies the stored result of the self-test of `eco2 doctor` to a run: energy counters that failed are marked, and
//! each is reported once.

use eco2_core::Domain;
use eco2_report::{CounterResult, CounterTest};

/// The findings of an earlier self-test on this machine.
#[derive(Debug, Default)]
pub(crate) struct StoredTest {
    pub(crate) failed: Vec<CounterTest>,
    /// The reason why the result cannot be used; `None` if it can.
    pub(crate) unreadable: Option<String>,
}

impl StoredTest {
    /// Returns a result with these tests of a machine's counters.
    pub(crate) fn of(tests: Vec<CounterTest>) -> Self {
        Self { failed: tests.into_iter().filter(|test| test.fault().is_some()).collect(), unreadable: None }
    }

    /// Marks a counter that failed, and returns the text of the event; `None` if it did not fail.
    pub(crate) fn mark(&self, domain: &mut Domain) -> Option<String> {
        let is_same = |test: &&CounterTest| test.source == domain.source && test.id == domain.id;
        let test = self.failed.iter().find(is_same)?;
        domain.self_test = test.fault();
        let found = match (test.result, test.difference_percent) {
            (CounterResult::Contradicted, Some(percent)) => format!("it was {percent:+.1} % off the integrated power"),
            (CounterResult::Contradicted, None) => "it contradicted the integrated power".to_owned(),
            _ => "it did not move under load".to_owned(),
        };
        Some(format!("the counter failed the self-test of {}: {found}", test.tested_at))
    }
}
