//! Which domains count the same energy: only domains without overlap are ever summed.
//!
//! A part (core, uncore, a GPU's memory) lies within its parent and is reported beside it; memory is no part of a
//! processor, whatever the tree of names says. A parent that is neither processor, memory nor GPU (platform, module) is
//! the other way round: its parts are summed if they are read, it is summed only where nothing within it is. A parent
//! that is not read hides nothing. A stand-in is summed only while nothing that it stands for is read. `psys` is never
//! summed.

use crate::{Component, Domain, Quality};

/// For each domain the ids of those it overlaps with; empty means: summed. With each whether it was ever read.
pub(crate) fn of<'a>(domains: impl Iterator<Item = (&'a Domain, bool)>) -> Vec<Vec<String>> {
    let (domains, read): (Vec<&Domain>, Vec<bool>) = domains.unzip();
    let seen = domains.iter().zip(read).filter_map(|(domain, read)| read.then_some(*domain)).collect::<Vec<_>>();
    domains.iter().map(|domain| overlaps(domain, &seen)).collect()
}

/// For each domain whether it is summed, provided that all are read.
#[must_use]
pub fn summed<'a>(domains: impl Iterator<Item = &'a Domain>) -> Vec<bool> {
    of(domains.map(|domain| (domain, true))).iter().map(Vec::is_empty).collect()
}

fn overlaps(domain: &Domain, seen: &[&Domain]) -> Vec<String> {
    if domain.domain == "psys" || domain.id == "psys" || domain.id.starts_with("psys-") {
        return vec!["platform".to_owned()];
    }
    if domain.domain == Domain::STAND_IN {
        return stood_for(domain, seen);
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

/// Whether a read parent of one kind counts its child's energy already. Memory is not in a package's counter (Intel SDM
/// volume 3B, "RAPL domains": package and DRAM are apart).
fn contains(parent: Component, child: Component) -> bool {
    parent != Component::Other && !(parent == Component::Cpu && child == Component::Memory)
}

/// Sockets of CPU, GPU and memory: such a machine has no other packages.
fn sockets(seen: &[&Domain]) -> Vec<String> {
    seen.iter().filter(|other| other.domain == "socket").map(|other| other.id.clone()).collect()
}

/// What is read of the part that a stand-in stands for: of its kind, and not estimated.
fn stood_for(domain: &Domain, seen: &[&Domain]) -> Vec<String> {
    let real = |other: &&&Domain| other.component == domain.component && other.quality != Quality::Estimated;
    seen.iter().filter(real).map(|other| other.id.clone()).collect()
}

/// What is read within a platform or module: what names it as parent, else every processor and GPU, as a module's sensor
/// seldom says what it holds.
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

    #[test]
    fn k20_a_stand_in_counts_only_while_nothing_of_its_kind_is_read() {
        let domain = |id: &str, component, name: &str, quality| Domain {
            quality,
            ..Domain::counter(id, component, name, "test")
        };
        let stand_in = domain("gpu-stand-in", Component::Gpu, Domain::STAND_IN, Quality::Estimated);
        let board = domain("GPU-1", Component::Gpu, "board", Quality::Measured);
        let cpu = domain("package-0", Component::Cpu, "package", Quality::Measured);
        let summed = |board_is_read| {
            let all = [(&stand_in, true), (&board, board_is_read), (&cpu, true)];
            of(all.into_iter()).iter().map(Vec::is_empty).collect::<Vec<_>>()
        };
        assert_eq!(summed(false), [true, true, true]);
        assert_eq!(summed(true), [false, true, true]);
    }
}
