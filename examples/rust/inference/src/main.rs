//! An inference server with continuous batching, and the energy of each request and token: `cargo run` in this folder.
//!
//! Requests overlap, so that the energy from the start to the end of each would count the device several times. The steps of the
//! engine do not overlap: the energy of a step is shared by the tokens that it computed, and what lies between steps is idle.

#![allow(clippy::print_stdout, reason = "the example shows its values")]

use std::collections::BTreeMap;

use eco2::Meter;
use eco2::attribution::{RequestId, RequestTotals};
use eco2::options::Log;

/// A stand-in for one step of an engine: arithmetic for the tokens of all open requests.
fn compute(tokens: u64) -> f64 {
    (1..tokens * 3_000_000 + 1).map(|i| 1.0 / i as f64).sum()
}

/// Serves requests, each with its number of tokens: a new one joins at every second step, and each gets a token per step.
fn serve(meter: &Meter, lengths: &[u64]) -> RequestTotals {
    let mut open: BTreeMap<RequestId, u64> = BTreeMap::new();
    let mut waiting = lengths.iter().copied().zip(1..);
    for step in 0.. {
        if step % 2 == 0 {
            open.extend(waiting.next().map(|(tokens, id)| (id, tokens)));
        }
        if open.is_empty() {
            break;
        }
        meter.request_step(&[]); // what was used since the last step is of no request
        std::hint::black_box(compute(open.len() as u64));
        let tokens: Vec<(RequestId, u64)> = open.keys().map(|id| (*id, 1)).collect();
        meter.request_step(&tokens);
        open.values_mut().for_each(|left| *left -= 1);
        let done: Vec<RequestId> = open.iter().filter(|(_, left)| **left == 0).map(|(id, _)| *id).collect();
        for id in done {
            open.remove(&id);
            if let Some(request) = meter.request_end(id) {
                let joules = request.energy.value.map(|uj| uj as f64 / 1e6);
                println!("request {id}: {} tokens, {joules:?} J", request.tokens);
            }
        }
    }
    meter.requests()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let meter = Meter::builder().name("inference").zone("DE").log(Log::Off).open()?;
    let totals = serve(&meter, &[8, 3, 12, 5]);
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
    let before = serve(&meter, &[4, 2, 6]);
    let first_uj = meter.now().unwrap().total_uj;
    meter.request_step(&[]);
    let (totals, last_uj) = (meter.requests(), meter.now().unwrap().total_uj);
    assert_eq!((totals.finished, totals.open, totals.tokens), (3, 0, 12));
    assert_eq!(totals.energy, before.energy);
    let sum_uj = totals.energy.value.unwrap() + totals.idle.value.unwrap();
    assert!(first_uj <= sum_uj && sum_uj <= last_uj, "{first_uj} {sum_uj} {last_uj}");
    assert!(meter.close().energy.total_uj.is_some());
}
