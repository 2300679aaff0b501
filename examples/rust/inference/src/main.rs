//! An inference server with continuous batching, and the energy of each request and token: `cargo run` in this folder.
//!
//! Requests overlap, so that the energy from the start to the end of each would count the device several times. The steps of the
//! engine do not overlap: the energy of a step is shared by the tokens that it computed, and what lies between steps is idle.

#![allow(clippy::print_stdout, reason = "the example shows its values")]

use std::collections::BTreeMap;

use eco2::Meter;
use eco2::attribution::{Bounded, RequestId, RequestTotals, Requests};
use eco2::options::Log;

/// A stand-in for one step of an engine: arithmetic for the tokens of all open requests.
fn compute(tokens: u64) -> f64 {
    (1..tokens * 3_000_000 + 1).map(|i| 1.0 / i as f64).sum()
}

/// The energy since the last call, so that all parts add up to the whole.
struct EnergyParts<'a> {
    meter: &'a Meter,
    before_uj: Option<u64>,
}

impl EnergyParts<'_> {
    /// Returns the energy since the last call, an estimate until the counters have changed; unknown before the first reading.
    fn next(&mut self) -> Bounded<u64> {
        let now_uj = self.meter.now().map(|now| now.total_uj);
        let part = self.before_uj.zip(now_uj).map(|(before_uj, now_uj)| now_uj.saturating_sub(before_uj));
        self.before_uj = now_uj.or(self.before_uj);
        part.map_or_else(Bounded::unknown, Bounded::exact)
    }
}

/// Serves requests, each with its number of tokens: a new one joins at every second step, and each gets a token per step.
/// Returns the energy of all requests and of the time between steps, and the energy of the whole.
fn serve(meter: &Meter, lengths: &[u64]) -> (RequestTotals, u64) {
    let mut requests = Requests::default();
    let mut open: BTreeMap<RequestId, u64> = BTreeMap::new();
    let mut waiting = lengths.iter().copied().zip(1..);
    let mut parts = EnergyParts { meter, before_uj: None };
    while parts.before_uj.is_none() {
        parts.next();
    }
    let first_uj = parts.before_uj.unwrap_or(0);
    for step in 0.. {
        if step % 2 == 0 {
            open.extend(waiting.next().map(|(tokens, id)| (id, tokens)));
        }
        if open.is_empty() {
            break;
        }
        requests.idle(parts.next());
        std::hint::black_box(compute(open.len() as u64));
        let tokens: Vec<(RequestId, u64)> = open.keys().map(|id| (*id, 1)).collect();
        requests.step(parts.next(), &tokens);
        open.values_mut().for_each(|left| *left -= 1);
        let done: Vec<RequestId> = open.iter().filter(|(_, left)| **left == 0).map(|(id, _)| *id).collect();
        for id in done {
            open.remove(&id);
            if let Some(request) = requests.finish(id) {
                let joules = request.energy.value.map(|uj| uj as f64 / 1e6);
                println!("request {id}: {} tokens, {joules:?} J", request.tokens);
            }
        }
    }
    (requests.totals(), parts.before_uj.unwrap_or(0) - first_uj)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let meter = Meter::builder().name("inference").zone("DE").log(Log::Off).open()?;
    let (totals, _) = serve(&meter, &[8, 3, 12, 5]);
    println!(
        "{} requests, {} tokens, {:?} µJ; idle {:?} µJ",
        totals.finished, totals.tokens, totals.energy.value, totals.idle.value
    );
    println!("median and 95 % quantile per token: {:?} µJ", totals.uj_per_token);
    println!("{:?} µJ in total", meter.close().energy.total_uj);
    Ok(())
}

#[test]
fn requests_and_idle_time_add_up_to_the_energy_of_the_device() {
    let sources = &eco2::options::opt::SOURCES;
    let meter = Meter::builder().name("inference").log(Log::Off).set(sources, "synthetic").open().unwrap();
    let (totals, whole_uj) = serve(&meter, &[4, 2, 6]);
    let report = meter.close();
    assert!(report.energy.total_uj.is_some());
    assert_eq!((totals.finished, totals.open, totals.tokens), (3, 0, 12));
    assert_eq!(totals.energy.value.unwrap() + totals.idle.value.unwrap(), whole_uj);
    assert!(whole_uj > 0);
}
