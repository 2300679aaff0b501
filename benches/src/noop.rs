//! Readers that do nothing: counters that follow the clock, at the pace of real ones, for the price of a division.

use eco2_core::Domain;
use eco2_report::generator::Generator;
use eco2_samplers::{Batch, Source};

/// RAPL updates every millisecond, a GPU's energy counter every 100 ms.
const RAPL_NS: u64 = 1_000_000;
const GPU_NS: u64 = 100_000_000;

/// Both: twelve domains.
#[must_use]
pub fn all() -> Vec<Box<dyn Source>> {
    vec![Box::new(Noop::rapl()), Box::new(Noop::gpus())]
}

/// A source whose counters move in steps of a fixed period and cost nothing to read.
#[derive(Debug)]
pub struct Noop {
    name: &'static str,
    domains: Vec<Domain>,
    step_ns: u64,
    grouped: bool,
}

impl Noop {
    /// Two packages and two DRAM domains, read as one group.
    #[must_use]
    pub fn rapl() -> Self {
        let [domains, _] = Generator::domains();
        Self { name: "rapl-perf", domains, step_ns: RAPL_NS, grouped: true }
    }

    /// Eight GPUs, read one by one.
    #[must_use]
    pub fn gpus() -> Self {
        let [_, domains] = Generator::domains();
        Self { name: "nvml", domains, step_ns: GPU_NS, grouped: false }
    }

    /// The same, with counters that move at every reading.
    #[must_use]
    pub fn restless(self) -> Self {
        Self { step_ns: 1, ..self }
    }
}

impl Source for Noop {
    fn name(&self) -> &str {
        self.name
    }

    fn domains(&self) -> &[Domain] {
        &self.domains
    }

    fn read(&mut self, batch: &mut Batch) {
        // 100 units a millisecond: 100 W for the GPUs' millijoules, 6 W for RAPL's 61 µJ.
        let value = batch.now_ns() / self.step_ns * self.step_ns / 10_000;
        if self.grouped {
            // 32 bits, as wide as RAPL's counters are.
            let value = value & u64::from(u32::MAX);
            return batch.group(|push| (0..self.domains.len()).for_each(|domain| push(domain, Ok(value))));
        }
        (0..self.domains.len()).for_each(|domain| batch.one(domain, || Ok(value)));
    }
}
