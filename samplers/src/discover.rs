//! [`discover`] finds the sources to read: those that `--source` asks for, or all that the machine has.
//!
//! A source reads one interface of the system. The order is chosen so that no counter is read twice: RAPL (CPU energy)
//! through perf if it can be had, else through powercap, never both, as they read the same counters; then the GPUs;
//! then power sensors of parts that nothing has read yet; then the node agent, for what this process may not read; then
//! the model (estimates) for what has no sensor at all.
//! Synthetic sources, for demonstrations, are read only when named.

use std::time::Duration;

use eco2_core::schema::{SourceStatus, Status};
use eco2_core::{Component, Domain, Quality};

use crate::clock::{Clock, monotonic_ns};
use crate::found::{Found, status};
use crate::model::{ModelOptions, boards, gpu::BareGpu};
use crate::standby::{self, is_whole_cpu};
use crate::synthetic::{self, Curve, Synthetic};
use crate::visible::Visible;
use crate::{
    Roots, Source, accelerators, agent, amdsmi, hwmon, ipmi, model, nvml, rapl_perf, rapl_sysfs, redfish, sysfs,
    topology,
};

/// Every source's name, in the order in which they are looked for.
pub const NAMES: [&str; 11] = [
    rapl_perf::NAME,
    rapl_sysfs::NAME,
    nvml::NAME,
    amdsmi::NAME,
    hwmon::NAME,
    redfish::NAME,
    ipmi::NAME,
    agent::NAME,
    model::NAME,
    REPLAY,
    synthetic::NAME,
];
/// A trace, which has no readings of its own and is read by `eco2 replay`.
const REPLAY: &str = "replay";
/// Sources that read the same counters of the CPU: one of them is used.
pub const RAPL: [&str; 2] = [rapl_perf::NAME, rapl_sysfs::NAME];
/// Sources that may read the CPUs or memory.
pub const OF_CPUS: [&str; 3] = [rapl_perf::NAME, rapl_sysfs::NAME, hwmon::NAME];
/// Sources that are read only when named: they measure nothing.
pub const SYNTHETIC: [&str; 2] = [REPLAY, synthetic::NAME];

/// How long sources are waited for before a run starts without them: a healthy driver that is loaded takes less.
pub const PATIENCE: Duration = Duration::from_millis(35);

/// Which sources were asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Selection {
    /// All that the machine has; the model for the rest.
    #[default]
    All,
    /// These and no others.
    Named(Vec<&'static str>),
}

/// A name that is no source's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown source '{given}'; known sources: {}", NAMES.join(", "))]
pub struct UnknownSource {
    /// What was given.
    pub given: String,
    /// What may have been meant, likeliest first; empty when nothing is near.
    pub meant: Vec<&'static str>,
}

impl Selection {
    /// From a list of names separated by commas; blanks around them and empty entries do not count, and a list
    /// without a name is [`Selection::All`].
    ///
    /// # Errors
    /// On the first name that is no source's.
    ///
    /// ```
    /// use eco2_samplers::discover::Selection;
    ///
    /// let selection = Selection::parse("rapl-perf, nvml")?;
    /// assert!(selection.wants("nvml") && !selection.wants("hwmon"));
    /// assert_eq!(Selection::parse("")?, Selection::All);
    /// assert_eq!(Selection::parse("nvlm").unwrap_err().meant, ["nvml"]);
    /// # Ok::<(), eco2_samplers::discover::UnknownSource>(())
    /// ```
    pub fn parse(list: &str) -> Result<Self, UnknownSource> {
        let given = list.split(',').map(str::trim).filter(|name| !name.is_empty());
        let names = given.map(|name| {
            let known = NAMES.iter().copied().find(|known| *known == name);
            known.ok_or_else(|| UnknownSource { given: name.to_owned(), meant: near(name) })
        });
        let names = names.collect::<Result<Vec<_>, _>>()?;
        Ok(if names.is_empty() { Self::All } else { Self::Named(names) })
    }

    /// Whether a source may be read.
    ///
    /// ```
    /// use eco2_samplers::discover::Selection;
    ///
    /// assert!(!Selection::All.wants("synthetic")); // only when named
    /// ```
    #[must_use]
    pub fn wants(&self, name: &str) -> bool {
        match self {
            Self::All => !SYNTHETIC.contains(&name),
            Self::Named(_) => self.names(name),
        }
    }

    /// Whether a source was asked for by its name.
    fn names(&self, name: &str) -> bool {
        matches!(self, Self::Named(names) if names.contains(&name))
    }
}

/// Returns the known names that `given` may be the beginning or a misspelling of, likeliest first.
fn near(given: &str) -> Vec<&'static str> {
    let given = given.to_ascii_lowercase();
    let part: Vec<_> = NAMES.iter().copied().filter(|name| name.contains(&given)).collect();
    if !part.is_empty() {
        return part;
    }
    let distance = |name: &str| strsim::damerau_levenshtein(&given, name);
    let mut near: Vec<_> = NAMES.iter().copied().filter(|name| distance(name) <= (given.len() / 2).min(3)).collect();
    near.sort_by_key(|name| distance(name));
    near
}

/// Result of a search for sources.
#[derive(Default)]
pub struct Discovery {
    /// What to read, in order.
    pub sources: Vec<Box<dyn Source>>,
    /// Every source by name, and what became of it.
    pub statuses: Vec<SourceStatus>,
    /// CPUs of the first package that is read through its own registers: the sampling thread belongs on one of them.
    pub cpus: Vec<usize>,
    /// Whether a source is still being opened: its devices come later.
    pub late: bool,
    /// When the search began, monotonic nanoseconds.
    pub began_ns: u64,
}

/// Looks for the sources under `roots` that `selection` wants, and estimates the rest as `estimate` allows; of the
/// GPUs, those that this process sees.
///
/// ```
/// use eco2_samplers::discover::{Selection, discover};
/// use eco2_samplers::{Roots, model::ModelOptions};
///
/// let found = discover(&Roots::default(), &Selection::All, &ModelOptions::default());
/// for status in &found.statuses {
///     println!("{}: {}", status.name, status.reason);
/// }
/// ```
#[must_use]
pub fn discover(roots: &Roots, selection: &Selection, estimate: &ModelOptions) -> Discovery {
    discover_visible(roots, selection, estimate, &Visible::from_env())
}

/// Looks for the sources under `roots` that `selection` wants, and estimates the rest as `estimate` allows; of the
/// GPUs, those that are `visible` to the measured program.
#[must_use]
pub fn discover_visible(roots: &Roots, selection: &Selection, estimate: &ModelOptions, visible: &Visible) -> Discovery {
    let mut all = Discovery { began_ns: monotonic_ns(), ..Discovery::default() };
    // It may take its time: the others are looked for meanwhile.
    let nvml = selection.wants(nvml::NAME).then(|| nvml::begin(roots, &visible.cuda));
    let amd_cards = selection.wants(amdsmi::NAME).then(|| amdsmi::begin(roots, visible));
    all.rapl(roots, selection);
    let (mut late, began_ns) = (None, all.began_ns);
    all.look(selection, nvml::NAME, |_| {
        let mut found =
            nvml.map(|opening| opening.within(PATIENCE.saturating_sub(since(began_ns)))).unwrap_or_default();
        late = found.late.take();
        found
    });
    all.look(selection, amdsmi::NAME, |_| amdsmi::finish(amd_cards.flatten()));
    all.look(selection, hwmon::NAME, |known| hwmon::discover_visible(roots, known, visible));
    if selection.wants(agent::NAME) {
        // What may not be read directly. Of accelerators all or none: ids do not show which of them a variable selects, or a
        // driver reads that has not answered yet.
        let accelerators = late.is_none() && *visible == Visible { tpu: visible.tpu, ..Visible::default() };
        let wanted = agent::Wanted { known: &all.domains(), accelerators, estimates: estimate.enabled };
        let found = agent::discover(roots, wanted, selection.names(agent::NAME));
        all.add(found);
    }
    let mut unread = accelerators::unread(roots, &all.domains(), visible);
    // A driver that has not answered yet may read its own.
    unread.retain(|device| late.is_none() || !device.is_nvidia());
    all.look(selection, model::NAME, |known| {
        let bare: Vec<BareGpu> = unread.iter().map(|device| BareGpu::of(device, roots)).collect();
        let memory = !known.iter().any(|domain| domain.component == Component::Memory);
        model::discover_for(
            roots,
            model::Unread { cpus: !shows_cpu(known) && !estimates_cpu(known), memory, gpus: &bare },
            estimate,
        )
    });
    if let Some(answered) = late {
        let estimate = ModelOptions { enabled: estimate.enabled && selection.wants(model::NAME), ..*estimate };
        let hidden = visible.cuda.devices.as_ref().is_some_and(|list| list.trim().is_empty());
        all.sources.extend((!hidden).then(|| model::stand_in(roots, &estimate, answered)).flatten());
        all.late = true;
    }
    if *selection == Selection::All {
        // What was chosen by name claims nothing of the rest.
        all.add(accelerators::missing(&accelerators::unestimated(unread, &all.domains())));
    }
    if selection.wants(model::NAME) {
        let standing_by = |source: Box<dyn Source>| match source.name() {
            nvml::NAME | amdsmi::NAME => boards::behind(source, estimate),
            hwmon::NAME => boards::behind(standby::behind(source, roots, estimate), estimate),
            _ => standby::behind(source, roots, estimate),
        };
        all.sources = std::mem::take(&mut all.sources).into_iter().map(standing_by).collect();
    }
    // Totals of the machine: last, as no other source is left out because of them.
    if roots.redfish.is_some() || selection.names(redfish::NAME) {
        all.look(selection, redfish::NAME, |_| redfish::discover(roots.redfish.as_ref()));
    }
    if roots.ipmi.is_some() || selection.names(ipmi::NAME) {
        all.look(selection, ipmi::NAME, |_| ipmi::discover(roots.ipmi.as_deref()));
    }
    all.look(selection, REPLAY, |_| {
        Found::nothing(status(REPLAY, Status::Absent, "a trace is not read live", "eco2 replay TRACE"))
    });
    all.look(selection, synthetic::NAME, |_| {
        let synthetic = Synthetic::new(Curve::default(), Clock::Monotonic);
        Found::source(synthetic, status(synthetic::NAME, Status::Ok, "synthetic: none of its values was measured", ""))
    });
    all
}

impl Discovery {
    /// Looks for the counters of CPUs in the power PMU, and in powercap where the PMU shows no package: guests, for one, may
    /// show psys alone. One of the two is read, as both show the same counters.
    fn rapl(&mut self, roots: &Roots, selection: &Selection) {
        let before = self.sources.len();
        let shows_package =
            |sources: &[Box<dyn Source>]| sources.iter().any(|source| source.domains().iter().any(is_whole_cpu));
        self.look(selection, rapl_perf::NAME, |_| rapl_perf::discover(roots));
        let of_perf = self.sources.split_off(before);
        if !shows_package(&of_perf) {
            self.look(selection, rapl_sysfs::NAME, |_| rapl_sysfs::discover(roots));
        }
        let of_sysfs = self.sources.split_off(before);
        if of_perf.is_empty() || shows_package(&of_sysfs) {
            if !of_perf.is_empty() {
                self.turn_off(rapl_perf::NAME, "it shows no package; rapl-sysfs does");
            }
            if !of_sysfs.is_empty() {
                let first = topology::online(&roots.sysfs).and_then(|cpus| cpus.first().copied()).unwrap_or(0);
                self.cpus = topology::place(&roots.sysfs, first).map(|place| place.siblings).unwrap_or_default();
            }
            self.sources.extend(of_sysfs);
        } else {
            if shows_package(&of_perf) || !of_sysfs.is_empty() {
                self.turn_off(rapl_sysfs::NAME, "rapl-perf reads the same counters");
            }
            self.cpus =
                sysfs::read_cpulist(&roots.sysfs.join("bus/event_source/devices/power/cpumask")).unwrap_or_default();
            self.sources.extend(of_perf);
        }
    }

    /// Gives a source the status [`Status::Off`], in place of the one that it had.
    fn turn_off(&mut self, name: &str, reason: &str) {
        self.statuses.retain(|status| status.name != name);
        self.statuses.push(status(name, Status::Off, reason, ""));
    }

    fn look(&mut self, selection: &Selection, name: &str, look: impl FnOnce(&[Domain]) -> Found) {
        if !selection.wants(name) {
            // No status: synthetic values were not requested.
            if !SYNTHETIC.contains(&name) {
                self.statuses.push(status(name, Status::Off, "not requested", ""));
            }
            return;
        }
        self.add(look(&self.domains()));
    }

    fn add(&mut self, mut found: Found) {
        self.sources.extend(found.source);
        self.statuses.append(&mut found.statuses);
    }

    /// Returns the domains of all sources so far.
    fn domains(&self) -> Vec<Domain> {
        self.sources.iter().flat_map(|source| source.domains().iter().cloned()).collect()
    }
}

fn since(began_ns: u64) -> Duration {
    Duration::from_nanos(monotonic_ns().saturating_sub(began_ns))
}

/// Whether the agent's estimate of the CPUs is taken.
fn estimates_cpu(known: &[Domain]) -> bool {
    known.iter().any(|domain| domain.component == Component::Cpu && domain.quality == Quality::Estimated)
}

/// Whether something real reads the CPUs as a whole: their packages, or a module that shows no part of it.
fn shows_cpu(known: &[Domain]) -> bool {
    let alone =
        |module: &Domain| known.iter().all(|other| other.id == module.id || other.component == Component::Other);
    known.iter().any(is_whole_cpu) || known.iter().any(|domain| domain.domain == "module" && alone(domain))
}
