//! A training loop in Rust with the energy of every step: `cargo run` in this folder.

use eco2::options::Log;
use eco2::{Meter, render};

/// A stand-in for a training step: arithmetic for about 20 ms.
fn train() -> f64 {
    (1..10_000_000u32).map(|i| 1.0 / f64::from(i) / f64::from(i)).sum()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let meter = Meter::builder().name("loop").zone("DE").log(Log::Off).open()?;
    let step = meter.name("step");
    let mut before = meter.now();
    for number in 0..5 {
        let loss = {
            let _span = meter.span(step);
            std::hint::black_box(train())
        };
        let after = meter.now();
        match before.zip(after) {
            Some((before, after)) => {
                let joules = after.total_uj.saturating_sub(before.total_uj) as f64 / 1e6;
                println!("step {number}: loss {loss:.3}, about {joules:.3} J");
            }
            None => println!("step {number}: loss {loss:.3}, energy not known"),
        }
        before = after;
    }
    print!("{}", render::text(&meter.close(), &render::TextStyle::default()));
    Ok(())
}
