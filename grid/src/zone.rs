//! Reads the grid zones that `eco2 grid` lists from the embedded table of yearly averages, and finds them by name.
//!
//! Rows are in order of precedence: the world, countries, states, subregions of eGRID (the grid database of the US
//! EPA). A name that two rows share belongs to the first ("Georgia" is the country); [`crate::lookup`] then notes the
//! other.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use crate::{Intensity, IntensityKind, Sha256, ZoneSource};

/// The committed table of yearly averages.
pub(crate) const CSV: &str = include_str!("../data/yearly.csv");

/// Returns the SHA-256 of the committed file, `grid/data/yearly.csv`.
fn hash() -> Sha256 {
    static HASH: LazyLock<Sha256> = LazyLock::new(|| Sha256::of(CSV.as_bytes()));
    *HASH
}

/// A zone with its latest yearly average.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone {
    /// ISO 3166-1 alpha-2, `US-` and a state, `EGRID:` and a subregion, or `WORLD`.
    pub code: String,
    /// ISO 3166-1 alpha-3, countries only.
    pub alpha3: Option<String>,
    /// English name.
    pub name: String,
    /// Other names.
    pub aliases: Vec<String>,
    /// Year of the average.
    pub year: i32,
    /// Average intensity, grams CO2e per kilowatt-hour.
    pub g_per_kwh: f64,
    /// What the average counts.
    pub kind: IntensityKind,
    /// Publisher.
    pub source: String,
    /// Licence.
    pub licence: String,
}

impl fmt::Display for Zone {
    /// Writes name and code: `Germany (DE)`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ({})", self.name, self.code)
    }
}

impl Zone {
    /// Returns the source with its licence, as the segments of a report cite it; CC BY requires the licence.
    #[must_use]
    pub fn citation(&self) -> String {
        cited(&self.source, &self.licence)
    }

    /// Returns the state of a zone in the United States: `CA` of `US-CA`.
    pub(crate) fn state(&self) -> Option<&str> {
        self.code.strip_prefix("US-")
    }

    /// Returns the yearly average of the zone; `zone_source` is how the zone was chosen.
    pub(crate) fn intensity(&self, zone_source: ZoneSource) -> Intensity {
        Intensity {
            g_per_kwh: self.g_per_kwh,
            zone: self.code.clone(),
            zone_name: self.name.clone(),
            zone_source,
            kind: Some(self.kind),
            source: self.source.clone(),
            year: Some(self.year),
            licence: self.licence.clone(),
            estimated: false,
            table: Some(hash()),
            note: None,
        }
    }
}

/// Returns a source with its licence, as `Ember (CC-BY-4.0)`; the source alone if no licence is known.
pub(crate) fn cited(source: &str, licence: &str) -> String {
    match licence {
        "" => source.to_owned(),
        licence => format!("{source} ({licence})"),
    }
}

static TABLE: LazyLock<ZoneTable> = LazyLock::new(|| ZoneTable::parse(CSV));
/// The first row alone: a run without a zone needs no other, and reading the table takes a millisecond.
static WORLD: LazyLock<Zone> = LazyLock::new(|| rows(CSV).next().unwrap_or_else(|| TABLE.zones[0].clone()));

/// Returns all zones, in order of precedence.
#[must_use]
pub fn zones() -> &'static [Zone] {
    &TABLE.zones
}

/// Returns the row of the world, which is the first.
pub(crate) fn world() -> &'static Zone {
    &WORLD
}

/// Returns the zones with a name, code or alias, in order of precedence.
pub(crate) fn named(name: &str) -> impl Iterator<Item = &'static Zone> + use<> {
    named_folded(&fold(name))
}

/// Returns the zone of a code in the notation of the table.
pub(crate) fn coded(code: &str) -> Option<&'static Zone> {
    TABLE.codes.get(code).map(|&place| &TABLE.zones[place])
}

/// Returns the zones with a folded name (see [`fold`]), in order of precedence.
pub(crate) fn named_folded(folded: &str) -> impl Iterator<Item = &'static Zone> + use<> {
    let places = TABLE.names.get(folded).map_or(&[][..], Vec::as_slice);
    places.iter().map(|&place| &TABLE.zones[place])
}

/// Returns every folded name with the first zone that has it.
pub(crate) fn names() -> impl Iterator<Item = (&'static str, &'static Zone)> {
    TABLE.names.iter().map(|(name, places)| (name.as_str(), &TABLE.zones[places[0]]))
}

/// The embedded table with an index of its names.
struct ZoneTable {
    zones: Vec<Zone>,
    names: HashMap<String, Vec<usize>>,
    codes: HashMap<String, usize>,
}

/// A row of the file.
#[derive(serde::Deserialize)]
struct ZoneRow {
    zone: String,
    alpha3: Option<String>,
    name: String,
    aliases: String,
    year: i32,
    g_per_kwh: f64,
    kind: IntensityKind,
    source: String,
    licence: String,
}

impl ZoneTable {
    /// Parses the embedded file. A row that does not parse is skipped here and fails a test.
    fn parse(text: &str) -> Self {
        let zones: Vec<Zone> = rows(text).collect();
        let mut names: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, zone) in zones.iter().enumerate() {
            for name in spellings(zone) {
                let places = names.entry(fold(&name)).or_default();
                if !places.contains(&place) {
                    places.push(place);
                }
            }
        }
        let codes = zones.iter().enumerate().map(|(place, zone)| (zone.code.clone(), place)).collect();
        Self { zones, names, codes }
    }
}

/// Reads the rows of the file one by one.
fn rows(text: &str) -> impl Iterator<Item = Zone> {
    csv::Reader::from_reader(text.as_bytes()).into_deserialize::<ZoneRow>().filter_map(Result::ok).map(Zone::from)
}

impl From<ZoneRow> for Zone {
    fn from(row: ZoneRow) -> Self {
        let aliases = row.aliases.split(';').filter(|alias| !alias.is_empty()).map(str::to_owned).collect();
        Self {
            code: row.zone,
            alpha3: row.alpha3,
            name: row.name,
            aliases,
            year: row.year,
            g_per_kwh: row.g_per_kwh,
            kind: row.kind,
            source: row.source,
            licence: row.licence,
        }
    }
}

/// Returns all names of a zone. Names of a state include its country and itself in both orders, but not its bare code:
/// "CA" is Canada.
fn spellings(zone: &Zone) -> Vec<String> {
    let mut all = vec![zone.code.clone(), zone.name.clone()];
    all.extend(zone.alpha3.clone());
    all.extend(zone.aliases.iter().cloned());
    if let Some(state) = zone.state() {
        for country in ["US", "USA", "United States"] {
            all.extend([state, &zone.name].map(|region| format!("{country}/{region}")));
            all.push(format!("{}, {country}", zone.name));
        }
    }
    all
}

/// Folds a name, so that spellings of the same name are equal: case, Latin diacritics, punctuation and a leading "the"
/// do not count.
pub(crate) fn fold(name: &str) -> String {
    let lower = name.to_lowercase();
    let plain = lower.chars().filter(|letter| !is_dropped(*letter)).map(base_letter);
    let words: String = plain.map(|letter| if letter.is_alphanumeric() { letter } else { ' ' }).collect();
    let mut words: Vec<&str> = words.split_whitespace().collect();
    if words.len() > 1 && words[0] == "the" {
        words.remove(0);
    }
    words.join(" ")
}

/// Whether folding drops a character without a space: full stops, apostrophes and combining accents ("U.S.", "Côte
/// d'Ivoire").
fn is_dropped(letter: char) -> bool {
    matches!(letter, '.' | '\'' | '’' | '\u{300}'..='\u{36f}')
}

/// Returns a letter without its accent.
fn base_letter(letter: char) -> char {
    match letter {
        'à'..='å' | 'ā' | 'ă' => 'a',
        'ç' | 'č' => 'c',
        'è'..='ë' | 'ē' => 'e',
        'ì'..='ï' | 'ī' | 'ı' => 'i',
        'ñ' => 'n',
        'ò'..='ö' | 'ø' => 'o',
        'š' => 's',
        'ù'..='ü' | 'ū' => 'u',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_parses() {
        assert_eq!(zones().len(), CSV.lines().count() - 1);
        assert_eq!(world().code, "WORLD");
    }

    #[test]
    fn folding_ignores_what_people_vary() {
        assert_eq!(fold("  The  U.S. "), "us");
        assert_eq!(fold("Österreich"), "osterreich");
        assert_eq!(fold("US_CA"), fold("us/ca"));
        assert_eq!(fold("Côte d'Ivoire"), "cote divoire");
        assert_eq!(fold("The"), "the");
    }
}
