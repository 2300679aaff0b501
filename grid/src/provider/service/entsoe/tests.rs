//! Documents of ENTSO-E, short ones.

use super::*;

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
    parse(document(series).as_bytes()).unwrap().iter().map(|slot| slot.g_per_kwh).collect()
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
    assert_eq!(parse(no), Err(Fault::NoFigure));
    for wrong in ["", "<a/>", "<GL_MarketDocument><TimeSeries><Period/></TimeSeries></GL_MarketDocument>", "{}"] {
        assert!(matches!(parse(wrong.as_bytes()), Err(Fault::Garbage(_))), "{wrong}");
    }
    let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><GL_MarketDocument>&b;</GL_MarketDocument>";
    assert!(parse(bomb.as_bytes()).is_err());
}

#[test]
fn times_and_areas_are_written_as_it_wants_them() {
    assert_eq!(to_the_hour(crate::parse_instant("2020-01-01T00:59Z").unwrap()), "202001010000");
    assert_eq!(zone("Germany").as_deref(), Ok("10Y1001A1001A83F"));
    assert_eq!(zone("10YDK-1--------W").as_deref(), Ok("10YDK-1--------W"));
    assert!(zone("Japan").unwrap_err().to_string().contains("EIC"));
}
