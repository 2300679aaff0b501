//! Divides the energy of a host's devices among those that used them: consumers, others, unknown users (*unattributed*
//! energy), and idle time ([`split`]).
//!
//! A *consumer* is a process tree, container, pod, job or user that energy is attributed to. A counter measures a
//! device, not its users. But the use of a device's time can be known: how much each consumer used (`c`), how much
//! others used (`o`), how much was idle (`i`), and how much was used by an unknown user (`u`). With `E` for the
//! device's energy and `t = Σc + o + i + u`:
//!
//! - **Estimate.** Energy goes with time: each consumer `E·c/t`, others `E·o/t`, idle `E·i/t`, unattributed `E·u/t`.
//!   Whole microjoules are given out by the largest remainder, so the parts of a device are its energy exactly.
//! - **Range of the convention.** Suppose that a second of a consumer costs what a second of anyone costs, `p`, and
//!   that an idle second costs `q` with `0 ≤ q ≤ p`. Then a consumer's energy lies between `E·c/t`, where idle costs as
//!   much as work and nothing of `u` is its own, and `E·(c+u)/(t-i)`, where idle costs nothing and all of `u` is its
//!   own. With the device's own bounds: from `E_low·c/t` to `E_high·(c+u)/(t-i)`.
//! - **Assumed times.** Where the times are not measured, such as the slices of a divided GPU, each consumer that has any
//!   may have used nothing or all of the device: `[0, E_high]`.
//! - **Free bounds.** Without that supposition a consumer may have used nothing or all: `[0, E_high]`.
//! - **Times unknown.** The whole device is unattributed: `u = t`.
//!
//! Consumers nest: a pod holds containers, which hold process trees. Energy is given to *leaves*, consumers that
//! contain no other; the energy of a consumer that contains others is the sum of its leaves.

mod requests;

pub use requests::{RequestEnergy, RequestId, RequestTotals, Requests};

use crate::schema::{Attribution, Consumer};

/// Energy of one device with its bounds, in microjoules; devices must not overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceEnergy {
    /// The estimate.
    pub energy_uj: u64,
    /// Lower bound, at most the estimate.
    pub low_uj: u64,
    /// Upper bound, at least the estimate; `None`: unbounded.
    pub high_uj: Option<u64>,
}

/// A consumer that energy is attributed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerSpec {
    /// Unique among the consumers.
    pub id: String,
    /// Kind of consumer: `process-tree`, `container`, `pod`, `job`, `user`.
    pub kind: &'static str,
    /// Name that reports show to people.
    pub name: String,
    /// Index of the consumer that contains it, which comes before it in the list; `None`: it is in no other.
    pub parent: Option<usize>,
    /// Whether it belongs to the command that is measured. The energy of one that does not is counted as that of
    /// others.
    pub is_command: bool,
}

impl ConsumerSpec {
    /// Returns the consumer of the measured command with the processes that it started.
    #[must_use]
    pub fn command(id: &str, name: &str) -> Self {
        Self { id: id.to_owned(), kind: "process-tree", name: name.to_owned(), parent: None, is_command: true }
    }
}

/// Use of one device's time, by user. All fields are in one unit, whichever it is (nanoseconds, ticks, parts in a
/// million): only their proportions matter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Use {
    /// Time of each consumer, in the order of the consumers' list. Time of a consumer that contains others, or of an
    /// index beyond the list, is counted as that of others.
    pub consumers: Vec<u64>,
    /// Time of all users that are known and no consumers.
    pub others: u64,
    /// Time in which the device was not used.
    pub idle: u64,
    /// Time used by an unknown user, who may be a consumer.
    pub unknown: u64,
    /// Whether the consumers cannot have used the device, so that no unknown time is theirs.
    pub out_of_reach: bool,
    /// Whether the times are assumed and not measured, such as equal parts for all processes that are present: a consumer
    /// that has any may have used nothing or the whole device.
    pub is_assumed: bool,
}

impl Use {
    /// Returns the use by the only consumer of a list, by others, and the idle time.
    #[must_use]
    pub fn of(consumer: u64, others: u64, idle: u64) -> Self {
        Self { consumers: vec![consumer], others, idle, ..Self::default() }
    }

    /// Returns the use from fractions of the device's time, as drivers give them, in parts per billion; the rest is
    /// idle.
    ///
    /// `None` unless all are numbers of 0 or more. Where they add up to more than 1 (each was sampled on its own),
    /// nothing is idle and their proportion is kept.
    ///
    /// ```
    /// use eco2_core::attribution::Use;
    ///
    /// // The driver reports 50 % of the GPU's time for our process and 20 % for others.
    /// let used = Use::from_fractions(&[0.5], 0.2, 0.0);
    /// assert_eq!(used.map(|used| used.idle), Some(300_000_000));
    /// assert_eq!(Use::from_fractions(&[f64::NAN], 0.0, 0.0), None);
    /// ```
    #[must_use]
    pub fn from_fractions(consumers: &[f64], others: f64, unknown: f64) -> Option<Self> {
        const WHOLE: u64 = 1_000_000_000;
        let parts =
            |fraction: f64| (fraction.is_finite() && fraction >= 0.0).then(|| (fraction * WHOLE as f64).round() as u64);
        let consumers = consumers.iter().map(|fraction| parts(*fraction)).collect::<Option<Vec<_>>>()?;
        let (others, unknown) = (parts(others)?, parts(unknown)?);
        let used = consumers.iter().chain([&others, &unknown]).fold(0, |sum: u64, part| sum.saturating_add(*part));
        Some(Self { consumers, others, idle: WHOLE.saturating_sub(used), unknown, ..Self::default() })
    }

    /// Returns the use of a device of whose time nothing is known.
    fn not_known() -> Self {
        Self { unknown: 1, ..Self::default() }
    }

    /// Returns the sum of all times, `t` in the formulas above.
    fn total(&self) -> u128 {
        let rest = u128::from(self.others) + u128::from(self.idle) + u128::from(self.unknown);
        self.consumers.iter().fold(rest, |sum, weight| sum + u128::from(*weight))
    }
}

/// Energy of a consumer, summed over the devices so far, with the range of the convention.
#[derive(Debug, Clone, Copy)]
struct ConsumerSum {
    energy_uj: u64,
    low_uj: u64,
    high_uj: Option<u64>,
}

impl Default for ConsumerSum {
    fn default() -> Self {
        Self { energy_uj: 0, low_uj: 0, high_uj: Some(0) }
    }
}

impl ConsumerSum {
    /// Adds the range of what consumers used of one device; `weight` is their time, `of` the use of the device by all.
    fn add_range(&mut self, device: &DeviceEnergy, weight: u128, of: &Use) {
        let (total, unknown) = (of.total(), if of.out_of_reach { 0 } else { u128::from(of.unknown) });
        let used = total - u128::from(of.idle);
        let may_be_any = of.is_assumed && weight > 0;
        let low_uj = if may_be_any { 0 } else { fraction(device.low_uj, weight, total).0 };
        self.low_uj = self.low_uj.saturating_add(low_uj);
        // A device that was idle all the time was not used by the consumer, whatever the device's own upper bound is.
        let high_uj = match (used, device.high_uj) {
            (0, _) => Some(0),
            (_, high_uj) if may_be_any => high_uj,
            (used, high_uj) => high_uj.map(|high_uj| fraction_up(high_uj, weight + unknown, used)),
        };
        self.high_uj = self.high_uj.zip(high_uj).map(|(sum, more)| sum.saturating_add(more));
    }

    /// Returns the sum with its range widened to contain it: rounding to whole microjoules may move the energy of
    /// several consumers out of its range by one microjoule each.
    fn settled(self) -> Self {
        let high_uj = self.high_uj.map(|high_uj| high_uj.max(self.energy_uj));
        Self { low_uj: self.low_uj.min(self.energy_uj), high_uj, ..self }
    }
}

/// Divides the energy of a host's devices among consumers. `host` holds each device's energy and the use of its time. A
/// use that is `None`, or that holds no time, is unknown. A device whose energy is not known (`None`) may have been
/// used by any consumer, so their upper bounds become `None`.
///
/// `command + idle + others + unattributed` of the result is the sum of the devices' energies exactly (each saturates
/// at `u64::MAX`). Every consumer's energy is that of its leaves, and lies in its range.
///
/// ```
/// use eco2_core::attribution::{ConsumerSpec, DeviceEnergy, Use, split};
///
/// let package = DeviceEnergy { energy_uj: 1_000, low_uj: 1_000, high_uj: Some(1_000) };
/// let cpu_time = Use::of(25, 60, 15); // command, others, idle
/// let parts = split(&[ConsumerSpec::command("pid-1", "train.py")], &[(Some(package), Some(cpu_time))]);
/// assert_eq!((parts.command_uj, parts.others_uj, parts.idle_uj), (250, 600, 150));
/// ```
#[must_use]
pub fn split(specs: &[ConsumerSpec], host: &[(Option<DeviceEnergy>, Option<Use>)]) -> Attribution {
    let mut parts = SplitSums::new(specs);
    for (device, of) in host {
        let known = of.as_ref().filter(|of| of.total() > 0);
        match device {
            Some(device) => parts.add(device, known.unwrap_or(&Use::not_known()), known.is_some()),
            None => parts.open(known.is_some_and(|of| of.out_of_reach)),
        }
    }
    parts.attribution(specs)
}

/// The sums of an attribution over the devices that were added so far.
struct SplitSums {
    /// For each consumer the indices of its leaves: its own index where it contains no other.
    leaves: Vec<Vec<usize>>,
    /// Indices of the leaves that belong to the measured command.
    command: Vec<usize>,
    /// Energy of each consumer.
    sums: Vec<ConsumerSum>,
    /// Energy of the command's leaves together.
    command_sum: ConsumerSum,
    others_uj: u64,
    idle_uj: u64,
    unattributed_uj: u64,
    /// The most that the command may have used without any convention; `None`: unbounded.
    free_high_uj: Option<u64>,
    /// Number of devices of known energy.
    devices: usize,
    /// Number of those whose use is not known.
    unknown: usize,
}

impl SplitSums {
    fn new(specs: &[ConsumerSpec]) -> Self {
        let leaves = leaves(specs);
        let is_leaf = |index: &usize| leaves.get(*index).is_some_and(|leaves| leaves[..] == [*index]);
        let command = (0..specs.len()).filter(|index| specs[*index].is_command && is_leaf(index)).collect();
        Self {
            leaves,
            command,
            sums: vec![ConsumerSum::default(); specs.len()],
            command_sum: ConsumerSum::default(),
            others_uj: 0,
            idle_uj: 0,
            unattributed_uj: 0,
            free_high_uj: Some(0),
            devices: 0,
            unknown: 0,
        }
    }

    /// Adds a device; `is_known`: whether the use of its time is known.
    fn add(&mut self, device: &DeviceEnergy, of: &Use, is_known: bool) {
        self.devices += 1;
        self.unknown += usize::from(!is_known);
        let of = self.to_leaves(of);
        let rest = [of.others, of.idle, of.unknown];
        let weights: Vec<u64> = of.consumers.iter().copied().chain(rest).collect();
        let given = largest_remainder(device.energy_uj, &weights);
        let (consumers, rest) = given.split_at(of.consumers.len());
        for (sum, uj) in [&mut self.others_uj, &mut self.idle_uj, &mut self.unattributed_uj].into_iter().zip(rest) {
            *sum = sum.saturating_add(*uj);
        }
        for (sum, leaves) in self.sums.iter_mut().zip(&self.leaves) {
            add(sum, device, &of, leaves, consumers);
        }
        add(&mut self.command_sum, device, &of, &self.command, consumers);
        let free_uj = if of.out_of_reach { Some(0) } else { device.high_uj };
        self.free_high_uj = self.free_high_uj.zip(free_uj).map(|(sum, more)| sum.saturating_add(more));
    }

    /// Adds a device of which no energy is known: it opens the upper bounds of all that may have used it.
    fn open(&mut self, out_of_reach: bool) {
        if !out_of_reach {
            self.sums.iter_mut().chain([&mut self.command_sum]).for_each(|sum| sum.high_uj = None);
            self.free_high_uj = None;
        }
    }

    /// Returns the same use with a time for every leaf, and none for consumers that contain others: theirs goes to
    /// others.
    fn to_leaves(&self, of: &Use) -> Use {
        let mut of = of.clone();
        let beyond = of.consumers.split_off(of.consumers.len().min(self.leaves.len()));
        of.others = beyond.into_iter().fold(of.others, u64::saturating_add);
        of.consumers.resize(self.leaves.len(), 0);
        // A consumer that used the device can reach it, whatever `out_of_reach` states.
        of.out_of_reach &= of.consumers.iter().all(|weight| *weight == 0);
        for (index, weight) in of.consumers.iter_mut().enumerate() {
            if self.leaves[index][..] != [index] {
                of.others = of.others.saturating_add(std::mem::take(weight));
            }
        }
        of
    }

    /// Returns the sums as reports have them.
    fn attribution(self, specs: &[ConsumerSpec]) -> Attribution {
        let command = self.command_sum.settled();
        let consumer = |(who_of, sum): (&ConsumerSpec, &ConsumerSum)| {
            let ConsumerSum { energy_uj, low_uj, high_uj } = sum.settled();
            Consumer {
                id: who_of.id.clone(),
                kind: who_of.kind.to_owned(),
                name: who_of.name.clone(),
                energy_uj,
                low_uj,
                high_uj,
                parent: who_of.parent.and_then(|parent| specs.get(parent)).map(|parent| parent.id.clone()),
            }
        };
        let others_of_ours = (0..specs.len()).filter(|index| {
            let is_leaf = self.leaves[*index][..] == [*index];
            is_leaf && !specs[*index].is_command
        });
        let others_uj =
            others_of_ours.fold(self.others_uj, |sum, index| sum.saturating_add(self.sums[index].energy_uj));
        Attribution {
            command_uj: command.energy_uj,
            idle_uj: self.idle_uj,
            others_uj,
            low_uj: command.low_uj,
            high_uj: command.high_uj,
            method: method(self.devices, self.unknown),
            unattributed_uj: self.unattributed_uj,
            free_low_uj: 0,
            free_high_uj: self.free_high_uj,
            consumers: specs.iter().zip(&self.sums).map(consumer).collect(),
        }
    }
}

/// Adds to a sum what some leaves used of a device; `given` holds the energy that each consumer got of it.
fn add(sum: &mut ConsumerSum, device: &DeviceEnergy, of: &Use, leaves: &[usize], given: &[u64]) {
    let weight = leaves.iter().map(|leaf| u128::from(of.consumers[*leaf])).sum();
    sum.energy_uj = leaves.iter().fold(sum.energy_uj, |sum, leaf| sum.saturating_add(given[*leaf]));
    sum.add_range(device, weight, of);
}

/// Returns the indices of the leaves of each consumer. A parent that does not come before its child in the list is
/// ignored.
fn leaves(specs: &[ConsumerSpec]) -> Vec<Vec<usize>> {
    let parent = |index: usize| specs[index].parent.filter(|parent| *parent < index);
    let mut contains = vec![false; specs.len()];
    (0..specs.len()).filter_map(parent).for_each(|parent| contains[parent] = true);
    let mut leaves = vec![Vec::new(); specs.len()];
    for leaf in (0..specs.len()).filter(|index| !contains[*index]) {
        let mut holder = Some(leaf);
        while let Some(index) = holder {
            leaves[index].push(leaf);
            holder = parent(index);
        }
    }
    leaves
}

/// Returns the sentence by which a report states how energy was attributed.
fn method(devices: usize, unknown: usize) -> String {
    match unknown {
        0 => "share of device time".to_owned(),
        _ if unknown == devices => "not attributed: who used the devices is not known".to_owned(),
        _ => format!("share of device time; who used {unknown} of {devices} devices is not known"),
    }
}

/// Divides `total` into whole parts in proportion to `weights`: each is rounded down, and what is left goes, one each,
/// to those that lost most by rounding. All parts are 0 if all weights are.
fn largest_remainder(total: u64, weights: &[u64]) -> Vec<u64> {
    let whole: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    if whole == 0 {
        return vec![0; weights.len()];
    }
    let (mut parts, mut rests): (Vec<u64>, Vec<(u128, usize)>) = weights
        .iter()
        .enumerate()
        .map(|(index, weight)| {
            let (part, rest) = fraction(total, u128::from(*weight), whole);
            (part, (rest, index))
        })
        .unzip();
    let mut left = total - parts.iter().sum::<u64>();
    rests.sort_unstable_by_key(|(rest, index)| (std::cmp::Reverse(*rest), *index));
    for (_, index) in rests {
        if left == 0 {
            break;
        }
        parts[index] += 1;
        left -= 1;
    }
    parts
}

/// Returns `energy · part / whole` in whole microjoules, and the remainder of that division. `part` is at most `whole`,
/// so the result fits 64 bits.
fn fraction(energy: u64, part: u128, whole: u128) -> (u64, u128) {
    match u128::from(energy).checked_mul(part) {
        Some(product) => (u64::try_from(product / whole).unwrap_or(u64::MAX), product % whole),
        // Sums of weights beyond 64 bits: without their last 16 bits the proportion is the same as far as it is known.
        None => fraction(energy, part >> 16, (whole >> 16).max(1)),
    }
}

/// Returns `energy · part / whole`, rounded up and at most `energy`.
fn fraction_up(energy: u64, part: u128, whole: u128) -> u64 {
    let (down, rest) = fraction(energy, part, whole);
    down.saturating_add(u64::from(rest > 0)).min(energy)
}

#[cfg(test)]
mod tests;
