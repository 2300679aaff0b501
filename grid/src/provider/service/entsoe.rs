//! Asks the service `entsoe`, the Transparency Platform of the European grid operators (ENTSO-E), for electricity
//! generation by type (document A75, realised), and computes the intensity from it.
//!
//! The emission factor of each type is its life-cycle median in IPCC AR5 WG3 Annex III, table A.III.2. Types without
//! one there (oil, waste, peat, "other", stored water) are left out. Types report in quarter hours, half hours or
//! hours, and some of them hours later than others. A type without a report for a period counts with its last report.
//! If types without a factor or without a report are more than a tenth of the generation, the intensity is unknown.
//! Imports are not traced. So every value is an estimate. Storage that is being filled (`outBiddingZone`) is
//! consumption and does not count.

use std::collections::BTreeMap;

use roxmltree::{Document, Node};

use super::super::{IntensityQuery, IntensitySlot, ProviderFault};
use super::wire::{answered, country, end_of, instant, literal, same_zone};
use eco2_net::{Auth, Http, Secret};

/// Maximum share of generation without a factor or a report, 0 to 1.
const MOST_UNSURE: f64 = 0.1;
/// Maximum number of reports: a year of quarter hours of thirty types.
const MOST_REPORTS: usize = 1_100_000;
/// Maximum number of XML elements.
const MOST_NODES: u32 = 2_000_000;
/// The longest period of a request, nanoseconds: a year.
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
    // The service has no forecast, and answers at most a year.
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

/// Returns an instant rounded down to the hour, as `202001010000`.
fn to_the_hour(at_ns: i64) -> String {
    let text = super::wire::written(at_ns.div_euclid(3_600_000_000_000) * 3_600_000_000_000);
    text.chars().filter(char::is_ascii_digit).take(12).collect()
}

/// Returns the grams CO2e per kilowatt-hour of a type of generation.
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

/// One report of a type of generation: a period and its megawatts.
#[derive(Debug, Clone, Copy)]
struct GenerationReport {
    from_ns: i64,
    to_ns: i64,
    /// `None`: reported without a number.
    megawatts: Option<f64>,
}

/// Reads the reports of generation from an answer, and computes the slots; an error if it is for another area.
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

/// Adds the reports of a period. A missing point repeats the one before, except for the curve type A01 (every block has
/// its own point), for which it was not reported.
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

/// Returns the intensity of each period between two adjacent edges of any report. A report applies to all of its
/// period, whatever the resolution of the others. Of two reports of one type the one with the finer resolution counts.
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

/// Adds one type of generation to the sums. A period without a report gets the last report before it, or the first one
/// after it, and counts as unsure.
fn add_type(factor: Option<f64>, megawatts: &[Option<f64>], sums: &mut [GenerationSums]) {
    let Some(mut last) = megawatts.iter().flatten().next().copied() else { return };
    for (reported, sums) in megawatts.iter().zip(sums) {
        last = reported.unwrap_or(last);
        // A negative value is consumption.
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

/// Generation in a period, megawatts.
#[derive(Debug, Clone, Copy, Default)]
struct GenerationSums {
    all: f64,
    /// Generation of types with a factor.
    known: f64,
    /// Generation of types with a factor, times the factor.
    weighted: f64,
    /// Generation of types without a factor, or without a report for this period.
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

/// Comparison of names without their namespace, which changes with the version of the schema.
trait LocalName {
    fn has_tag_name_local(&self, name: &str) -> bool;
}

impl LocalName for Node<'_, '_> {
    fn has_tag_name_local(&self, name: &str) -> bool {
        self.is_element() && self.tag_name().name() == name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AREA: &str = "10Y1001A1001A83F";

    fn series(kind: &str, direction: &str, points: &[(i64, f64)]) -> String {
        let points: String = points
            .iter()
            .map(|(position, quantity)| {
                format!("<Point><position>{position}</position><quantity>{quantity}</quantity></Point>")
            })
            .collect();
        format!(
            "<TimeSeries><{direction}BiddingZone_Domain.mRID>10Y1001A1001A83F</{direction}BiddingZone_Domain.mRID>\
         <MktPSRType><psrType>{kind}</psrType></MktPSRType><Period><timeInterval><start>2020-01-01T00:00Z</start>\
         <end>2020-01-01T03:00Z</end></timeInterval><resolution>PT60M</resolution>{points}</Period></TimeSeries>"
        )
    }

    fn document(series: &[String]) -> String {
        let inside = series.concat();
        format!(
            "<?xml version=\"1.0\"?><GL_MarketDocument xmlns=\"urn:iec62325.351:tc57wg16:451-6:generationloaddocument:3:0\">{inside}</GL_MarketDocument>"
        )
    }

    fn figures(series: &[String]) -> Vec<f64> {
        parse(document(series).as_bytes(), AREA).unwrap().iter().map(|slot| slot.g_per_kwh).collect()
    }

    #[test]
    fn generation_is_multiplied_by_its_factors() {
        // Hour 1: 100 MW coal and 300 MW wind: (100 × 820 + 300 × 11) ÷ 400 = 213.25. Hour 2: wind repeats, coal 0.
        let coal = series("B05", "in", &[(1, 100.0), (2, 0.0), (3, 300.0)]);
        let wind = series("B19", "in", &[(1, 300.0), (3, 100.0)]);
        assert_eq!(figures(&[coal, wind]), [213.25, 11.0, (300.0 * 820.0 + 100.0 * 11.0) / 400.0]);
    }

    #[test]
    fn filling_storage_is_no_source_and_a_type_without_a_factor_is_left_out_or_too_much() {
        let wind = series("B19", "in", &[(1, 100.0)]);
        let pumping = series("B10", "out", &[(1, 1000.0)]);
        assert_eq!(figures(&[wind.clone(), pumping]), [11.0, 11.0, 11.0]);
        let little = series("B17", "in", &[(1, 10.0), (2, 12.0), (3, 11.0)]);
        assert_eq!(
            figures(&[wind, little]),
            [11.0, 11.0],
            "of 112 MW, 12 are more than a tenth; of 111 MW, 11 are not"
        );
    }

    #[test]
    fn acknowledgement_is_no_value_and_other_documents_are_not_understood() {
        let no = b"<Acknowledgement_MarketDocument><Reason/></Acknowledgement_MarketDocument>";
        assert_eq!(parse(no, AREA), Err(ProviderFault::NoFigure));
        for wrong in ["", "<a/>", "<GL_MarketDocument><TimeSeries><Period/></TimeSeries></GL_MarketDocument>", "{}"] {
            assert!(matches!(parse(wrong.as_bytes(), AREA), Err(ProviderFault::Garbage(_))), "{wrong}");
        }
        let bomb =
            "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><GL_MarketDocument>&b;</GL_MarketDocument>";
        assert!(parse(bomb.as_bytes(), AREA).is_err());
    }

    #[test]
    fn times_and_areas_are_written_as_it_wants_them() {
        assert_eq!(to_the_hour(crate::parse_instant("2020-01-01T00:59Z").unwrap()), "202001010000");
        assert_eq!(zone("Germany").as_deref(), Ok("10Y1001A1001A83F"));
        assert_eq!(zone("10YDK-1--------W").as_deref(), Ok("10YDK-1--------W"));
        assert!(zone("Japan").unwrap_err().to_string().contains("EIC"));
    }

    /// Returns a series of 2025-10-02 from midnight on, for `hours`, in steps of `minutes`; points without a quantity
    /// are left out.
    fn day(kind: &str, minutes: i64, hours: i64, curve: &str, points: impl IntoIterator<Item = (i64, f64)>) -> String {
        let points: String = points
            .into_iter()
            .map(|(at, megawatts)| format!("<Point><position>{at}</position><quantity>{megawatts}</quantity></Point>"))
            .collect();
        format!(
            "<TimeSeries><inBiddingZone_Domain.mRID codingScheme=\"A01\">{AREA}</inBiddingZone_Domain.mRID>\
         <curveType>{curve}</curveType><MktPSRType><psrType>{kind}</psrType></MktPSRType><Period><timeInterval>\
         <start>2025-10-02T00:00Z</start><end>2025-10-02T{hours:02}:00Z</end></timeInterval>\
         <resolution>PT{minutes}M</resolution>{points}</Period></TimeSeries>"
        )
    }

    fn quarters(kind: &str, megawatts: f64) -> String {
        day(kind, 15, 4, "A01", (1..=16).map(|at| (at, megawatts)))
    }

    fn hours(kind: &str, megawatts: f64) -> String {
        day(kind, 60, 4, "A01", (1..=4).map(|at| (at, megawatts)))
    }

    /// Returns the hour since midnight at which a slot begins, and its intensity.
    fn by_hour(series: &[String]) -> Vec<(f64, f64)> {
        let midnight_ns = crate::parse_instant("2025-10-02T00:00Z").unwrap();
        let slots = parse(document(series).as_bytes(), AREA).unwrap();
        slots.iter().map(|slot| ((slot.from_ns - midnight_ns) as f64 / 3.6e12, slot.g_per_kwh)).collect()
    }

    #[test]
    fn k09_types_in_quarter_hours_and_in_hours_are_added_for_every_quarter_hour() {
        // Gas 1000 MW × 490, nuclear 4000 MW × 12: 538,000 ÷ 5000 = 107.6 g/kWh, all day.
        let expected: Vec<(f64, f64)> = (0..16).map(|quarter| (f64::from(quarter) / 4.0, 107.6)).collect();
        let (gas, nuclear) = (quarters("B04", 1000.0), hours("B14", 4000.0));
        assert_eq!(by_hour(&[gas.clone(), nuclear.clone()]), expected);
        assert_eq!(by_hour(&[nuclear, gas]), expected, "the other order in the document");
        // Half hours between them: wind 2500 MW × 11: 565,500 ÷ 7500 = 75.4.
        let wind = day("B19", 30, 4, "A01", (1..=8).map(|at| (at, 2500.0)));
        let mixed = by_hour(&[hours("B14", 4000.0), wind, quarters("B04", 1000.0)]);
        assert_eq!(mixed, expected.iter().map(|(hour, _)| (*hour, 75.4)).collect::<Vec<_>>());
    }

    #[test]
    fn k09_one_type_in_two_resolutions_counts_once() {
        // Gas in hours and, for the same time, in quarter hours: 1000 MW, not 2000.
        let nuclear = hours("B14", 4000.0);
        let twice = [hours("B04", 1000.0), nuclear, quarters("B04", 1000.0)];
        assert!(by_hour(&twice).iter().all(|(_, g_per_kwh)| *g_per_kwh == 107.6), "{:?}", by_hour(&twice));
    }

    #[test]
    fn k09_type_that_reports_hours_late_is_not_counted_as_zero() {
        // Nuclear, four fifths of the generation, has not reported the last two hours: gas alone would make them 490
        // g/kWh.
        let late = day("B14", 60, 2, "A03", [(1, 4000.0)]);
        let known = by_hour(&[quarters("B04", 1000.0), late]);
        assert_eq!(known.len(), 8, "two hours of quarter hours: {known:?}");
        assert!(known.iter().all(|(hour, g_per_kwh)| *hour < 2.0 && *g_per_kwh == 107.6), "{known:?}");
        // Wind with 100 of 2100 MW is less than a tenth, and counts with its last report:
        // (2000 × 490 + 100 × 11) ÷ 2100 = 467.190… Without it: 490.
        let wind = day("B19", 60, 1, "A03", [(1, 100.0)]);
        let held = by_hour(&[hours("B04", 2000.0), wind]);
        assert_eq!(held.iter().map(|(hour, _)| *hour).collect::<Vec<_>>(), [0.0, 1.0, 2.0, 3.0]);
        assert!(held.iter().all(|(_, g_per_kwh)| (g_per_kwh - 981_100.0 / 2100.0).abs() < 1e-9), "{held:?}");
        // A type that begins to report late is as unknown before as after.
        let from_the_third = day("B14", 60, 4, "A01", [(3, 4000.0), (4, 4000.0)]);
        assert_eq!(by_hour(&[hours("B04", 1000.0), from_the_third]), [(2.0, 107.6), (3.0, 107.6)]);
    }

    #[test]
    fn k09_missing_points_repeat_only_for_a_curve_type_that_allows_it() {
        let gas = hours("B04", 1000.0);
        let repeated = by_hour(&[gas.clone(), day("B14", 60, 4, "A03", [(1, 4000.0)])]);
        assert_eq!(repeated.len(), 4, "{repeated:?}");
        // Of fixed blocks each has its own point: without one it was not reported.
        assert_eq!(by_hour(&[gas, day("B14", 60, 4, "A01", [(1, 4000.0), (4, 4000.0)])]), [(0.0, 107.6), (3.0, 107.6)]);
    }

    #[test]
    fn k09_generation_of_another_area_is_refused() {
        let document = document(&[hours("B14", 4000.0)]);
        assert_eq!(parse(document.as_bytes(), "10YFR-RTE------C"), Err(ProviderFault::other_zone("10YFR-RTE------C")));
    }

    #[test]
    fn k09_more_slots_than_fit_a_year_are_refused_before_they_are_laid_out() {
        let long = day("B14", 15, 4, "A03", [(1, 1.0)]).replace("2025-10-02T04:00Z", "2225-10-02T04:00Z");
        assert!(matches!(parse(document(&[long]).as_bytes(), AREA), Err(ProviderFault::Garbage(_))));
    }
}
