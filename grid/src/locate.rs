//! Finds the zone of coordinates offline (option `locate`). The map is coarse: where the zone is uncertain, the result
//! is an error.
//!
//! Borders are Natural Earth's at 1:110 million (public domain), accurate to some tens of kilometres. A point therefore
//! belongs to a country only if it is well inside it. Near a border, at sea, and near places that are too small for the
//! map, the error names the zones nearby, and the user has to name the zone. Around a large city the city's zone is
//! used; in the United States that is a state.

use std::sync::LazyLock;

use crate::{Intensity, ZoneError, ZoneSource, cities, lookup};

const CSV: &str = include_str!("../data/borders.csv");
/// A point that is closer than this to the border of another zone is uncertain, degrees of latitude: 33 km.
const SURE_DEGREES: f64 = 0.3;
/// An error names zones within this distance, degrees of latitude.
const NEAR_DEGREES: f64 = 2.0;
/// Zones that the map does not show, as latitude, longitude and code.
const SMALL_ZONES: [(f64, f64, &str); 5] =
    [(22.32, 114.17, "HK"), (22.20, 113.55, "MO"), (1.35, 103.82, "SG"), (26.07, 50.55, "BH"), (36.14, -5.35, "GI")];

static BORDERS: LazyLock<Vec<Border>> = LazyLock::new(|| CSV.lines().skip(1).filter_map(Border::parse).collect());

/// Coordinates without a zone.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LocateError {
    /// Not a place on Earth.
    #[error("latitude {latitude}, longitude {longitude} is no place: -90 to 90 and -180 to 180 degrees")]
    NoPlace {
        /// Latitude, degrees.
        latitude: f64,
        /// Longitude, degrees.
        longitude: f64,
    },
    /// The zone there is uncertain.
    #[error("latitude {latitude}, longitude {longitude}: the coarse map is not sure{}; give --zone", near(zones))]
    NotSure {
        /// Latitude, degrees.
        latitude: f64,
        /// Longitude, degrees.
        longitude: f64,
        /// Codes of zones near it.
        zones: Vec<String>,
    },
    /// The zone is certain, but has no intensity.
    #[error(transparent)]
    Zone(#[from] ZoneError),
}

/// Returns the zones nearby as the end of an error message; empty if there are none.
fn near(zones: &[String]) -> String {
    if zones.is_empty() { String::new() } else { format!(" (near: {})", zones.join(", ")) }
}

/// Returns the yearly average of the country at a latitude and longitude, degrees. Around a large city of the United
/// States it is that of the state. The coordinates 0, 0 are treated like any others.
///
/// # Errors
/// [`LocateError`] for coordinates out of range, and where the map is too coarse.
///
/// ```
/// let madrid = eco2_grid::locate(40.4, -3.7).expect("well inside Spain");
/// assert_eq!(madrid.zone, "ES");
/// assert!(eco2_grid::locate(0.0, 0.0).is_err(), "the sea has no grid");
/// ```
pub fn locate(latitude: f64, longitude: f64) -> Result<Intensity, LocateError> {
    let code = zone_at(latitude, longitude)?;
    let mut intensity = lookup(code)?;
    intensity.zone_source = ZoneSource::Coordinates;
    Ok(intensity)
}

/// Returns the code of the zone at a latitude and longitude, degrees; an error if it is uncertain.
fn zone_at(latitude: f64, longitude: f64) -> Result<&'static str, LocateError> {
    if !(-90.0..=90.0).contains(&latitude) || !(-180.0..=180.0).contains(&longitude) {
        return Err(LocateError::NoPlace { latitude, longitude });
    }
    if let Some(city) = cities::around(latitude, longitude) {
        return Ok(city.zone());
    }
    let mut near: Vec<(f64, &str)> = distances(latitude, longitude).filter(|(away, _)| *away < NEAR_DEGREES).collect();
    near.sort_by(|(a, left), (b, right)| a.total_cmp(b).then_with(|| left.cmp(right)));
    near.dedup_by_key(|(_, zone)| *zone);
    let within = |zone: &str| borders_of(zone).any(|border| border.contains(latitude, longitude));
    let close = |zone: &str| near.iter().any(|(away, other)| *other != zone && *away < SURE_DEGREES);
    match near.iter().map(|(_, zone)| *zone).chain(zones_containing(latitude, longitude)).find(|zone| within(zone)) {
        Some(zone) if !close(zone) => Ok(zone),
        _ => {
            let mut zones: Vec<String> = Vec::new();
            for (_, zone) in near {
                if !zones.iter().any(|seen| seen == zone) {
                    zones.push(zone.to_owned());
                }
            }
            zones.truncate(4);
            Err(LocateError::NotSure { latitude, longitude, zones })
        }
    }
}

/// Returns the borders of a zone; a zone of several islands has several.
fn borders_of(zone: &str) -> impl Iterator<Item = &'static Border> {
    BORDERS.iter().filter(move |border| border.zone == zone)
}

/// Returns the zones whose borders contain a point.
fn zones_containing(latitude: f64, longitude: f64) -> impl Iterator<Item = &'static str> {
    BORDERS.iter().filter(move |border| border.contains(latitude, longitude)).map(|border| border.zone)
}

/// Returns the distance to every border and to every zone that the map does not show, degrees of latitude.
fn distances(latitude: f64, longitude: f64) -> impl Iterator<Item = (f64, &'static str)> {
    let borders = BORDERS.iter().map(move |border| (border.distance(latitude, longitude), border.zone));
    let small = SMALL_ZONES.iter().map(move |(at, along, zone)| {
        let narrow = latitude.to_radians().cos();
        ((at - latitude).hypot((along - longitude) * narrow), *zone)
    });
    borders.chain(small)
}

/// A closed border: longitude and latitude of its corners, degrees.
struct Border {
    zone: &'static str,
    corners: Vec<(f64, f64)>,
}

impl Border {
    fn parse(line: &'static str) -> Option<Self> {
        let (zone, numbers) = line.split_once(',')?;
        let numbers: Vec<f64> = numbers.split(' ').filter_map(|number| number.parse().ok()).collect();
        let corners = numbers.chunks_exact(2).map(|pair| (pair[0] / 100.0, pair[1] / 100.0)).collect();
        Some(Self { zone, corners })
    }

    /// Returns the sides of the border, each as its two corners.
    fn sides(&self) -> impl Iterator<Item = ((f64, f64), (f64, f64))> {
        let next = self.corners.iter().cycle().skip(1);
        self.corners.iter().copied().zip(next.copied())
    }

    /// Whether the point is inside, by the even-odd rule: how often a ray to the east crosses the border.
    fn contains(&self, latitude: f64, longitude: f64) -> bool {
        let crosses = |&((from_x, from_y), (to_x, to_y)): &((f64, f64), (f64, f64))| {
            (from_y > latitude) != (to_y > latitude)
                && longitude < (to_x - from_x) * (latitude - from_y) / (to_y - from_y) + from_x
        };
        self.sides().filter(crosses).count() % 2 == 1
    }

    /// Returns the distance to the nearest side, degrees of latitude.
    fn distance(&self, latitude: f64, longitude: f64) -> f64 {
        let narrow = latitude.to_radians().cos();
        let flat = |(x, y): (f64, f64)| ((x - longitude) * narrow, y - latitude);
        self.sides().map(|(from, to)| to_side(flat(from), flat(to))).fold(f64::INFINITY, f64::min)
    }
}

/// Returns the distance from the origin to a side.
fn to_side((from_x, from_y): (f64, f64), (to_x, to_y): (f64, f64)) -> f64 {
    let (along_x, along_y) = (to_x - from_x, to_y - from_y);
    let square = along_x * along_x + along_y * along_y;
    let share = if square > 0.0 { -(from_x * along_x + from_y * along_y) / square } else { 0.0 };
    let share = share.clamp(0.0, 1.0);
    (from_x + share * along_x).hypot(from_y + share * along_y)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cities_well_inside_their_country_are_found() {
        for (latitude, longitude, zone) in [
            (52.52, 13.40, "DE"),
            (48.86, 2.35, "FR"),
            (51.51, -0.13, "GB"),
            (39.04, -77.49, "US"),
            (35.68, 139.69, "JP"),
            (59.33, 17.0, "SE"),
            (-23.55, -46.63, "BR"),
            (0.0, 37.0, "KE"),
            (51.0, 0.0, "GB"),
            (40.7128, -74.0060, "US-NY"),
            (37.7749, -122.4194, "US-CA"),
            (1.3521, 103.8198, "SG"),
        ] {
            assert_eq!(zone_at(latitude, longitude), Ok(zone), "{latitude}, {longitude}");
        }
    }

    #[test]
    fn uncertain_point_is_an_error_that_names_the_zones_nearby() {
        // Basel, the Strait of Johor, Strasbourg and the Gulf of Guinea.
        for (latitude, longitude, near) in
            [(47.56, 7.59, "CH"), (1.44, 103.80, "SG"), (48.58, 7.75, "DE"), (0.0, 0.0, "")]
        {
            let error = zone_at(latitude, longitude).unwrap_err().to_string();
            assert!(error.contains(near) && error.contains("give --zone"), "{error}");
        }
    }

    #[test]
    fn coordinates_out_of_range_are_refused() {
        for (latitude, longitude) in [(90.1, 0.0), (0.0, -180.5), (f64::NAN, 0.0), (0.0, f64::INFINITY)] {
            assert!(matches!(zone_at(latitude, longitude), Err(LocateError::NoPlace { .. })));
        }
    }

    #[test]
    fn located_zone_states_coordinates_as_its_source() {
        let madrid = locate(40.4, -3.7).unwrap();
        assert_eq!((madrid.zone.as_str(), madrid.zone_source), ("ES", ZoneSource::Coordinates));
    }
}
