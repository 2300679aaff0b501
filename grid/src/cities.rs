//! Lists large cities with their zones, for finding a zone by city name (`New York`) and by coordinates that the coarse
//! map of borders cannot resolve (Singapore). A *zone* is an area of the electricity grid with its own intensity. Data
//! of GeoNames (CC BY 4.0); see `NOTICE`.
//!
//! Coordinates belong to a city within half the distance to the nearest town of 15,000 inhabitants in another zone, and
//! at most 25 km.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::zone;

const CSV: &str = include_str!("../data/cities.csv");
const TIME_ZONES: &str = include_str!("../data/timezones.csv");
/// Mean radius of the Earth, kilometres.
const EARTH_KM: f64 = 6371.0;

static CITIES: LazyLock<Vec<City>> = LazyLock::new(|| {
    let rows = csv::Reader::from_reader(CSV.as_bytes()).into_deserialize::<City>();
    rows.filter_map(Result::ok).collect()
});

/// Zones by folded name of a city; `None`: cities of that name lie in several.
static NAMED: LazyLock<HashMap<String, Option<&'static City>>> = LazyLock::new(|| {
    let mut named: HashMap<String, Option<&'static City>> = HashMap::new();
    for city in CITIES.iter() {
        let other = named.entry(zone::fold(&city.name)).or_insert(Some(city));
        if other.is_some_and(|other| other.zone != city.zone) {
            *other = None;
        }
    }
    named
});

static TIME_ZONE_OF: LazyLock<HashMap<&'static str, &'static str>> =
    LazyLock::new(|| TIME_ZONES.lines().skip(1).filter_map(|line| line.split_once(',')).collect());

/// A city of half a million inhabitants or more.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct City {
    name: String,
    latitude: f64,
    longitude: f64,
    zone: String,
    sure_km: f64,
}

impl City {
    /// Returns the code of the city's zone.
    pub(crate) fn zone(&self) -> &str {
        &self.zone
    }

    /// Returns the name of the city.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the great-circle distance to a point, kilometres (haversine formula).
    fn distance_km(&self, latitude: f64, longitude: f64) -> f64 {
        let half = |from: f64, to: f64| ((to - from).to_radians() / 2.0).sin().powi(2);
        let narrow = self.latitude.to_radians().cos() * latitude.to_radians().cos();
        let square = half(self.latitude, latitude) + narrow * half(self.longitude, longitude);
        2.0 * EARTH_KM * square.sqrt().min(1.0).asin()
    }
}

/// Returns the city whose surroundings contain a point; the nearest of several.
pub(crate) fn around(latitude: f64, longitude: f64) -> Option<&'static City> {
    let near = CITIES.iter().filter(|city| (city.latitude - latitude).abs() < 1.0);
    let sure = near.map(|city| (city.distance_km(latitude, longitude), city)).filter(|(km, city)| *km <= city.sure_km);
    sure.min_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, city)| city)
}

/// Returns the city of a folded name, unless cities of that name lie in several zones.
pub(crate) fn named(folded: &str) -> Option<&'static City> {
    NAMED.get(folded).copied().flatten()
}

/// Returns the time zone of a grid zone, as the IANA database names it (`Europe/Berlin`); `None` if the zone has
/// several, or is unknown.
///
/// ```
/// assert_eq!(eco2_grid::time_zone("US-CA"), Some("America/Los_Angeles"));
/// assert_eq!(eco2_grid::time_zone("AU"), None, "Australia has several");
/// ```
#[must_use]
pub fn time_zone(zone: &str) -> Option<&'static str> {
    TIME_ZONE_OF.get(zone).copied()
}

/// Returns the grid zone in which a time zone of the IANA database lies, as a suggestion for people: of a time zone that
/// several zones of one country share, the country. `None` if it lies in several countries, or names no place, such as `UTC`.
///
/// ```
/// assert_eq!(eco2_grid::zone_in("Europe/Berlin"), Some("DE"));
/// assert_eq!(eco2_grid::zone_in("America/Los_Angeles"), Some("US"));
/// assert_eq!(eco2_grid::zone_in("Asia/Shanghai"), Some("CN"), "by its city: China has several time zones");
/// assert_eq!(eco2_grid::zone_in("Etc/UTC"), None);
/// ```
#[must_use]
pub fn zone_in(time_zone: &str) -> Option<&'static str> {
    let country = |zone: &'static str| zone.split('-').next().unwrap_or(zone);
    let mut countries = TIME_ZONE_OF
        .iter()
        .filter(|(zone, name)| **name == time_zone && !zone.contains(':'))
        .map(|(zone, _)| country(zone));
    if let Some(first) = countries.next() {
        return countries.all(|other| other == first).then_some(first);
    }
    let (_, city) = time_zone.rsplit_once('/')?;
    named(&zone::fold(&city.replace('_', " "))).map(|city| country(&city.zone))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_parses_and_names_a_zone_with_a_figure() {
        assert_eq!(CITIES.len(), CSV.lines().count() - 1);
        for city in CITIES.iter() {
            assert!(zone::coded(&city.zone).is_some() && city.sure_km <= 25.0, "{city:?}");
        }
        assert_eq!(TIME_ZONE_OF.len(), TIME_ZONES.lines().count() - 1);
        assert!(TIME_ZONE_OF.keys().all(|zone| zone::coded(zone).is_some()));
    }

    #[test]
    fn k16_the_two_hundred_largest_cities_resolve_to_their_zones() {
        // Rows are in the order of inhabitants.
        for city in &CITIES[..200] {
            let found = crate::locate(city.latitude, city.longitude).expect(&city.name);
            assert_eq!(found.zone, city.zone, "{}", city.name);
        }
        // By other coordinates than the table's: OpenStreetMap's and Wikipedia's.
        for (name, latitude, longitude, zone) in [
            ("New York City", 40.7128, -74.0060, "US-NY"),
            ("San Francisco", 37.7749, -122.4194, "US-CA"),
            ("Singapore", 1.3521, 103.8198, "SG"),
            ("Johor Bahru", 1.4655, 103.7578, "MY"),
            ("Tokyo", 35.6895, 139.6917, "JP"),
            ("Kinshasa", -4.3217, 15.3126, "CD"),
            ("Los Angeles", 34.0537, -118.2428, "US-CA"),
        ] {
            assert_eq!(crate::locate(latitude, longitude).expect(name).zone, zone, "{name}");
            assert_eq!(crate::lookup(name).expect(name).zone, zone, "{name}");
        }
        assert!(crate::lookup("New York").is_ok_and(|found| found.zone == "US-NY"), "the state");
    }

    #[test]
    fn distances_are_great_circles() {
        // A degree of a meridian: 2 pi 6371 km / 360.
        let equator = City { name: String::new(), latitude: 0.0, longitude: 179.5, zone: String::new(), sure_km: 0.0 };
        assert!((equator.distance_km(1.0, 179.5) - 111.195).abs() < 1e-3);
        assert!((equator.distance_km(0.0, -179.5) - 111.195).abs() < 1e-3, "over the date line");
    }

    #[test]
    fn a_name_of_cities_in_several_zones_is_none() {
        assert_eq!(named("paris").map(City::zone), Some("FR"));
        assert!(named("hyderabad").is_none() && named("barcelona").is_none());
    }
}
