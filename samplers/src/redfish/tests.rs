//! The reader against a server on the loopback that answers as real BMCs do. Power resources are shortened from public
//! recordings, each with its source; the rest of a service has the smallest form that the Redfish schemas allow.

#[path = "../../../net/tests/stub/mod.rs"]
mod stub;
#[path = "../../../net/tests/stub/tls.rs"]
mod tls;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use eco2_core::schema::Status;
use eco2_core::{Fault, Kind, Quality};
use eco2_net::{Secret, SecretFault};
use serde_json::{Value, json};
use stub::{Answer, Stub};

use super::reader::RedfishReader;
use super::{Bmc, BmcTrust};
use crate::clock::Clock;
use crate::slow::{SlowAnswer, SlowReader as _};

/// iDRAC: github.com/dell/iDRAC-Redfish-Scripting, issue 34.
fn dell() -> Value {
    json!({"@odata.type": "#Power.v1_3_0.Power", "Id": "Power", "PowerControl": [{
        "MemberId": "PowerControl", "Name": "System Power Control", "PowerAllocatedWatts": 750, "PowerAvailableWatts": 0,
        "PowerCapacityWatts": 902, "PowerConsumedWatts": 135, "PowerRequestedWatts": 488,
        "PowerMetrics": {"AverageConsumedWatts": 135, "IntervalInMin": 1, "MaxConsumedWatts": 147, "MinConsumedWatts": 132},
        "PowerLimit": {"CorrectionInMs": 0, "LimitException": "HardPowerOff", "LimitInWatts": 152}}]})
}

/// iLO 4 with firmware 2.78: github.com/jenningsloy318/redfish_exporter, issue 29.
fn hpe() -> Value {
    json!({"@odata.type": "#Power.1.0.1.Power", "PowerCapacityWatts": 1600, "PowerConsumedWatts": 93, "PowerControl": [{
        "PowerCapacityWatts": 1600, "PowerConsumedWatts": 93, "PowerLimit": {"LimitInWatts": null},
        "PowerMetrics": {"AverageConsumedWatts": 92}}]})
}

/// OpenBMC: github.com/ibm-openbmc/dev, issue 288.
fn openbmc() -> Value {
    json!({"PowerControl": [{"@odata.type": "#Power.v1_0_0.PowerControl", "MemberId": "0", "Name": "Chassis Power Control",
        "PowerConsumedWatts": 232.0, "PowerLimit": {"LimitInWatts": null}, "Status": {"Health": "OK", "State": "Enabled"}}]})
}

/// XCC: pubs.lenovo.com/xcc-restapi, "GET – Power management properties".
fn lenovo() -> Value {
    json!({"@odata.type": "#Power.v1_5_3.Power", "PowerControl": [{"Name": "Server Power Control", "MemberId": "0",
        "PowerCapacityWatts": 200, "PowerConsumedWatts": 150}]})
}

/// iRMC, whose power is in a vendor's extension only: github.com/mrlhansen/idrac_exporter, issue 121.
fn fujitsu() -> Value {
    json!({"@odata.type": "#Power.v1_2_9.Power", "Oem": {"ts_fujitsu": {"ChassisPowerConsumption": {
        "CurrentPowerConsumptionW": 150, "AveragePowerW": 156}}}})
}

/// DMTF's example `public-rackmount1`, as in github.com/opencomputeproject/HWMgmt-OCP-Profiles, Sustainability.
fn environment() -> Value {
    json!({"@odata.type": "#EnvironmentMetrics.v1_3_1.EnvironmentMetrics",
        "PowerWatts": {"Reading": 374, "DataSourceUri": "/redfish/v1/Chassis/1U/Sensors/TotalPower"},
        "EnergykWh": {"Reading": 3638}})
}

/// What a BMC in a test does.
#[derive(Default)]
struct Machine {
    power: Option<Value>,
    environment: Option<Value>,
    /// Whether a login is needed; requests without a valid token get 401.
    locked: bool,
    /// Whether it has no sessions, so that the account goes with each request.
    basic: bool,
}

/// A running BMC: its server, and the number of the session that is valid.
struct Running {
    stub: Stub,
    session: Arc<AtomicU64>,
    broken: Arc<AtomicBool>,
}

/// `monitor:not-a-password`, as `Authorization: Basic` has it.
const BASIC: &str = "authorization: Basic bW9uaXRvcjpub3QtYS1wYXNzd29yZA==";

impl Machine {
    fn run(self) -> Running {
        let (session, broken) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (valid, fails) = (Arc::clone(&session), Arc::clone(&broken));
        let stub = Stub::with_heads(move |line, head| {
            if fails.load(Ordering::SeqCst) {
                return Answer::status(503);
            }
            let mut words = line.split(' ');
            let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
            match (method, path) {
                ("POST", "/redfish/v1/SessionService/Sessions") if !self.basic => {
                    let number = valid.fetch_add(1, Ordering::SeqCst) + 1;
                    let headers = format!(
                        "x-auth-token: token-{number}\r\nlocation: /redfish/v1/SessionService/Sessions/{number}\r\n"
                    );
                    Answer::Http(201, Box::leak(headers.into_boxed_str()), "{}".to_owned())
                }
                ("POST", _) => Answer::status(404),
                ("DELETE", _) => Answer::status(204),
                (_, "/redfish/v1/") => self.resource(path),
                _ => {
                    let token = format!("x-auth-token: token-{}\r\n", valid.load(Ordering::SeqCst));
                    let proof = if self.basic { head.contains(BASIC) } else { head.contains(&token) };
                    if self.locked && !proof { Answer::status(401) } else { self.resource(path) }
                }
            }
        });
        Running { stub, session, broken }
    }

    fn resource(&self, path: &str) -> Answer {
        let link = |path: &str| json!({"@odata.id": path});
        let reply = match path {
            "/redfish/v1/" => Some(json!({"Chassis": link("/redfish/v1/Chassis")})),
            "/redfish/v1/Chassis" => {
                Some(json!({"Members": [link("/redfish/v1/Chassis/Shelf"), link("/redfish/v1/Chassis/1")]}))
            }
            // A shelf without a computer system, whose power is not the host's.
            "/redfish/v1/Chassis/Shelf" => Some(
                json!({"Id": "Shelf", "Power": link("/redfish/v1/Chassis/Shelf/Power"), "Links": {"ComputerSystems": []}}),
            ),
            "/redfish/v1/Chassis/Shelf/Power" => Some(json!({"PowerControl": [{"PowerConsumedWatts": 9000}]})),
            "/redfish/v1/Chassis/1" => Some(json!({"Id": "1", "Name": "Computer System Chassis",
                "Power": link("/redfish/v1/Chassis/1/Power"), "EnvironmentMetrics": link("/redfish/v1/Chassis/1/EnvironmentMetrics"),
                "Links": {"ComputerSystems": [link("/redfish/v1/Systems/1")]}})),
            "/redfish/v1/Chassis/1/Power" => self.power.clone(),
            "/redfish/v1/Chassis/1/EnvironmentMetrics" => self.environment.clone(),
            _ => None,
        };
        reply.map_or_else(|| Answer::status(404), |reply| Answer::ok(reply.to_string()))
    }
}

impl Running {
    fn bmc(&self) -> Bmc {
        Bmc { account: Ok(Secret::new("monitor:not-a-password")), ..Bmc::new(&self.stub.base) }
    }

    fn requests(&self, beginning: &str) -> usize {
        self.stub.seen.lock().unwrap().iter().filter(|head| head.starts_with(beginning)).count()
    }
}

fn reader(bmc: &Bmc) -> RedfishReader {
    RedfishReader::new(bmc).unwrap_or_else(|status| panic!("{status:?}"))
}

/// Values of an answer, and the status of the source.
fn values(answer: &SlowAnswer) -> (Vec<Result<u64, Fault>>, Status, &str) {
    let values = answer.readings.iter().map(|(_, reading)| reading.value).collect();
    (values, answer.status.status, &answer.status.reason)
}

#[test]
fn k08_the_power_of_each_vendors_bmc_is_read_as_the_machines_total() {
    let vendors = [
        ("Dell", dell(), 135_000),
        ("HPE", hpe(), 93_000),
        ("OpenBMC", openbmc(), 232_000),
        ("Lenovo", lenovo(), 150_000),
    ];
    for (vendor, power, milliwatts) in vendors {
        let environment = Some(environment());
        let running = Machine { power: Some(power), environment, locked: true, ..Machine::default() }.run();
        let answer = reader(&running.bmc()).read(&Clock::Monotonic);
        assert_eq!(values(&answer).0, [Ok(milliwatts)], "{vendor}: {:?}", answer.status);
        let domain = &answer.domains.as_ref().unwrap()[0];
        assert_eq!((domain.id.as_str(), domain.name.as_str()), ("redfish-1", "Computer System Chassis (BMC)"));
        assert_eq!((domain.kind, domain.quality, domain.is_host_total()), (Kind::Power, Quality::Derived, true));
        assert_eq!(answer.status.status, Status::Ok);
        let (reading, wait) = (answer.readings[0].1, answer.wait);
        assert!(reading.before_ns < reading.after_ns);
        assert!((Duration::from_millis(500)..Duration::from_millis(1_500)).contains(&wait), "{wait:?}");
    }
}

#[test]
fn newer_firmware_has_its_power_among_the_environment_metrics() {
    let running = Machine { environment: Some(environment()), ..Machine::default() }.run();
    let answer = reader(&running.bmc()).read(&Clock::Monotonic);
    assert_eq!(values(&answer).0, [Ok(374_000)], "{:?}", answer.status);
    // Supermicro's boards for GPUs have `Power` too, with null in it.
    let null = json!({"PowerControl": [{"PowerConsumedWatts": null, "PowerMetrics": {"AverageConsumedWatts": 4925}}]});
    let running = Machine { power: Some(null), environment: Some(environment()), ..Machine::default() }.run();
    assert_eq!(values(&reader(&running.bmc()).read(&Clock::Monotonic)).0, [Ok(374_000)]);
}

#[test]
fn k08_a_value_that_is_no_power_is_a_fault_with_its_name_and_the_source_is_degraded_until_it_is_back() {
    let running = Machine { power: Some(fujitsu()), ..Machine::default() }.run();
    let answer = reader(&running.bmc()).read(&Clock::Monotonic);
    let (none, status, reason) = values(&answer);
    assert_eq!((none, status, answer.domains.is_none()), (vec![], Status::Lost, true));
    assert!(reason.contains("has no PowerConsumedWatts"), "{reason}");
    assert!(answer.status.remedy.contains("firmware"), "{:?}", answer.status);

    let running = Machine { power: Some(dell()), ..Machine::default() }.run();
    let mut reader = reader(&running.bmc());
    assert_eq!(values(&reader.read(&Clock::Monotonic)).0, [Ok(135_000)]);
    running.broken.store(true, Ordering::SeqCst);
    let mut waits = Vec::new();
    for _ in 0..3 {
        let answer = reader.read(&Clock::Monotonic);
        let (fault, status, reason) = values(&answer);
        assert_eq!((fault, status), (vec![Err(Fault::Failed)], Status::Lost), "the domain has a gap, not an old value");
        assert!(reason.contains("HTTP 503"), "{reason}");
        waits.push(answer.wait.as_secs());
    }
    assert_eq!(waits, [2, 4, 8]);
    running.broken.store(false, Ordering::SeqCst);
    let answer = reader.read(&Clock::Monotonic);
    assert_eq!((values(&answer).0, answer.status.status), (vec![Ok(135_000)], Status::Ok));
    assert!(answer.wait < Duration::from_secs(2));
}

#[test]
fn one_session_serves_all_requests_is_renewed_when_it_expires_and_is_ended() {
    let running = Machine { power: Some(dell()), locked: true, ..Machine::default() }.run();
    let mut reader = reader(&running.bmc());
    for _ in 0..3 {
        assert_eq!(values(&reader.read(&Clock::Monotonic)).0, [Ok(135_000)]);
    }
    assert_eq!(running.requests("POST"), 1);
    running.session.fetch_add(10, Ordering::SeqCst);
    assert_eq!(values(&reader.read(&Clock::Monotonic)).0, [Ok(135_000)], "in the same read");
    assert_eq!(running.requests("POST"), 2);
    reader.close();
    assert_eq!(running.requests("DELETE /redfish/v1/SessionService/Sessions/12"), 1);
}

#[test]
fn a_bmc_without_sessions_gets_the_account_with_each_request() {
    let running = Machine { power: Some(dell()), locked: true, basic: true, ..Machine::default() }.run();
    assert_eq!(values(&reader(&running.bmc()).read(&Clock::Monotonic)).0, [Ok(135_000)]);
}

#[test]
fn k08_a_refused_login_is_named_and_not_repeated_soon() {
    let running = Machine { power: Some(dell()), locked: true, ..Machine::default() }.run();
    let mut reader = reader(&Bmc::new(&running.stub.base));
    let waits: Vec<u64> = (0..3).map(|_| reader.read(&Clock::Monotonic).wait.as_secs()).collect();
    assert_eq!(waits, [60, 120, 240], "a BMC locks accounts");
    let answer = reader.read(&Clock::Monotonic);
    assert_eq!(answer.status.status, Status::Denied);
    assert!(answer.status.reason.contains("HTTP 401"), "{:?}", answer.status);
    assert!(answer.status.remedy.contains("ECO2_TOKEN_REDFISH"), "{:?}", answer.status);
}

#[test]
fn k08_bad_certificates_addresses_and_accounts_are_named_with_what_to_do() {
    let (address, pem) = tls::self_signed();
    let answer = reader(&Bmc::new(&address)).read(&Clock::Monotonic);
    assert_eq!(answer.status.status, Status::Denied, "{:?}", answer.status);
    assert!(answer.status.remedy.contains("--redfish-ca"), "{:?}", answer.status);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bmc.pem"), pem).unwrap();
    for trust in [BmcTrust::File(folder.path().join("bmc.pem")), BmcTrust::Unchecked] {
        let answer = reader(&Bmc { trust, ..Bmc::new(&address) }).read(&Clock::Monotonic);
        assert!(answer.status.reason.contains("has no Chassis"), "it was asked: {:?}", answer.status);
    }
    let refused = |bmc: Bmc| RedfishReader::new(&bmc).err().map(|status| (status.status, status.reason)).unwrap();
    let (status, reason) = refused(Bmc::new("http://bmc.example.org"));
    assert!(status == Status::Denied && reason.contains("not https"), "{reason}");
    let file = BmcTrust::File("/nonexistent/ca.pem".into());
    assert!(refused(Bmc { trust: file, ..Bmc::new("bmc") }).1.contains("/nonexistent/ca.pem"));
    let open = Err(SecretFault::Open("/etc/bmc".into()));
    assert!(refused(Bmc { account: open, ..Bmc::new("bmc") }).1.contains("chmod 600"));
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let answer = reader(&Bmc::new(&format!("http://{free}"))).read(&Clock::Monotonic);
    assert_eq!(answer.status.status, Status::Lost, "{:?}", answer.status);
}

#[test]
fn no_password_is_in_any_text() {
    let running = Machine { power: Some(dell()), locked: true, basic: true, ..Machine::default() }.run();
    let wrong = Bmc { account: Ok(Secret::new("monitor:wrong-password")), ..running.bmc() };
    let answer = reader(&wrong).read(&Clock::Monotonic);
    let text = format!("{wrong:?} {answer:?}");
    assert!(!text.contains("wrong-password") && text.contains("HTTP 401"), "{text}");
}
