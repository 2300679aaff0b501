//! Blocks: up to 128 ticks of one bank as columns.
//!
//! A *bank* is the set of readings that a source hands over in one tick, always in the same order and with the same of
//! them sharing a bracket of clock readings. Its columns are, per bracket, the clock before (for all but the first: the
//! distance from the bracket in front) and the width; per domain, which reads failed and why, and the raw values.
//!
//! ```text
//! payload = source, 1: varint | ticks u8 | brackets: varint | per bracket: count, domain indices: varint
//!         | per bracket: column before, column width
//!         | per domain: 0 u8, column values | or 1 u8, bitmap of failed ticks, column fault codes, column values
//! ```

use eco2_core::{Fault, Kind, Reading};

use super::BLOCK_TICKS;
use super::bits::{Input, put_varint};
use super::column::{Scratch, get_column, put_bitmap, put_column};

/// The most readings in one tick; also what keeps a hostile block small in memory.
pub(super) const MAX_TICK_READINGS: usize = 4096;

/// Which domains a tick has and which of them share a bracket.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Layout {
    pub(super) source: u32,
    /// Readings in each bracket.
    pub(super) brackets: Vec<u32>,
    /// Domain of each reading, all brackets in a row.
    pub(super) domains: Vec<u32>,
}

/// Readings of one domain in a block.
#[derive(Debug)]
struct Values {
    raw: Vec<u64>,
    failed: Vec<bool>,
    faults: Vec<u64>,
}

/// A block that fills up.
#[derive(Debug)]
pub(super) struct Bank {
    pub(super) layout: Layout,
    /// Clock before the first tick, nanoseconds.
    pub(super) first_ns: u64,
    ticks: usize,
    /// The latest tick offered.
    latest: Vec<Reading>,
    latest_is_kept: bool,
    /// When the next tick is to be kept, and when one may be kept out of turn.
    next: Due,
    next_turn: Due,
    times: Vec<Vec<u64>>,
    values: Vec<Values>,
}

impl Bank {
    /// An empty bank with all the memory it will need.
    pub(super) fn new(layout: Layout) -> Self {
        let times = (0..layout.brackets.len() * 2).map(|_| Vec::with_capacity(BLOCK_TICKS)).collect();
        let column = || Values {
            raw: Vec::with_capacity(BLOCK_TICKS),
            failed: Vec::with_capacity(BLOCK_TICKS),
            faults: Vec::with_capacity(BLOCK_TICKS),
        };
        let values = layout.domains.iter().map(|_| column()).collect();
        let latest = Vec::with_capacity(layout.domains.len());
        Self {
            layout,
            first_ns: 0,
            ticks: 0,
            latest,
            latest_is_kept: true,
            next: Due::default(),
            next_turn: Due::default(),
            times,
            values,
        }
    }

    /// Ticks waiting.
    pub(super) fn ticks(&self) -> usize {
        self.ticks
    }

    /// Takes a tick whose readings fit the layout if one is due, and else only as the latest one.
    ///
    /// A tick in which a counter falls or a read fails, or no longer fails, is kept with the one in front of it; not more
    /// often than a tick is due, or a sensor that comes and goes would fill the log. `kinds` are those of all domains.
    pub(super) fn offer<'a>(
        &mut self,
        readings: impl Iterator<Item = &'a Reading> + Clone,
        spacing_ns: u64,
        kinds: &[Kind],
    ) {
        let Some(now_ns) = readings.clone().next().map(|reading| reading.before_ns) else { return };
        let keep = self.next.take(now_ns, spacing_ns);
        let turns = self.turns(readings.clone(), kinds) && self.next_turn.take(now_ns, spacing_ns);
        if turns {
            self.keep_latest();
        }
        if keep || turns {
            self.push(readings.clone());
        }
        self.latest_is_kept = keep || turns;
        self.latest.clear();
        self.latest.extend(readings);
    }

    /// Keeps the latest tick, if it is not.
    pub(super) fn keep_latest(&mut self) {
        if !self.latest_is_kept {
            let latest = std::mem::take(&mut self.latest);
            self.push(latest.iter());
            self.latest = latest;
            self.latest_is_kept = true;
        }
    }

    /// Whether a counter fell since the latest tick, or a read fails that did not, or the reverse.
    fn turns<'a>(&self, readings: impl Iterator<Item = &'a Reading>, kinds: &[Kind]) -> bool {
        let pairs = self.latest.iter().zip(readings).zip(&self.layout.domains);
        pairs.into_iter().any(|((earlier, later), domain)| match (earlier.value, later.value) {
            (Ok(earlier), Ok(later)) => later < earlier && kinds.get(*domain as usize) == Some(&Kind::Energy),
            (Err(_), Err(_)) => false,
            _ => true,
        })
    }

    /// Takes a tick whose readings fit the layout.
    fn push<'a>(&mut self, readings: impl Iterator<Item = &'a Reading> + Clone) {
        let mut left = readings.clone();
        let mut previous_ns = 0;
        for (at, count) in self.layout.brackets.iter().enumerate() {
            let Some(Reading { before_ns, after_ns, .. }) = left.next() else { return };
            if at == 0 && self.ticks == 0 {
                self.first_ns = *before_ns;
            }
            self.times[2 * at].push(before_ns.wrapping_sub(previous_ns));
            self.times[2 * at + 1].push(after_ns.wrapping_sub(*before_ns));
            previous_ns = *after_ns;
            left.by_ref().take(*count as usize - 1).for_each(drop);
        }
        for (values, reading) in self.values.iter_mut().zip(readings) {
            values.failed.push(reading.value.is_err());
            match reading.value {
                Ok(raw) => values.raw.push(raw),
                Err(fault) => values.faults.push(u64::from(fault_code(fault))),
            }
        }
        self.ticks += 1;
    }

    /// Appends the payload to `out` and empties the bank, keeping its memory.
    pub(super) fn seal(&mut self, scratch: &mut Scratch, out: &mut Vec<u8>) {
        self.put_head(out);
        for column in &mut self.times {
            put_column(column, scratch, out);
            column.clear();
        }
        for values in &mut self.values {
            out.push(u8::from(!values.faults.is_empty()));
            if !values.faults.is_empty() {
                put_bitmap(values.failed.iter().copied(), out);
                put_column(&values.faults, scratch, out);
            }
            put_column(&values.raw, scratch, out);
            values.raw.clear();
            values.failed.clear();
            values.faults.clear();
        }
        self.ticks = 0;
    }

    fn put_head(&self, out: &mut Vec<u8>) {
        put_varint(out, u64::from(self.layout.source));
        // Version 1 wrote of how many ticks one was kept.
        put_varint(out, 1);
        out.push(self.ticks as u8);
        put_varint(out, self.layout.brackets.len() as u64);
        let mut domains = self.layout.domains.iter();
        for count in &self.layout.brackets {
            put_varint(out, u64::from(*count));
            domains.by_ref().take(*count as usize).for_each(|domain| put_varint(out, u64::from(*domain)));
        }
    }
}

/// When the next of a row of ticks is due.
#[derive(Debug, Default)]
pub(super) struct Due {
    next_ns: u64,
}

impl Due {
    /// Whether one is due, and then the next is due `spacing_ns` later. Ticks that come a little early are taken, or every
    /// second one would be left out.
    pub(super) fn take(&mut self, now_ns: u64, spacing_ns: u64) -> bool {
        if now_ns.saturating_add(spacing_ns / 8) < self.next_ns {
            return false;
        }
        let late = now_ns.saturating_sub(self.next_ns) >= spacing_ns;
        self.next_ns = if late { now_ns } else { self.next_ns }.saturating_add(spacing_ns);
        true
    }
}

/// Unpacks a payload: calls `each` with the domain and the reading, tick by tick, and returns how many there were; `None`,
/// and no call, when the bytes cannot be a block.
pub(super) fn unpack(payload: &[u8], mut each: impl FnMut(u32, Reading)) -> Option<usize> {
    let mut input = Input(payload);
    let (layout, ticks) = head(&mut input)?;
    let times: Option<Vec<_>> = (0..layout.brackets.len() * 2).map(|_| get_column(&mut input, ticks)).collect();
    let values: Option<Vec<_>> = layout.domains.iter().map(|_| values(&mut input, ticks)).collect();
    let (times, values) = (times?, values?);
    for tick in 0..ticks {
        let mut columns = layout.domains.iter().zip(&values);
        let mut previous_ns = 0_u64;
        for (pair, count) in times.chunks_exact(2).zip(&layout.brackets) {
            let before_ns = previous_ns.wrapping_add(pair[0][tick]);
            let after_ns = before_ns.wrapping_add(pair[1][tick]);
            previous_ns = after_ns;
            for (domain, values) in columns.by_ref().take(*count as usize) {
                each(*domain, Reading { before_ns, after_ns, value: values[tick] });
            }
        }
    }
    Some(ticks * layout.domains.len())
}

fn head(input: &mut Input<'_>) -> Option<(Layout, usize)> {
    let mut layout = Layout { source: u32::try_from(input.varint()?).ok()?, ..Layout::default() };
    let _stride = input.varint()?;
    let ticks = usize::from(input.byte()?);
    let brackets = input.varint()?;
    if ticks == 0 || ticks > BLOCK_TICKS || brackets > MAX_TICK_READINGS as u64 {
        return None;
    }
    for _ in 0..brackets {
        let count = u32::try_from(input.varint()?).ok()?;
        if count == 0 || layout.domains.len() + count as usize > MAX_TICK_READINGS {
            return None;
        }
        layout.brackets.push(count);
        for _ in 0..count {
            layout.domains.push(u32::try_from(input.varint()?).ok()?);
        }
    }
    Some((layout, ticks))
}

fn values(input: &mut Input<'_>, ticks: usize) -> Option<Vec<Result<u64, Fault>>> {
    let mut failed = Vec::with_capacity(ticks);
    let mut faults = Vec::new();
    match input.byte()? {
        0 => failed.resize(ticks, 0),
        1 => {
            input.bits(ticks, 1, &mut failed)?;
            faults = get_column(input, failed.iter().filter(|bit| **bit == 1).count())?;
        }
        _ => return None,
    }
    let mut raw = get_column(input, ticks - faults.len())?.into_iter();
    let mut faults = faults.into_iter();
    failed
        .iter()
        .map(|bit| if *bit == 0 { raw.next().map(Ok) } else { faults.next().map(|code| Err(fault(code))) })
        .collect()
}

fn fault_code(fault: Fault) -> u8 {
    match fault {
        Fault::Denied => 1,
        Fault::Unsupported => 2,
        Fault::NotAvailable => 3,
        Fault::Lost => 4,
        Fault::Gone => 5,
        Fault::Hung => 6,
        // Failed, and the kinds of later versions.
        _ => 0,
    }
}

fn fault(code: u64) -> Fault {
    match code {
        1 => Fault::Denied,
        2 => Fault::Unsupported,
        3 => Fault::NotAvailable,
        4 => Fault::Lost,
        5 => Fault::Gone,
        6 => Fault::Hung,
        _ => Fault::Failed,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unpacked(payload: &[u8]) -> Option<Vec<(u32, Reading)>> {
        let mut all = Vec::new();
        unpack(payload, |domain, reading| all.push((domain, reading)))?;
        Some(all)
    }

    fn any_value() -> impl Strategy<Value = Result<u64, Fault>> {
        prop_oneof![4 => (0..1000_u64).prop_map(Ok), 1 => any::<u64>().prop_map(Ok), 1 => (0..7_u64).prop_map(|code| Err(fault(code)))]
    }

    proptest! {
        #[test]
        fn a_block_is_lossless(
            brackets in prop::collection::vec(1..4_u32, 1..4),
            ticks in prop::collection::vec((prop::collection::vec((0..1_u64 << 40, 0..9_u64), 3), prop::collection::vec(any_value(), 9)), 1..129),
        ) {
            let total = brackets.iter().sum::<u32>();
            let layout = Layout { source: 3, brackets: brackets.clone(), domains: (0..total).map(|d| d * 7).collect() };
            let mut bank = Bank::new(layout.clone());
            let mut all = Vec::new();
            for (times, values) in &ticks {
                let of = brackets.iter().enumerate().flat_map(|(at, count)| std::iter::repeat_n(times[at], *count as usize));
                let tick: Vec<Reading> = of.zip(values)
                    .map(|((before_ns, width), value)| Reading { before_ns, after_ns: before_ns + width, value: *value })
                    .collect();
                bank.push(tick.iter());
                all.extend(layout.domains.iter().copied().zip(tick));
            }
            let mut out = Vec::new();
            bank.seal(&mut Scratch::default(), &mut out);
            prop_assert_eq!(bank.ticks(), 0);
            prop_assert_eq!(unpacked(&out).unwrap(), all);
            for cut in 0..out.len().min(200) {
                unpacked(&out[..cut]);
            }
        }

        #[test]
        fn f42_no_bytes_panic(bytes in prop::collection::vec(0..20_u8, 0..120)) {
            unpacked(&bytes);
        }
    }

    #[test]
    fn f42_a_block_of_too_many_readings_is_refused() {
        let mut payload = vec![0, 1, 128, 1];
        put_varint(&mut payload, 1 << 20);
        payload.resize(1 << 21, 0);
        assert_eq!(unpacked(&payload), None);
    }
}
