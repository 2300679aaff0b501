//! Lists places that exist but have no yearly value that may be distributed. The error of a lookup is then "no yearly
//! carbon intensity" instead of "unknown zone".

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::zone;

const CSV: &str = include_str!("../data/places.csv");

static PLACES: LazyLock<HashMap<String, UnlistedPlace>> = LazyLock::new(|| parse(CSV));

/// A country or province without a value.
#[derive(Debug, Clone, serde::Deserialize)]
pub(crate) struct UnlistedPlace {
    code: String,
    alpha3: String,
    name: String,
    aliases: String,
    /// The country's code, for provinces.
    country: String,
}

impl UnlistedPlace {
    /// Returns the name and code: `Quebec (CA-QC)`.
    pub(crate) fn label(&self) -> String {
        format!("{} ({})", self.name, self.code)
    }

    /// Returns the surrounding zone that has a value, as `Canada (CA)`.
    pub(crate) fn around(&self) -> Option<String> {
        self.country().map(crate::Zone::to_string)
    }

    /// Returns the country that contains it.
    pub(crate) fn country(&self) -> Option<&'static crate::Zone> {
        zone::coded(&self.country)
    }

    /// Returns all names of the place, also together with its country.
    fn spellings(&self) -> Vec<String> {
        let aliases = self.aliases.split(';').map(str::to_owned);
        let mut all: Vec<String> = aliases.chain([&self.code, &self.alpha3, &self.name].map(String::clone)).collect();
        if let (Some(country), Some((_, short))) = (self.country(), self.code.split_once('-')) {
            for country in [Some(&country.code), country.alpha3.as_ref(), Some(&country.name)].into_iter().flatten() {
                let names = all.clone().into_iter().chain([short.to_owned(), self.name.clone()]);
                let within: Vec<String> =
                    names.filter(|name| !name.is_empty()).map(|name| format!("{country}/{name}")).collect();
                all.extend(within);
                all.push(format!("{}, {country}", self.name));
            }
        }
        all.retain(|name| !name.is_empty());
        all
    }
}

/// Returns the place of a folded name.
pub(crate) fn named(folded: &str) -> Option<&'static UnlistedPlace> {
    PLACES.get(folded)
}

/// Parses the embedded list into places by folded name (case, accents and punctuation do not count).
fn parse(text: &str) -> HashMap<String, UnlistedPlace> {
    let rows = csv::Reader::from_reader(text.as_bytes()).into_deserialize::<UnlistedPlace>();
    let places = rows.filter_map(Result::ok);
    let named =
        |place: UnlistedPlace| place.spellings().into_iter().map(move |name| (zone::fold(&name), place.clone()));
    places.flat_map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_parses_and_none_hides_a_zone() {
        let codes: std::collections::HashSet<&str> = PLACES.values().map(|place| place.code.as_str()).collect();
        assert_eq!(codes.len(), CSV.lines().count() - 1);
        for code in codes {
            assert!(zone::coded(code).is_none(), "{code}");
        }
    }

    #[test]
    fn all_countries_of_iso_3166_are_known_by_both_codes() {
        let with_figures = crate::zones().iter().filter(|zone| zone.alpha3.is_some());
        let without = CSV.lines().skip(1).filter(|line| line.find('-').is_none_or(|at| at != 2));
        // 249 officially assigned codes, and Kosovo by its user-assigned one.
        assert_eq!(with_figures.count() + without.count(), 250);
    }
}
