//! Documents of ENTSO-E, short ones.

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
fn generation_is_weighed_with_its_factors() {
    // Hour 1: 100 MW coal and 300 MW wind: (100 × 820 + 300 × 11) ÷ 400 = 213.25. Hour 2: wind repeats, coal 0.
    let coal = series("B05", "in", &[(1, 100.0), (2, 0.0), (3, 300.0)]);
    let wind = series("B19", "in", &[(1, 300.0), (3, 100.0)]);
    assert_eq!(figures(&[coal, wind]), [213.25, 11.0, (300.0 * 820.0 + 100.0 * 11.0) / 400.0]);
}

#[test]
fn filling_storage_is_no_source_and_what_has_no_factor_is_left_out_or_too_much() {
    let wind = series("B19", "in", &[(1, 100.0)]);
    let pumping = series("B10", "out", &[(1, 1000.0)]);
    assert_eq!(figures(&[wind.clone(), pumping]), [11.0, 11.0, 11.0]);
    let little = series("B17", "in", &[(1, 10.0), (2, 12.0), (3, 11.0)]);
    assert_eq!(figures(&[wind, little]), [11.0, 11.0], "of 112 MW, 12 are more than a tenth; of 111 MW, 11 are not");
}

#[test]
fn its_own_no_is_no_figure_and_other_documents_are_not_understood() {
    let no = b"<Acknowledgement_MarketDocument><Reason/></Acknowledgement_MarketDocument>";
    assert_eq!(parse(no, AREA), Err(ProviderFault::NoFigure));
    for wrong in ["", "<a/>", "<GL_MarketDocument><TimeSeries><Period/></TimeSeries></GL_MarketDocument>", "{}"] {
        assert!(matches!(parse(wrong.as_bytes(), AREA), Err(ProviderFault::Garbage(_))), "{wrong}");
    }
    let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><GL_MarketDocument>&b;</GL_MarketDocument>";
    assert!(parse(bomb.as_bytes(), AREA).is_err());
}

#[test]
fn times_and_areas_are_written_as_it_wants_them() {
    assert_eq!(to_the_hour(crate::parse_instant("2020-01-01T00:59Z").unwrap()), "202001010000");
    assert_eq!(zone("Germany").as_deref(), Ok("10Y1001A1001A83F"));
    assert_eq!(zone("10YDK-1--------W").as_deref(), Ok("10YDK-1--------W"));
    assert!(zone("Japan").unwrap_err().to_string().contains("EIC"));
}

/// A series of 2025-10-02 from midnight on, for `hours`, in steps of `minutes`; points without a quantity are left out.
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

/// Hour since midnight at which a slot begins, and its intensity.
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
    // Nuclear, four fifths of the generation, has not reported the last two hours: gas alone would make them 490 g/kWh.
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
fn k09_points_left_out_repeat_only_where_the_curve_says_so() {
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
