//! Episodes of a merged run: what several processes saw of one is one, what came one after the other adds up.

use std::collections::BTreeMap;

use eco2_core::schema::{Report, SpellRecord};

use super::attempts::Attempts;
use super::parts::machine;

/// By device and kind.
type Known<'a> = BTreeMap<(&'a str, &'a str), SpellRecord>;

/// Of the records of one attempt and machine the largest: processes that saw the same idle GPU, or waited for the same
/// step, must not make two of it. Then the machines of an attempt are joined, then the attempts. What only a record around
/// the attempts tells stands for what these do not.
pub(super) fn spells(parts: &[Report], attempts: &Attempts) -> Vec<SpellRecord> {
    let mut all = Known::new();
    let mut inside = vec![false; parts.len()];
    for attempt in &attempts.list {
        attempt.members.iter().for_each(|place| inside[*place] = true);
        for (key, spell) in at_once(attempt.members.iter().map(|place| &parts[*place])) {
            join(&mut all, key, spell, in_turn);
        }
    }
    for (key, spell) in at_once(parts.iter().zip(inside).filter(|(_, inside)| !inside).map(|(part, _)| part)) {
        join(&mut all, key, spell, larger);
    }
    all.into_values().collect()
}

/// What parts saw that ran at one time, on one machine or several.
fn at_once<'a>(parts: impl Iterator<Item = &'a Report>) -> Known<'a> {
    let mut machines: BTreeMap<String, Known<'a>> = BTreeMap::new();
    for part in parts {
        let known = machines.entry(machine(part)).or_default();
        for spell in &part.spells {
            join(known, (&spell.device, &spell.kind), spell.clone(), larger);
        }
    }
    let mut all = Known::new();
    for (key, spell) in machines.into_values().flatten() {
        // Machines wait for a step together; devices of one name are two.
        let both = if key.0.is_empty() { side_by_side } else { in_turn };
        join(&mut all, key, spell, both);
    }
    all
}

fn join<'a>(
    all: &mut Known<'a>,
    key: (&'a str, &'a str),
    spell: SpellRecord,
    both: fn(SpellRecord, SpellRecord) -> SpellRecord,
) {
    let joined = match all.remove(&key) {
        Some(known) => both(known, spell),
        None => spell,
    };
    all.insert(key, joined);
}

fn larger(one: SpellRecord, other: SpellRecord) -> SpellRecord {
    let size = |spell: &SpellRecord| (spell.duration_ns, spell.energy_uj, spell.count);
    if size(&other) > size(&one) { other } else { one }
}

/// One after the other, or of two devices: everything adds up.
fn in_turn(one: SpellRecord, other: SpellRecord) -> SpellRecord {
    let (count, duration_ns) =
        (one.count.saturating_add(other.count), one.duration_ns.saturating_add(other.duration_ns));
    SpellRecord { count, duration_ns, ..side_by_side(one, other) }
}

/// At one time on two machines: their energies add up, the time is that of the longer.
fn side_by_side(one: SpellRecord, other: SpellRecord) -> SpellRecord {
    let sum = |one: Option<u64>, other: Option<u64>| Some(one?.saturating_add(other?));
    SpellRecord {
        longest_ns: one.longest_ns.max(other.longest_ns),
        energy_uj: sum(one.energy_uj, other.energy_uj),
        low_uj: one.low_uj.saturating_add(other.low_uj),
        high_uj: sum(one.high_uj, other.high_uj),
        ..larger(one, other)
    }
}
