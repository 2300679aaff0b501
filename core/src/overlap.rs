//! Which domains count the same energy: only domains without overlap are ever summed.
//!
//! A part (core, uncore, a GPU's memory) lies within its parent and is reported beside it. A parent that is neither
//! processor, memory nor GPU (platform, module) is the other way round: its parts are summed if they are read, it is
//! summed only where nothing within it is. `psys` is never summed.

use crate::{Component, Domain};

/// For each domain the ids of those it overlaps with; empty means: summed.
pub(crate) fn of<'a>(domains: impl Iterator<Item = &'a Domain>) -> Vec<Vec<String>> {
    let domains: Vec<&Domain> = domains.collect();
    domains.iter().map(|domain| overlaps(domain, &domains)).collect()
}

/// For each domain whether it is summed.
#[must_use]
pub fn summed<'a>(domains: impl Iterator<Item = &'a Domain>) -> Vec<bool> {
    of(domains).iter().map(Vec::is_empty).collect()
}

fn overlaps(domain: &Domain, all: &[&Domain]) -> Vec<String> {
    if domain.domain == "psys" || domain.id == "psys" || domain.id.starts_with("psys-") {
        return vec!["platform".to_owned()];
    }
    if let Some(parent) = &domain.parent {
        let found = all.iter().find(|other| other.id == *parent);
        if found.is_none_or(|parent| parent.component != Component::Other) {
            return vec![parent.clone()];
        }
    }
    if domain.component == Component::Other {
        return all.iter().filter(|other| other.parent.as_ref() == Some(&domain.id)).map(|other| other.id.clone()).collect();
    }
    match domain.domain.as_str() {
        "core" | "uncore" => vec!["package".to_owned()],
        _ => Vec::new(),
    }
}
