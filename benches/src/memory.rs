//! Memory: how much more a process needs with a meter; and where it is proved that recording allocates nothing.

use std::process::Command;

use crate::table::{Limit, Row};
use crate::{Failure, Place};

/// Growth of the probe's peak resident memory from before a meter is opened to after its report.
///
/// # Errors
/// Where the probe fails.
pub fn measure(place: &Place) -> Result<Vec<Row>, Failure> {
    let output = Command::new(&place.probe).arg("memory").output()?;
    let text = String::from_utf8(output.stdout)?;
    let mut figures = text.split_whitespace().map(str::parse::<f64>);
    let (Some(Ok(before)), Some(Ok(open)), Some(Ok(after))) = (figures.next(), figures.next(), figures.next()) else {
        return Err(format!("the probe printed {text:?}").into());
    };
    Ok(vec![
        Row::new(
            "meter's memory: growth of peak RSS over 1e5 steps and the report",
            (after - before) / 1024.0,
            "MiB",
            Limit::AtMost(10.0),
        )
        .noting(format!(
            "12 domains, 20,000 steps/s, log kept; {:.1} MiB once opened; the process alone {:.1} MiB",
            (open - before) / 1024.0,
            before / 1024.0
        )),
    ])
}

/// Allocations while recording.
///
/// # Errors
/// None.
pub fn allocations(_: &Place) -> Result<Vec<Row>, Failure> {
    Err("counted by a test: cargo test -p eco2-core --test no_alloc".into())
}
