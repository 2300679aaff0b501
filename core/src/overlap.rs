//! Finds which domains (sensors and counters) count the same energy, so that totals add up only domains that do not
//! overlap.
//!
//! - A part (core, uncore, a GPU's memory) lies within its *parent*, the domain that contains it. The parent is summed,
//!   the part is not. Memory is no part of a processor, although some drivers name it so.
//! - A parent that is neither processor, memory nor GPU (a platform or module) is summed only where nothing within it
//!   is read; otherwise its parts are summed.
//! - A parent that is not read has no effect on its parts.
//! - A *stand-in* (an estimate for a component without a sensor) is summed only while no other domain of its component
//!   is read.
//! - A *host total* (`psys`, Intel's counter of the platform, and the power that a BMC shows) is never summed.
//!
//! A processor's counter that never moves, as in many virtual machines, is not used as a sensor. Another domain that
//! shows the same package (processor socket) takes its place: a second sensor if there is one, else a model's estimate.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{Component, Domain, Fault, Kind, Quality, Track};

/// Is written to a report in place of the ids that a device overlaps with, for a device that the account does not use:
/// an estimate whose counter works, or a counter that never moved and that another domain replaces.
const LEFT_OUT: &str = "left-out";
/// Id of the estimate of all packages (processor sockets) together.
pub(crate) const WHOLE_ESTIMATE: &str = "cpu-estimate";

/// What a domain has shown so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shown {
    /// No value, or values that its source later found to be those of a counter that does not count.
    Nothing,
    /// One value only, or no power at all.
    Still,
    /// Its counter moved, or its power was above 0.
    Moved,
}

impl Track {
    /// Returns what the domain has shown so far.
    pub(crate) fn shown(&self) -> Shown {
        match (self.last_good_ns(), self.last_knot()) {
            (None, _) => Shown::Nothing,
            (Some(_), Some(knot)) if knot.uj > 0 => Shown::Moved,
            // Its source found that the hardware does not count it.
            _ if self.failing() == Some(Fault::Unsupported) => Shown::Nothing,
            _ => Shown::Still,
        }
    }
}

/// Whether a device of an account is not used in its total nor shown as a part: an estimate whose counter works, or a
/// counter that never moved and that another domain replaces.
#[must_use]
pub fn is_left_out(device: &crate::schema::Device) -> bool {
    leaves_out(&device.overlaps)
}

/// Whether the ids of overlapping devices mean that a device is left out.
pub(crate) fn leaves_out(overlaps: &[String]) -> bool {
    overlaps.iter().any(|id| id == LEFT_OUT)
}

/// Returns for each domain the ids of those it overlaps with; an empty list means that it is summed.
pub(crate) fn of<'a>(domains: impl Iterator<Item = (&'a Domain, Shown)>) -> Vec<Vec<String>> {
    let (domains, shown): (Vec<&Domain>, Vec<Shown>) = domains.unzip();
    let replaced = replacements(&domains, &shown);
    let seen: Vec<Cow<'_, Domain>> = (0..domains.len())
        .filter(|&at| shown[at] != Shown::Nothing && replaced[at].is_none())
        .map(|at| promoted(at, &domains, &replaced))
        .collect();
    let seen: Vec<&Domain> = seen.iter().map(Cow::as_ref).collect();
    let dead = domains.iter().zip(&replaced).any(|(domain, by)| {
        by.is_some_and(|by| domains[by].id == WHOLE_ESTIMATE) && domain.component == Component::Cpu
    });
    let of = |at: usize| {
        let domain = domains[at];
        let standby = is_standby(domain) && !replaced.contains(&Some(at));
        // Where no package counts, in a guest, the memory's counters do not count either.
        let dead_memory = dead && domain.component == Component::Memory && shown[at] != Shown::Moved;
        if standby || dead_memory || replaced[at].is_some() {
            return vec![LEFT_OUT.to_owned()];
        }
        overlaps(&promoted(at, &domains, &replaced), &seen)
    };
    (0..domains.len()).map(of).collect()
}

/// Returns for each domain whether it is summed, provided that all are read and move.
///
/// ```
/// use eco2_core::{Component, Domain, summed};
///
/// let package = Domain::counter("package-0", Component::Cpu, "package", "example");
/// let cores = Domain { parent: Some("package-0".into()), ..Domain::counter("core-0", Component::Cpu, "core", "example") };
/// let gpu = Domain::counter("gpu-0", Component::Gpu, "board", "example");
/// // The cores are part of the package.
/// assert_eq!(summed([&package, &cores, &gpu].into_iter()), [true, false, true]);
/// ```
#[must_use]
pub fn summed<'a>(domains: impl Iterator<Item = &'a Domain>) -> Vec<bool> {
    of(domains.map(|domain| (domain, Shown::Moved))).iter().map(Vec::is_empty).collect()
}

/// Returns for each track (the readings of one domain so far) whether it is summed, provided that all are read. Of
/// processors only those count as moving that have moved so far.
#[must_use]
pub fn summed_now<'a>(tracks: impl Iterator<Item = &'a Track>) -> Vec<bool> {
    let shown = |track: &Track| match (track.domain().component, track.shown()) {
        (Component::Cpu, Shown::Nothing) => Shown::Still,
        (Component::Cpu, shown) => shown,
        _ => Shown::Moved,
    };
    of(tracks.map(|track| (track.domain(), shown(track)))).iter().map(Vec::is_empty).collect()
}

/// Whether a domain is an estimate that is kept ready for a counter, its parent, which may work.
fn is_standby(domain: &Domain) -> bool {
    domain.quality == Quality::Estimated && domain.parent.is_some()
}

/// Returns for each domain the index of the one that takes its place; only counters of processors that do not move have
/// one.
fn replacements(domains: &[&Domain], shown: &[Shown]) -> Vec<Option<usize>> {
    let is_package = |at: usize| domains[at].component == Component::Cpu && domains[at].parent.is_none();
    let works = |at: usize| shown[at] == Shown::Moved;
    let any_works = (0..domains.len()).any(|at| is_package(at) && works(at));
    let replaces = |at: usize, by: usize| {
        let (domain, other) = (domains[at], domains[by]);
        let named = other.parent.as_ref() == Some(&domain.id) && other.domain == domain.domain;
        let whole = other.id == WHOLE_ESTIMATE && other.parent.is_some();
        works(by) && if whole { !any_works } else { named && other.component == domain.component }
    };
    let find = |at: usize| {
        let dead = is_package(at) && domains[at].kind == Kind::Energy && !works(at);
        let candidates = (0..domains.len()).filter(|&by| dead && by != at && replaces(at, by));
        candidates.min_by_key(|&by| domains[by].quality)
    };
    (0..domains.len()).map(find).collect()
}

/// Returns a domain with the parent that it has after replacements: one that took its parent's place gets the parent of
/// that parent, and a part of a replaced domain gets the replacement as its parent.
fn promoted<'a>(at: usize, domains: &[&'a Domain], replaced: &[Option<usize>]) -> Cow<'a, Domain> {
    let domain = domains[at];
    let parent = domains.iter().position(|other| domain.parent.as_ref() == Some(&other.id));
    match parent.and_then(|parent| Some((parent, replaced[parent]?))) {
        Some((parent, by)) if by == at => {
            Cow::Owned(Domain { parent: domains[parent].parent.clone(), ..domain.clone() })
        }
        Some((_, by)) => Cow::Owned(Domain { parent: Some(domains[by].id.clone()), ..domain.clone() }),
        None => Cow::Borrowed(domain),
    }
}

/// Returns the ids of the domains among `seen` (those that are read) that a domain overlaps with.
fn overlaps(domain: &Domain, seen: &[&Domain]) -> Vec<String> {
    if domain.is_host_total() || domain.id == "psys" || domain.id.starts_with("psys-") {
        return vec!["platform".to_owned()];
    }
    if domain.domain == Domain::STAND_IN {
        return replaced_by_stand_in(domain, seen);
    }
    let parent = domain.parent.as_ref().and_then(|id| seen.iter().find(|other| other.id == *id));
    if let Some(parent) = parent.filter(|parent| contains(parent.component, domain.component)) {
        return vec![parent.id.clone()];
    }
    if domain.component == Component::Other {
        return within(domain, seen);
    }
    match domain.domain.as_str() {
        "package" => sockets(seen),
        "core" | "uncore" => vec!["package".to_owned()],
        _ => Vec::new(),
    }
}

/// Whether a parent of one component, if it is read, counts the energy of its child already. Memory is not in a
/// package's counter (Intel SDM volume 3B, "RAPL domains": package and DRAM are separate).
fn contains(parent: Component, child: Component) -> bool {
    parent != Component::Other && !(parent == Component::Cpu && child == Component::Memory)
}

/// Returns the ids of sockets that hold CPU, GPU and memory together; their sensors count the package too.
fn sockets(seen: &[&Domain]) -> Vec<String> {
    seen.iter().filter(|other| other.domain == "socket").map(|other| other.id.clone()).collect()
}

/// Returns the ids of the domains for which a stand-in is not needed: those of its component that are not estimated.
fn replaced_by_stand_in(domain: &Domain, seen: &[&Domain]) -> Vec<String> {
    let real = |other: &&&Domain| other.component == domain.component && other.quality != Quality::Estimated;
    seen.iter().filter(real).map(|other| other.id.clone()).collect()
}

/// Returns the ids of the domains within a platform or module: those that name it as parent. For a module that none
/// names these are every processor and GPU, as a module's sensor seldom states what it holds.
fn within(domain: &Domain, seen: &[&Domain]) -> Vec<String> {
    let ids = |inside: &dyn Fn(&Domain) -> bool| -> Vec<String> {
        seen.iter().filter(|other| inside(other)).map(|other| other.id.clone()).collect()
    };
    let named = ids(&|other| other.parent.as_ref() == Some(&domain.id));
    if named.is_empty() && domain.domain == "module" {
        return ids(&|other| other.parent.is_none() && matches!(other.component, Component::Cpu | Component::Gpu));
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu(id: &str, parent: Option<&str>) -> Domain {
        let parent = parent.map(str::to_owned);
        Domain { parent, ..Domain::counter(id, Component::Cpu, "package", "rapl-sysfs") }
    }

    fn estimate(id: &str, parent: Option<&str>) -> Domain {
        Domain { quality: Quality::Estimated, source: "model".into(), ..cpu(id, parent) }
    }

    fn counted(domains: &[(Domain, Shown)]) -> Vec<String> {
        let overlaps = of(domains.iter().map(|(domain, shown)| (domain, *shown)));
        domains
            .iter()
            .zip(overlaps)
            .filter(|(_, over)| over.is_empty())
            .map(|((domain, _), _)| domain.id.clone())
            .collect()
    }

    #[test]
    fn k05_an_estimate_is_summed_only_where_its_counter_does_not_move() {
        use Shown::{Moved, Nothing, Still};
        for (first, second, expected) in [
            (Moved, Moved, ["package-0", "package-1"]),
            (Still, Moved, ["package-1", "package-0/estimate"]),
            (Nothing, Moved, ["package-1", "package-0/estimate"]),
            (Still, Still, ["package-0/estimate", "package-1/estimate"]),
        ] {
            let domains = [
                (cpu("package-0", None), first),
                (cpu("package-1", None), second),
                (estimate("package-0/estimate", Some("package-0")), Moved),
                (estimate("package-1/estimate", Some("package-1")), Moved),
            ];
            assert_eq!(counted(&domains), expected, "{first:?} {second:?}");
        }
    }

    #[test]
    fn k05_dead_zones_of_a_guest_give_way_to_one_estimate() {
        let memory = |id: &str| Domain::counter(id, Component::Memory, "dram", "rapl-sysfs");
        let mut domains: Vec<(Domain, Shown)> = Vec::new();
        for socket in 0..16 {
            domains.push((cpu(&format!("package-{socket}"), None), Shown::Nothing));
            domains.push((memory(&format!("dram-{socket}")), Shown::Nothing));
        }
        domains.push((estimate("cpu-estimate", Some("package-0")), Shown::Moved));
        assert_eq!(counted(&domains), ["cpu-estimate"]);
        // One of them counts: then the others are missing, and nothing is counted twice.
        domains[0].1 = Shown::Moved;
        assert!(!counted(&domains).contains(&"cpu-estimate".to_owned()));
        assert!(counted(&domains).contains(&"package-1".to_owned()));
    }

    #[test]
    fn k05_a_second_sensor_of_a_package_goes_before_the_estimate() {
        let power = Domain { quality: Quality::Derived, ..cpu("amdgpu-hwmon4", Some("package-0")) };
        let domains = [
            (cpu("package-0", None), Shown::Still),
            (estimate("package-0/estimate", Some("package-0")), Shown::Moved),
            (power, Shown::Moved),
        ];
        assert_eq!(counted(&domains), ["amdgpu-hwmon4"]);
    }

    #[test]
    fn k20_a_stand_in_counts_only_while_nothing_of_its_kind_is_read() {
        let domain = |id: &str, component, name: &str, quality| Domain {
            quality,
            ..Domain::counter(id, component, name, "test")
        };
        let stand_in = domain("gpu-stand-in", Component::Gpu, Domain::STAND_IN, Quality::Estimated);
        let board = domain("GPU-1", Component::Gpu, "board", Quality::Measured);
        let cpu = domain("package-0", Component::Cpu, "package", Quality::Measured);
        let summed = |board_is| {
            let all = [(&stand_in, Shown::Moved), (&board, board_is), (&cpu, Shown::Moved)];
            of(all.into_iter()).iter().map(Vec::is_empty).collect::<Vec<_>>()
        };
        assert_eq!(summed(Shown::Nothing), [true, true, true]);
        assert_eq!(summed(Shown::Moved), [false, true, true]);
    }
}
