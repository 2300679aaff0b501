//! A scripted power curve of constant steps, and its exact integral: the truth that tests compare with.

/// Nanoseconds in a millisecond.
pub(crate) const MS: u64 = 1_000_000;

/// Steps of constant power, in milliwatts over nanoseconds, optionally repeated.
///
/// Written `100` (watts, constant), `0:100,500:400.5` (milliseconds:watts) or `0:100,500:400 loop 1000` (repeated every
/// 1000 ms).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Curve {
    steps: Vec<(u64, u64)>,
    loop_ns: Option<u64>,
}

impl Curve {
    /// The same power at all times, in milliwatts.
    #[must_use]
    pub fn constant(milliwatts: u64) -> Self {
        Self { steps: vec![(0, milliwatts)], loop_ns: None }
    }

    /// Reads a curve.
    ///
    /// # Errors
    /// A message that names the part that cannot be read.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let steps = words.next().unwrap_or_default().split(',').map(step).collect::<Result<Vec<_>, _>>()?;
        let loop_ns = match (words.next(), words.next()) {
            (None, _) => None,
            (Some("loop"), Some(ms)) => Some(milli(ms)?.max(1) * 1_000),
            _ => return Err(format!("not a curve: {text}")),
        };
        if !steps.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(format!("times of a curve must rise: {text}"));
        }
        Ok(Self { steps, loop_ns })
    }

    /// Power at a time, milliwatts. The first step also holds before its time.
    #[must_use]
    pub fn milliwatts(&self, at_ns: u64) -> u64 {
        let at_ns = self.loop_ns.map_or(at_ns, |every| at_ns % every);
        let step = self.steps.iter().rev().find(|step| step.0 <= at_ns).or(self.steps.first());
        step.map_or(0, |step| step.1)
    }

    /// Energy from time 0 to `to_ns`, in picojoules (milliwatts times nanoseconds), exact.
    #[must_use]
    pub fn picojoules(&self, to_ns: u64) -> u128 {
        match self.loop_ns {
            None => self.once(to_ns),
            Some(every) => u128::from(to_ns / every) * self.once(every) + self.once(to_ns % every),
        }
    }

    /// Energy between two times, in microjoules, rounded down once.
    #[must_use]
    pub fn microjoules(&self, from_ns: u64, to_ns: u64) -> u64 {
        let picojoules = self.picojoules(to_ns).saturating_sub(self.picojoules(from_ns));
        u64::try_from(picojoules / 1_000_000).unwrap_or(u64::MAX)
    }

    /// Mean power over the `window_ns` before a time, milliwatts; the power itself for no window.
    #[must_use]
    pub fn mean_milliwatts(&self, at_ns: u64, window_ns: u64) -> u64 {
        let from_ns = at_ns.saturating_sub(window_ns);
        if from_ns == at_ns {
            return self.milliwatts(at_ns);
        }
        let picojoules = self.picojoules(at_ns) - self.picojoules(from_ns);
        u64::try_from(picojoules / u128::from(at_ns - from_ns)).unwrap_or(u64::MAX)
    }

    fn once(&self, to_ns: u64) -> u128 {
        let ends = self.steps.iter().skip(1).map(|step| step.0).chain([u64::MAX]);
        let pieces = self.steps.iter().zip(ends).enumerate().map(|(i, (&(from, mw), end))| {
            let from = if i == 0 { 0 } else { from };
            u128::from(mw) * u128::from(end.min(to_ns).saturating_sub(from))
        });
        pieces.sum()
    }
}

fn step(text: &str) -> Result<(u64, u64), String> {
    let (ms, watts) = text.split_once(':').unwrap_or(("0", text));
    Ok((milli(ms)? * 1_000, milli(watts)?))
}

/// Thousandths of a decimal number: `100.5` is 100500. Exact; more than three decimals are refused.
pub(crate) fn milli(text: &str) -> Result<u64, String> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let wrong = || format!("not a number with at most three decimals: {text:?}");
    if whole.is_empty() || part.len() > 3 {
        return Err(wrong());
    }
    let digits = format!("{whole}{part:0<3}");
    digits.parse().map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_integrate_exactly() {
        let curve = Curve::parse("0:100,500:400.5").unwrap();
        assert_eq!(curve.milliwatts(499 * MS), 100_000);
        assert_eq!(curve.milliwatts(500 * MS), 400_500);
        // 0.25 s at 100 W and 0.5 s at 400.5 W.
        assert_eq!(curve.microjoules(250 * MS, 1000 * MS), 25_000_000 + 200_250_000);
    }

    #[test]
    fn a_loop_repeats() {
        let curve = Curve::parse("0:100,500:300 loop 1000").unwrap();
        assert_eq!(curve.milliwatts(10_600 * MS), 300_000);
        assert_eq!(curve.microjoules(0, 10_250 * MS), 2_000_000_000 + 25_000_000);
        assert_eq!(curve.mean_milliwatts(5_500 * MS, 1000 * MS), 200_000);
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in ["", "x", "0:1,0:2", "0:1 lop 5", "1.2345"] {
            assert!(Curve::parse(bad).is_err(), "{bad}");
        }
    }
}
