//! ENTSO-E Transparency: generation by type (A75, realised), from which the intensity is computed.
//!
//! Each type counts with its life-cycle median of IPCC AR5 WG3 Annex III, table A.III.2. Types without one there (oil,
//! waste, peat, "other", stored water) are left out. Types report in quarter hours, half hours or hours, and some hours
//! later than others: a type without a report for a stretch of time counts with its last one. Where types without a factor
//! or without a report are more than a tenth of the generation, the intensity is not known. Imports are not traced. So
//! every figure is an estimate. Storage that fills (`outBiddingZone`) is consumption, and no source.

use std::collections::BTreeMap;

use roxmltree::{Document, Node};

use super::super::{IntensityQuery, IntensitySlot, ProviderFault};
use super::wire::{answered, country, end_of, instant, literal, same_zone};
use eco2_net::{Auth, Http, Secret};

/// The largest share of generation that has no factor or was not reported, of one.
const MOST_UNSURE: f64 = 0.1;
/// Reports read at most: a year of quarter hours of thirty types.
const MOST_REPORTS: usize = 1_100_000;
/// Elements read at most.
const MOST_NODES: u32 = 2_000_000;
/// The longest stretch that is asked for, nanoseconds: a year.
const RANGE_NS: i64 = 365 * 86_400_000_000_000;

pub(super) fn zone(zone: &str) -> Result<String, ProviderFault> {
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
        _ => return Err(ProviderFault::zone(zone, "name its 16-character area code (EIC) with --provider-zone")),
    };
    Ok(code.to_owned())
}

pub(in super::super) fn ask(
    http: &Http,
    secret: Option<&Secret>,
    wanted: &IntensityQuery<'_>,
) -> Result<Vec<IntensitySlot>, ProviderFault> {
    // What is not generated yet has no generation; a year is the most that is answered.
    let to_ns = wanted.to_ns.min(wanted.now_ns);
    let from_ns = wanted.from_ns.max(to_ns.saturating_sub(RANGE_NS));
    if from_ns >= to_ns {
        return Err(ProviderFault::NoFigure);
    }
    let (start, end) = (to_the_hour(from_ns), to_the_hour(to_ns.saturating_add(3_599_999_999_999)));
    let query = [
        ("documentType", "A75"),
        ("processType", "A16"),
        ("in_Domain", wanted.zone),
        ("periodStart", &start),
        ("periodEnd", &end),
    ];
    let auth = secret.map_or(Auth::None, |secret| Auth::Query("securityToken", secret));
    let body = http.get("/api", &query, auth)?;
    Ok(answered(&body, parse(&body, wanted.zone)?))
}

/// `202001010000`, to the hour below.
fn to_the_hour(at_ns: i64) -> String {
    let text = super::wire::written(at_ns.div_euclid(3_600_000_000_000) * 3_600_000_000_000);
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

/// One report of a type of generation: a stretch of time and its megawatts.
#[derive(Debug, Clone, Copy)]
struct GenerationReport {
    from_ns: i64,
    to_ns: i64,
    /// `None`: reported without a number.
    megawatts: Option<f64>,
}

fn parse(body: &[u8], area: &str) -> Result<Vec<IntensitySlot>, ProviderFault> {
    let garbage = ProviderFault::Garbage("it is not XML of the expected form");
    let text = std::str::from_utf8(body).map_err(|_| garbage.clone())?;
    let options = roxmltree::ParsingOptions { nodes_limit: MOST_NODES, ..Default::default() };
    let document = Document::parse_with_options(text, options).map_err(|_| garbage.clone())?;
    match document.root_element().tag_name().name() {
        "GL_MarketDocument" => {}
        "Acknowledgement_MarketDocument" => return Err(ProviderFault::NoFigure),
        _ => return Err(garbage),
    }
    let mut types: BTreeMap<&str, Vec<GenerationReport>> = BTreeMap::new();
    let mut room = MOST_REPORTS;
    for series in children(document.root_element(), "TimeSeries") {
        if children(series, "outBiddingZone_Domain.mRID").next().is_some() {
            continue;
        }
        same_zone(area, value(series, "inBiddingZone_Domain.mRID"))?;
        let kind = series.descendants().find(|node| node.has_tag_name_local("psrType")).and_then(|node| node.text());
        let repeats = value(series, "curveType") != Some("A01");
        let reports = types.entry(kind.unwrap_or_default().trim()).or_default();
        for period in children(series, "Period") {
            add(period, repeats, &mut room, reports)?;
        }
    }
    Ok(slots(types))
}

/// Adds the reports of a period. Points that are left out repeat the one before, except where the curve type is A01
/// (every block has its own point): there they were not reported.
fn add(
    period: Node<'_, '_>,
    repeats: bool,
    room: &mut usize,
    reports: &mut Vec<GenerationReport>,
) -> Result<(), ProviderFault> {
    let missing = || ProviderFault::Garbage("a period in it has no interval or resolution");
    let interval = children(period, "timeInterval").next().ok_or_else(missing)?;
    let from_ns = instant(value(interval, "start").ok_or_else(missing)?)?;
    let until_ns = instant(value(interval, "end").ok_or_else(missing)?)?;
    let length_s = match value(period, "resolution").ok_or_else(missing)? {
        "PT15M" => 900,
        "PT30M" => 1800,
        "PT60M" | "PT1H" => 3600,
        _ => return Err(ProviderFault::Garbage("a resolution in it is not known")),
    };
    let length_ns = end_of(0, length_s)?;
    let mut points = children(period, "Point").filter_map(|point| {
        let megawatts = value(point, "quantity").and_then(|text| text.parse::<f64>().ok());
        Some((value(point, "position")?.parse::<i64>().ok()?, megawatts.filter(|found| found.is_finite())))
    });
    let positions = until_ns.saturating_sub(from_ns).div_euclid(length_ns).max(0);
    *room = usize::try_from(positions)
        .ok()
        .and_then(|positions| room.checked_sub(positions))
        .ok_or(ProviderFault::Garbage("it has more slots than a year of quarter hours"))?;
    let (mut next, mut current) = (points.next(), None);
    for position in 1..=positions {
        let mut is_reported = repeats;
        while let Some((_, found)) = next.filter(|(at, _)| *at <= position) {
            (current, is_reported, next) = (Some(found), true, points.next());
        }
        if let Some(megawatts) = current.filter(|_| is_reported) {
            let from_ns = from_ns.saturating_add((position - 1).saturating_mul(length_ns));
            reports.push(GenerationReport { from_ns, to_ns: from_ns.saturating_add(length_ns), megawatts });
        }
    }
    Ok(())
}

/// Intensity of each stretch between two neighbouring edges of any report. A report holds for all of its stretch, whatever
/// the resolution of the others; of two reports of one type the one of the finer resolution counts.
fn slots(types: BTreeMap<&str, Vec<GenerationReport>>) -> Vec<IntensitySlot> {
    let all = || types.values().flatten();
    let mut edges: Vec<i64> = all().flat_map(|report| [report.from_ns, report.to_ns]).collect();
    edges.sort_unstable();
    edges.dedup();
    let mut sums = vec![GenerationSums::default(); edges.len().saturating_sub(1)];
    for (kind, mut reports) in types {
        // Coarse reports first, so that finer ones replace them.
        reports.sort_by_key(|report| std::cmp::Reverse(report.to_ns - report.from_ns));
        let mut megawatts: Vec<Option<f64>> = vec![None; sums.len()];
        for report in &reports {
            let place = |edge_ns| edges.partition_point(|edge| *edge < edge_ns);
            for slot in &mut megawatts[place(report.from_ns)..place(report.to_ns)] {
                *slot = report.megawatts.or(*slot);
            }
        }
        add_type(factor(kind), &megawatts, &mut sums);
    }
    edges.windows(2).zip(&sums).filter_map(|(pair, sums)| sums.slot(pair[0], pair[1])).collect()
}

/// Adds one type of generation to the sums. Where it was not reported, it counts with what was reported last before, or
/// first after, and as unsure.
fn add_type(factor: Option<f64>, megawatts: &[Option<f64>], sums: &mut [GenerationSums]) {
    let Some(mut last) = megawatts.iter().flatten().next().copied() else { return };
    for (reported, sums) in megawatts.iter().zip(sums) {
        last = reported.unwrap_or(last);
        // Below zero is consumption.
        let generated = last.max(0.0);
        sums.all += generated;
        match factor {
            Some(factor) => {
                sums.known += generated;
                sums.weighted += generated * factor;
                sums.unsure += if reported.is_none() { generated } else { 0.0 };
            }
            None => sums.unsure += generated,
        }
    }
}

/// Generation in a stretch of time, megawatts.
#[derive(Debug, Clone, Copy, Default)]
struct GenerationSums {
    all: f64,
    /// Part with a factor.
    known: f64,
    /// That part times its factors.
    weighted: f64,
    /// Part without a factor, or not reported for this stretch.
    unsure: f64,
}

impl GenerationSums {
    fn slot(&self, from_ns: i64, to_ns: i64) -> Option<IntensitySlot> {
        let is_known = self.known > 0.0 && self.unsure <= MOST_UNSURE * self.all;
        let g_per_kwh = self.weighted / self.known;
        is_known.then_some(IntensitySlot { from_ns, to_ns, g_per_kwh, estimated: true, forecast: false, answer: None })
    }
}

fn children<'a, 'b: 'a>(node: Node<'a, 'b>, name: &'static str) -> impl Iterator<Item = Node<'a, 'b>> {
    node.children().filter(move |child| child.has_tag_name_local(name))
}

fn value<'a>(node: Node<'a, '_>, name: &'static str) -> Option<&'a str> {
    children(node, name).next().and_then(|child| child.text()).map(str::trim)
}

/// Names whatever their namespace, which changes with the version of the schema.
trait LocalName {
    fn has_tag_name_local(&self, name: &str) -> bool;
}

impl LocalName for Node<'_, '_> {
    fn has_tag_name_local(&self, name: &str) -> bool {
        self.is_element() && self.tag_name().name() == name
    }
}

#[cfg(test)]
mod tests;
