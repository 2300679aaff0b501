//! The machine's total from its BMC: shown with the remainder, in no sum, and no trouble of it costs the run.

use eco2_core::schema::{Report, Status};

use crate::rig::{Rig, assert_valid};
use crate::stub::{Answer, Stub};

/// A BMC that shows 90 W; a package in the rig draws 20 W.
fn bmc(power: &'static str) -> Stub {
    Stub::new(move |line| {
        let path = line.split(' ').nth(1).unwrap_or("");
        let link = |path: &str| format!(r#"{{"@odata.id":"{path}"}}"#);
        Answer::ok(match path {
            "/redfish/v1/" => format!(r#"{{"Chassis":{}}}"#, link("/redfish/v1/Chassis")),
            "/redfish/v1/Chassis" => format!(r#"{{"Members":[{}]}}"#, link("/redfish/v1/Chassis/1")),
            "/redfish/v1/Chassis/1" => format!(r#"{{"Id":"1","Power":{}}}"#, link("/redfish/v1/Chassis/1/Power")),
            _ => power.to_owned(),
        })
    })
}

fn status(report: &Report) -> Option<(Status, String)> {
    let source = report.sources.iter().find(|source| source.name == "redfish")?;
    Some((source.status, source.reason.clone()))
}

#[test]
fn total_of_a_bmc_is_compared_with_the_parts_and_not_added() {
    let (rig, bmc) = (Rig::measured(), bmc(r#"{"PowerControl":[{"PowerConsumedWatts":90,"PowerCapacityWatts":902}]}"#));
    // There are 0.5 to 1.5 s between two values: at least three in 5 s.
    let ran = rig.run(&format!("--redfish {} --no-log --json r.json", bmc.base), "sleep 5");
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let report = rig.report("r.json");
    assert_valid(&report);
    let [total] = report.host_totals.as_slice() else { panic!("{:?} {:?}", report.host_totals, report.sources) };
    let lasted_s = (total.to_ns - total.from_ns) as f64 / 1e9;
    let watts = |uj: f64| uj / 1e6 / lasted_s;
    assert!(lasted_s >= 1.0, "{total:?}");
    assert!((watts(total.energy_uj.unwrap() as f64) - 90.0).abs() < 0.1, "{total:?}");
    let parts_uj = total.parts_uj.unwrap();
    assert_eq!(total.remainder_uj.unwrap(), total.energy_uj.unwrap() as i64 - parts_uj as i64);
    let package = report.devices.iter().find(|device| device.id == "package-0").unwrap();
    assert_eq!(report.energy.total_uj, package.energy_uj, "the parts alone");
    assert!((1..=package.energy_uj.unwrap()).contains(&parts_uj), "{total:?}");
    assert_eq!(status(&report).unwrap().0, Status::Ok);
    assert!(ran.err.contains("Host total") && ran.err.contains("unexplained"), "{}", ran.err);
}

#[test]
fn k08_a_bmc_that_answers_rubbish_or_is_away_costs_the_run_nothing() {
    let rig = Rig::measured();
    let rubbish = bmc(r#"{"PowerControl":[{"PowerConsumedWatts":"N/A"}]}"#);
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (address, expected) in
        [(rubbish.base.clone(), "is \"N/A\", which is no number"), (format!("http://{free}"), "cannot be reached")]
    {
        let ran = rig.run(&format!("--redfish {address} --no-log --json r.json"), "sleep 0.5; exit 3");
        assert_eq!(ran.code, Some(3), "{}", ran.err);
        let report = rig.report("r.json");
        let (state, reason) = status(&report).unwrap();
        assert!(state == Status::Lost && reason.contains(expected), "{state:?} {reason}");
        assert!(report.host_totals.is_empty() && report.energy.total_uj.is_some_and(|uj| uj > 0));
    }
    let without = rig.run("--no-log --json r.json", "true");
    assert_eq!((without.code, status(&rig.report("r.json"))), (Some(0), None), "nothing is asked without the option");
}
