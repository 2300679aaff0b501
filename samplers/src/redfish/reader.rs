//! [`RedfishReader`] finds the power sensors of a BMC and reads them, or reports why it cannot.

use std::time::Duration;

use eco2_core::schema::{SourceStatus, Status};
use eco2_core::{Component, Domain, Fault, Reading, Scale};
use eco2_net::{Backoff, NetError, Outage};
use serde_json::Value;

use super::bmc::{ACCOUNT, Bmc, BmcTrust, NAME};
use super::client::{Client, RequestError};
use super::wire::{self, Chassis, PowerField, ReplyFault};
use crate::clock::Clock;
use crate::found::status;
use crate::slow::{PASSING, SlowAnswer, SlowReader, usual_wait};

/// Waits after a refused login: a BMC locks accounts after a few of them.
const REFUSED: Backoff = Backoff::new(Duration::from_secs(60), Duration::from_secs(3600));
/// Chassis that are looked at, and sensors that are read: a BMC watches one machine, and a blade centre a few.
const MAX_CHASSIS: usize = 32;
const MAX_SENSORS: usize = 4;

/// Reads the power sensors of one BMC.
pub(super) struct RedfishReader {
    bmc: Bmc,
    client: Client,
    sensors: Vec<Sensor>,
    /// Failures in a row.
    failures: u32,
}

/// One power sensor.
struct Sensor {
    path: String,
    field: PowerField,
    domain: Domain,
}

impl RedfishReader {
    /// Returns a reader that has sent nothing yet.
    ///
    /// # Errors
    /// The status of a source whose options cannot be used.
    pub(super) fn new(bmc: &Bmc) -> Result<Self, SourceStatus> {
        let denied = |reason: &str, remedy: &str| status(NAME, Status::Denied, reason, remedy);
        if let Err(fault) = &bmc.account {
            return Err(denied(&fault.to_string(), "the account is the text USER:PASSWORD"));
        }
        let client = Client::new(bmc).map_err(|error| {
            denied(
                &format!("{}: {error}", bmc.address),
                "name the BMC as https://HOST, with a readable certificate file",
            )
        })?;
        Ok(Self { bmc: bmc.clone(), client, sensors: Vec::new(), failures: 0 })
    }

    /// Finds the sensors: those of the chassis that hold a computer system, else those of all.
    fn find(&mut self) -> Result<Vec<Sensor>, RequestError> {
        let root = self.client.root()?;
        let chassis = wire::path(root.get("Chassis")).ok_or(ReplyFault::Missing("Chassis"))?;
        let members = wire::members(&self.client.get(&chassis)?)?;
        let mut found: Vec<Chassis> = Vec::new();
        for path in members.iter().take(MAX_CHASSIS) {
            found.push(wire::chassis(&self.client.get(path)?));
        }
        let is_host = |chassis: &Chassis| chassis.holds_system;
        if found.iter().any(|chassis| is_host(chassis) && !chassis.fields.is_empty()) {
            found.retain(is_host);
        }
        let (mut sensors, mut first_fault) = (Vec::new(), None);
        for chassis in &found {
            for (field, path) in &chassis.fields {
                let reply = self.client.get(path);
                match reply.and_then(|reply| Ok((wire::watts(&reply, *field)?, reply))) {
                    Ok((_, reply)) => {
                        sensors.push(sensor(chassis, *field, path, &reply));
                        break;
                    }
                    Err(error) => {
                        first_fault.get_or_insert(error);
                    }
                }
            }
        }
        sensors.truncate(MAX_SENSORS);
        match first_fault {
            _ if !sensors.is_empty() => Ok(sensors),
            Some(fault) => Err(fault),
            None => Err(ReplyFault::Missing("Power").into()),
        }
    }

    /// Reads one sensor.
    fn watts(&mut self, at: usize) -> Result<f64, RequestError> {
        let Sensor { path, field, .. } = &self.sensors[at];
        Ok(wire::watts(&self.client.get(path)?, *field)?)
    }

    /// Returns the status and the wait after a failure.
    fn failed(&mut self, error: &RequestError) -> (SourceStatus, Duration) {
        let before = self.failures;
        self.failures = before.saturating_add(1);
        let wait = match error {
            RequestError::Net(error) => match error.outage() {
                Outage::Lasting => REFUSED.wait(before),
                Outage::Until(at_least) => PASSING.wait(before).max(at_least),
                Outage::Passing => PASSING.wait(before),
            },
            RequestError::Reply(_) => PASSING.wait(before),
        };
        (self.status_of(error), wait)
    }

    /// Returns the status of the source while requests fail: what is wrong, and what to do.
    fn status_of(&self, error: &RequestError) -> SourceStatus {
        let address = &self.bmc.address;
        let log_in = format!(
            "set {ACCOUNT} to USER:PASSWORD of an account of the BMC that may log in and read, or {ACCOUNT}_FILE to a file of mode 0600 with it"
        );
        let reach = "check the address, and whether this machine reaches the BMC's network port";
        let certificate = match self.bmc.trust {
            BmcTrust::File(_) => "name the certificate that the BMC has now, and the BMC by a name that is in it",
            _ => {
                "name the BMC's certificate with --redfish-ca FILE, or give --redfish-insecure on a network that you trust"
            }
        };
        let (state, remedy) = match error {
            RequestError::Net(NetError::Refused(_)) => (Status::Denied, log_in.as_str()),
            RequestError::Net(NetError::Tls) => (Status::Denied, certificate),
            RequestError::Net(NetError::Timeout) => (Status::Hung, reach),
            RequestError::Net(NetError::Redirect) => (Status::Denied, "name the address to which the BMC points"),
            RequestError::Net(NetError::Status(404)) => {
                (Status::Absent, "check that the address is that of a BMC with Redfish")
            }
            RequestError::Net(_) => (Status::Lost, reach),
            RequestError::Reply(_) => (Status::Lost, "update the BMC's firmware, or read its power by IPMI (--ipmi)"),
        };
        status(NAME, state, &format!("{address}: {error}"), remedy)
    }

    fn names(&self) -> String {
        self.sensors.iter().map(|sensor| sensor.domain.id.as_str()).collect::<Vec<_>>().join(", ")
    }
}

impl SlowReader for RedfishReader {
    fn read(&mut self, clock: &Clock) -> SlowAnswer {
        let mut answer = SlowAnswer {
            domains: None,
            readings: Vec::new(),
            status: status(NAME, Status::Ok, "", ""),
            wait: usual_wait(),
        };
        if self.sensors.is_empty() {
            match self.find() {
                Ok(sensors) => {
                    answer.domains = Some(sensors.iter().map(|sensor| sensor.domain.clone()).collect());
                    self.sensors = sensors;
                }
                Err(error) => {
                    (answer.status, answer.wait) = self.failed(&error);
                    return answer;
                }
            }
        }
        let mut fault = None;
        for at in 0..self.sensors.len() {
            let before_ns = clock.now_ns();
            let watts = self.watts(at);
            let after_ns = clock.now_ns();
            let value = watts.map(|watts| (watts * 1000.0).round() as u64).map_err(|error| {
                let why = fault_of(&error);
                fault.get_or_insert(error);
                why
            });
            answer.readings.push((at, Reading { before_ns, after_ns, value }));
        }
        match fault {
            Some(error) => (answer.status, answer.wait) = self.failed(&error),
            None => {
                self.failures = 0;
                answer.status.reason = format!("reads {} of {}", self.names(), self.bmc.address);
            }
        }
        answer
    }

    fn close(&mut self) {
        self.client.log_out();
    }
}

/// Returns the fault of a reading that failed for this reason.
fn fault_of(error: &RequestError) -> Fault {
    match error {
        RequestError::Net(NetError::Refused(_) | NetError::Tls) => Fault::Denied,
        RequestError::Net(NetError::Timeout) => Fault::Hung,
        RequestError::Net(_) => Fault::Failed,
        RequestError::Reply(ReplyFault::Missing(_) | ReplyFault::Zero { .. } | ReplyFault::Disabled(_)) => {
            Fault::NotAvailable
        }
        RequestError::Reply(_) => Fault::Failed,
    }
}

/// Returns the sensor of a chassis. A capacity of its power supplies makes larger values implausible; it bounds nothing.
fn sensor(chassis: &Chassis, field: PowerField, path: &str, reply: &Value) -> Sensor {
    let name = if chassis.name.is_empty() { "machine".to_owned() } else { chassis.name.clone() };
    let domain = Domain {
        name: format!("{name} (BMC)"),
        scale: Scale::MILLI,
        ceiling_uw: Some((wire::most_w(reply) * 1e6) as u64),
        ..Domain::power(&format!("redfish-{}", chassis.id), Component::Other, Domain::HOST, NAME)
    };
    Sensor { path: path.to_owned(), field, domain }
}
