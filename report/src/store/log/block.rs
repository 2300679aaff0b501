//! Blocks of the run log: up to 128 ticks of one bank, packed as columns. A bank is filled with [`Bank::offer`], written with
//! [`Bank::seal`], and read with [`unpack`].
//!
//! A *tick* is one read of a source: one reading for each of its *domains* (counters and power sensors). A *bracket* is the
//! clock before and after a read; several readings can share one. A *bank* collects the ticks of one source that have the
//! same domains in the same order and share brackets in the same way. Its columns are:
//!
//! - per bracket: the clock before (of the first bracket; of the others the distance from the end of the previous one), and
//!   the width, which is the clock after minus the clock before;
//! - per domain: which reads failed and why, and the raw values.
//!
//! ```text
//! payload = source, 1: varint | ticks u8 | brackets: varint | per bracket: count, domain indices: varint
//!         | per bracket: column before, column width
//!         | per domain: 0 u8, column values | or 1 u8, bitmap of failed ticks, column fault codes, column values
//! ```

use eco2_core::{Fault, Kind, Reading};

use super::BLOCK_TICKS;
use super::bits::{ByteReader, put_varint};
use super::column::{Scratch, get_column, put_bitmap, put_column};

/// Largest number of readings in one tick. It also bounds the memory of a hostile block.
pub(super) const MAX_TICK_READINGS: usize = 4096;

/// The domains of a tick, and which of them share a bracket.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Layout {
    /// Index of the source.
    pub(super) source: u32,
    /// Number of readings in each bracket.
    pub(super) brackets: Vec<u32>,
    /// Index of the domain of each reading, bracket after bracket.
    pub(super) domains: Vec<u32>,
}

/// The readings of one domain in a block.
#[derive(Debug)]
struct Values {
    /// Values of the reads that succeeded.
    raw: Vec<u64>,
    /// For each tick, whether the read failed.
    failed: Vec<bool>,
    /// Codes of the failed reads.
    faults: Vec<u64>,
}

/// The ticks that will become the next block.
#[derive(Debug)]
pub(super) struct Bank {
    pub(super) layout: Layout,
    /// Clock before the first tick, nanoseconds.
    pub(super) first_ns: u64,
    /// Number of kept ticks.
    ticks: usize,
    /// The latest offered tick.
    latest: Vec<Reading>,
    latest_is_kept: bool,
    /// When the next tick is kept because of the spacing.
    next_regular: Due,
    /// When the next tick may be kept because a value fell or a read failed.
    next_turn: Due,
    /// Two columns for each bracket: clock before, width.
    times: Vec<Vec<u64>>,
    /// One entry for each domain.
    values: Vec<Values>,
}

impl Bank {
    /// Returns an empty bank with all the memory it will need, because the sampling thread must not allocate later.
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
            next_regular: Due::default(),
            next_turn: Due::default(),
            times,
            values,
        }
    }

    /// Returns the number of kept ticks.
    pub(super) fn ticks(&self) -> usize {
        self.ticks
    }

    /// Keeps a tick, whose readings must fit the layout, if the last kept one is `spacing_ns` old. Else the tick is only
    /// remembered as the latest.
    ///
    /// A tick in which a counter falls, or a read starts or stops failing, is kept together with the previous one. This happens
    /// at most once per `spacing_ns`, because a sensor that fails now and then would otherwise fill the log. `kinds` are the
    /// kinds of all domains of the log.
    pub(super) fn offer<'a>(
        &mut self,
        readings: impl Iterator<Item = &'a Reading> + Clone,
        spacing_ns: u64,
        kinds: &[Kind],
    ) {
        let Some(now_ns) = readings.clone().next().map(|reading| reading.before_ns) else { return };
        let is_regular = self.next_regular.take(now_ns, spacing_ns);
        let is_turn = self.has_turn(readings.clone(), kinds) && self.next_turn.take(now_ns, spacing_ns);
        if is_turn {
            self.keep_latest();
        }
        if is_regular || is_turn {
            self.push(readings.clone());
        }
        self.latest_is_kept = is_regular || is_turn;
        self.latest.clear();
        self.latest.extend(readings);
    }

    /// Keeps the latest tick if it is not kept yet.
    pub(super) fn keep_latest(&mut self) {
        if !self.latest_is_kept {
            let latest = std::mem::take(&mut self.latest);
            self.push(latest.iter());
            self.latest = latest;
            self.latest_is_kept = true;
        }
    }

    /// Whether a counter fell since the latest tick, or a read started or stopped failing.
    fn has_turn<'a>(&self, readings: impl Iterator<Item = &'a Reading>, kinds: &[Kind]) -> bool {
        let pairs = self.latest.iter().zip(readings).zip(&self.layout.domains);
        pairs.into_iter().any(|((earlier, later), domain)| match (earlier.value, later.value) {
            (Ok(earlier), Ok(later)) => later < earlier && kinds.get(*domain as usize) == Some(&Kind::Energy),
            (Err(_), Err(_)) => false,
            _ => true,
        })
    }

    /// Adds a tick, whose readings fit the layout, to the columns.
    fn push<'a>(&mut self, readings: impl Iterator<Item = &'a Reading> + Clone) {
        let mut unread = readings.clone();
        let mut previous_ns = 0;
        for (bracket_index, count) in self.layout.brackets.iter().enumerate() {
            // All readings of a bracket have the same times: those of the first are stored.
            let Some(Reading { before_ns, after_ns, .. }) = unread.next() else { return };
            if bracket_index == 0 && self.ticks == 0 {
                self.first_ns = *before_ns;
            }
            self.times[2 * bracket_index].push(before_ns.wrapping_sub(previous_ns));
            self.times[2 * bracket_index + 1].push(after_ns.wrapping_sub(*before_ns));
            previous_ns = *after_ns;
            unread.by_ref().take(*count as usize - 1).for_each(drop);
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

    /// Appends the block's payload to `out` and empties the bank. The memory of the bank is kept for reuse.
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

    /// Appends the part of the payload before the columns.
    fn put_head(&self, out: &mut Vec<u8>) {
        put_varint(out, u64::from(self.layout.source));
        // Version 1 wrote here how many ticks there were for each kept one.
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

/// The time at which the next tick of a regular series is due.
#[derive(Debug, Default)]
pub(super) struct Due {
    next_ns: u64,
}

impl Due {
    /// Returns whether a tick is due. If so, the next one is due `spacing_ns` later.
    ///
    /// A tick counts as due up to an eighth of the spacing early. Otherwise, with jitter, every second tick would be left out.
    pub(super) fn take(&mut self, now_ns: u64, spacing_ns: u64) -> bool {
        if now_ns.saturating_add(spacing_ns / 8) < self.next_ns {
            return false;
        }
        let is_late = now_ns.saturating_sub(self.next_ns) >= spacing_ns;
        self.next_ns = if is_late { now_ns } else { self.next_ns }.saturating_add(spacing_ns);
        true
    }
}

/// Unpacks a payload: calls `each` with the domain's index and the reading, tick by tick, and returns the number of readings.
/// Returns `None`, without any call, if the bytes are not a valid block.
pub(super) fn unpack(payload: &[u8], mut each: impl FnMut(u32, Reading)) -> Option<usize> {
    let mut input = ByteReader(payload);
    let (layout, ticks) = get_head(&mut input)?;
    let times: Option<Vec<_>> = (0..layout.brackets.len() * 2).map(|_| get_column(&mut input, ticks)).collect();
    let values: Option<Vec<_>> = layout.domains.iter().map(|_| get_values(&mut input, ticks)).collect();
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

/// Reads the layout and the number of ticks.
fn get_head(input: &mut ByteReader<'_>) -> Option<(Layout, usize)> {
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

/// Reads the values of one domain, one for each tick.
fn get_values(input: &mut ByteReader<'_>, ticks: usize) -> Option<Vec<Result<u64, Fault>>> {
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
        .map(|bit| if *bit == 0 { raw.next().map(Ok) } else { faults.next().map(|code| Err(fault_from_code(code))) })
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
        // `Failed`, and faults that a later version adds.
        _ => 0,
    }
}

fn fault_from_code(code: u64) -> Fault {
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
        prop_oneof![4 => (0..1000_u64).prop_map(Ok), 1 => any::<u64>().prop_map(Ok), 1 => (0..7_u64).prop_map(|code| Err(fault_from_code(code)))]
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
