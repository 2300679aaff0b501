//! ENTSO-E Transparency: generation by type (A75, realised), from which the intensity is computed.
//!
//! Each type counts with its life-cycle median of IPCC AR5 WG3 Annex III, table A.III.2. Types without one there (oil,
//! waste, peat, "other", stored water) are left out; a slot in which they are more than a tenth is not known. Imports are
//! not traced. So every figure is an estimate. Storage that fills (`outBiddingZone`) is consumption, and no source.

use std::collections::BTreeMap;

use roxmltree::{Document, Node};

use super::super::http::Auth;
use super::super::{Fault, Http, Secret, Slot, Wanted};
use super::{country, end_of, instant, literal};

/// The largest share of generation without a factor, of one.
const MOST_WITHOUT: f64 = 0.1;
/// Elements read at most.
const MOST_NODES: u32 = 2_000_000;
/// The longest stretch that is asked for, nanoseconds: a year.
const RANGE_NS: i64 = 365 * 86_400_000_000_000;

pub(super) fn zone(zone: &str) -> Result<String, Fault> {
    let code = match country(zone) {
        Some("AT") => "10YAT-APG------L",
        Some("BE") => "10YBE----------2",
        Some("BG") => "10YCA-BULGARIA-R",
        Some("CH") => "10YCH-SWISSGRIDZ",
        Some("CZ") => "10YCZ-CEPS-----N",
        Some("DE") => "10Y1001A1001A83F",
        Some("ES") => "10YES-REE------0",
        Some("FI") => "10YFI-1--------U",
        Some("FR") => "10YFR-RTE------C",
        Some("GR") => "10YGR-HTSO-----Y",
        Some("HR") => "10YHR-HEP------M",
        Some("HU") => "10YHU-MAVIR----U",
        Some("IT") => "10YIT-GRTN-----B",
        Some("NL") => "10YNL----------L",
        Some("NO") => "10YNO-0--------C",
        Some("PL") => "10YPL-AREA-----S",
        Some("PT") => "10YPT-REN------W",
        Some("RO") => "10YRO-TEL------P",
        Some("SE") => "10YSE-1--------K",
        Some("SI") => "10YSI-ELES-----O",
        Some("SK") => "10YSK-SEPS-----K",
        _ if zone.len() == 16 => return literal(zone),
        _ => return Err(Fault::zone(zone, "name its 16-character area code (EIC) with --provider-zone")),
    };
    Ok(code.to_owned())
}

pub(in super::super) fn ask(http: &Http, secret: Option<&Secret>, wanted: &Wanted<'_>) -> Result<Vec<Slot>, Fault> {
    // What is not generated yet has no generation; a year is the most that is answered.
    let to_ns = wanted.to_ns.min(wanted.now_ns);
    let from_ns = wanted.from_ns.max(to_ns.saturating_sub(RANGE_NS));
    if from_ns >= to_ns {
        return Err(Fault::NoFigure);
    }
    let (start, end) = (to_the_hour(from_ns), to_the_hour(to_ns.saturating_add(3_599_999_999_999)));
    let query = [
        ("documentType", "A75"),
        ("processType", "A16"),
        ("in_Domain", wanted.zone),
        ("periodStart", &start),
        ("periodEnd", &end),
    ];
    let auth = secret.map_or(Auth::Nobody, |secret| Auth::Query("securityToken", secret));
    parse(&http.get("/api", &query, auth)?)
}

/// `202001010000`, to the hour below.
fn to_the_hour(at_ns: i64) -> String {
    let text = super::written(at_ns.div_euclid(3_600_000_000_000) * 3_600_000_000_000);
    text.chars().filter(char::is_ascii_digit).take(12).collect()
}

/// Grams CO2e per kilowatt-hour of a type of generation.
fn factor(kind: &str) -> Option<f64> {
    Some(match kind {
        "B01" => 230.0,                 // biomass, dedicated
        "B02" | "B03" | "B05" => 820.0, // lignite, gas from coal, hard coal: coal, pulverised
        "B04" => 490.0,                 // gas, combined cycle
        "B09" => 38.0,                  // geothermal
        "B11" | "B12" => 24.0,          // run of river, reservoir
        "B13" => 17.0,                  // marine
        "B14" => 12.0,                  // nuclear
        "B16" => 48.0,                  // solar, utility scale
        "B18" => 12.0,                  // wind offshore
        "B19" => 11.0,                  // wind onshore
        _ => return None,
    })
}

/// Generation in a slot: all of it, what has a factor, and that times its factors.
#[derive(Default)]
struct Sums {
    to_ns: i64,
    all: f64,
    known: f64,
    weighed: f64,
}

fn parse(body: &[u8]) -> Result<Vec<Slot>, Fault> {
    let garbage = Fault::Garbage("it is not XML of the expected form");
    let text = std::str::from_utf8(body).map_err(|_| garbage.clone())?;
    let options = roxmltree::ParsingOptions { nodes_limit: MOST_NODES, ..Default::default() };
    let document = Document::parse_with_options(text, options).map_err(|_| garbage.clone())?;
    match document.root_element().tag_name().name() {
        "GL_MarketDocument" => {}
        "Acknowledgement_MarketDocument" => return Err(Fault::NoFigure),
        _ => return Err(garbage),
    }
    let mut slots: BTreeMap<i64, Sums> = BTreeMap::new();
    for series in children(document.root_element(), "TimeSeries") {
        if children(series, "outBiddingZone_Domain.mRID").next().is_some() {
            continue;
        }
        let kind = series.descendants().find(|node| node.has_tag_name_local("psrType")).and_then(|node| node.text());
        let factor = factor(kind.unwrap_or_default().trim());
        for period in children(series, "Period") {
            add(period, factor, &mut slots)?;
        }
    }
    Ok(slots.iter().filter_map(|(from_ns, sums)| sums.slot(*from_ns)).collect())
}

/// Adds a period's points. Points that are left out repeat the one before (curve type A03).
fn add(period: Node<'_, '_>, factor: Option<f64>, slots: &mut BTreeMap<i64, Sums>) -> Result<(), Fault> {
    let missing = || Fault::Garbage("a period in it has no interval or resolution");
    let interval = children(period, "timeInterval").next().ok_or_else(missing)?;
    let from_ns = instant(value(interval, "start").ok_or_else(missing)?)?;
    let until_ns = instant(value(interval, "end").ok_or_else(missing)?)?;
    let length_s = match value(period, "resolution").ok_or_else(missing)? {
        "PT15M" => 900,
        "PT30M" => 1800,
        "PT60M" | "PT1H" => 3600,
        _ => return Err(Fault::Garbage("a resolution in it is not known")),
    };
    let length_ns = end_of(0, length_s)?;
    let mut points = children(period, "Point").filter_map(|point| {
        Some((value(point, "position")?.parse::<i64>().ok()?, value(point, "quantity")?.parse::<f64>().ok()?))
    });
    let mut next = points.next();
    let mut quantity = None;
    let positions = until_ns.saturating_sub(from_ns).div_euclid(length_ns).clamp(0, 40_000);
    for position in 1..=positions {
        if let Some((at, found)) = next.filter(|(at, _)| *at <= position) {
            debug_assert!(at <= position);
            quantity = Some(found);
            next = points.next();
        }
        let Some(megawatts) = quantity.filter(|found| found.is_finite() && *found > 0.0) else { continue };
        let at_ns = from_ns + (position - 1) * length_ns;
        let sums = slots.entry(at_ns).or_insert_with(|| Sums { to_ns: at_ns + length_ns, ..Sums::default() });
        sums.all += megawatts;
        if let Some(factor) = factor {
            sums.known += megawatts;
            sums.weighed += megawatts * factor;
        }
    }
    Ok(())
}

impl Sums {
    fn slot(&self, from_ns: i64) -> Option<Slot> {
        let enough = self.known > 0.0 && self.all - self.known <= MOST_WITHOUT * self.all;
        let g_per_kwh = self.weighed / self.known;
        enough.then_some(Slot { from_ns, to_ns: self.to_ns, g_per_kwh, estimated: true, forecast: false })
    }
}

fn children<'a, 'b: 'a>(node: Node<'a, 'b>, name: &'static str) -> impl Iterator<Item = Node<'a, 'b>> {
    node.children().filter(move |child| child.has_tag_name_local(name))
}

fn value<'a>(node: Node<'a, '_>, name: &'static str) -> Option<&'a str> {
    children(node, name).next().and_then(|child| child.text()).map(str::trim)
}

/// Names whatever their namespace, which changes with the version of the schema.
trait Local {
    fn has_tag_name_local(&self, name: &str) -> bool;
}

impl Local for Node<'_, '_> {
    fn has_tag_name_local(&self, name: &str) -> bool {
        self.is_element() && self.tag_name().name() == name
    }
}

#[cfg(test)]
mod tests;
