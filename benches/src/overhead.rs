//! What measuring costs a training loop: the same loop with and without a meter, in turns.
//!
//! The loop is real arithmetic (logistic regression by gradient descent on fixed data), not sleep. Its steps take about
//! a millisecond, less than most training steps. CPU time of the whole process, so that the sampling thread counts.

use std::hint::black_box;

use eco2::Meter;
use rustix::time::{ClockId, clock_gettime};

use crate::fixture::{meter, settle};
use crate::measure::Samples;
use crate::table::{Limit, Row};
use crate::{Failure, Place};

const FEATURES: usize = 256;
const BATCH: usize = 4_096;
const STEPS: u64 = 60;
/// The 14th smallest and the 14th largest of 40 enclose the median with 96.2 % (binomial).
const PAIRS: usize = 40;
const RANK: usize = 14;

/// The loop's CPU time with a meter over without, and a confidence interval.
///
/// # Errors
/// Where no meter can be opened.
pub fn measure(_: &Place) -> Result<Vec<Row>, Failure> {
    let mut model = Model::new();
    let (mut plain, mut metered) = (Samples::default(), Samples::default());
    train(&mut model, None);
    for _ in 0..PAIRS {
        plain.push(train(&mut model, None));
        let meter = meter(None)?;
        settle();
        metered.push(train(&mut model, Some(&meter)));
    }
    let percent = metered.minus(&plain).over(&plain).divided_by(0.01);
    let sorted = percent.sorted();
    let (low, high) = (sorted[RANK - 1], sorted[PAIRS - RANK]);
    Ok(vec![
        Row::new(
            "training loop with a mark every step, more CPU than without",
            percent.median(),
            "%",
            Limit::AtMost(1.0),
        )
        .within(low, high)
        .noting(format!(
            "96 % confidence interval of the median of {PAIRS} pairs; {:.0} us a step, sampling at 100 Hz included",
            plain.median() / 1e3
        )),
    ])
}

/// Process CPU nanoseconds a step.
fn train(model: &mut Model, meter: Option<&Meter>) -> f64 {
    let name = meter.map(|meter| meter.name("step"));
    let from_ns = process_cpu_ns();
    for _ in 0..STEPS {
        model.step();
        if let (Some(meter), Some(name)) = (meter, name) {
            meter.step(name);
        }
    }
    (process_cpu_ns() - from_ns) as f64 / STEPS as f64
}

fn process_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// Logistic regression.
struct Model {
    weights: Vec<f32>,
    samples: Vec<(Vec<f32>, f32)>,
}

impl Model {
    fn new() -> Self {
        let feature = |sample: usize, at: usize| ((sample * 31 + at * 17) % 97) as f32 / 97.0 - 0.5;
        let sample = |sample| ((0..FEATURES).map(|at| feature(sample, at)).collect(), (sample % 2) as f32);
        Self { weights: vec![0.0; FEATURES], samples: (0..BATCH).map(sample).collect() }
    }

    fn step(&mut self) {
        let mut gradient = [0.0f32; FEATURES];
        for (features, label) in &self.samples {
            let score: f32 = features.iter().zip(&self.weights).map(|(x, w)| x * w).sum();
            let error = 1.0 / (1.0 + (-score).exp()) - label;
            gradient.iter_mut().zip(features).for_each(|(sum, x)| *sum += error * x);
        }
        self.weights.iter_mut().zip(&gradient).for_each(|(w, g)| *w -= 0.1 * g / BATCH as f32);
        black_box(&self.weights);
    }
}
