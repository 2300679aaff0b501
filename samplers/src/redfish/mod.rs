//! The source `redfish`: power of the whole machine, as its BMC shows it over the network.
//!
//! A BMC is the small computer in a server that watches fans and power; Redfish is its interface (HTTPS and JSON, DMTF
//! DSP0266). The source exists only where an address is given, so no request is sent without the user's wish. It is read
//! about once a second, on a thread of its own, at random instants (the range of integrated power assumes that). Its
//! domains are *host totals*: never summed, shown with what no other sensor explains.

pub(crate) mod bmc;
#[cfg(feature = "redfish")]
mod client;
#[cfg(feature = "redfish")]
mod reader;
#[cfg(all(test, feature = "redfish"))]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot set its stage has failed")]
mod tests;
#[cfg(feature = "redfish")]
mod wire;

use eco2_core::schema::Status;

use crate::found::{Found, status};
pub use bmc::{ACCOUNT, Bmc, BmcTrust, NAME};

/// Starts to read a BMC. Nothing is waited for.
#[must_use]
pub fn discover(bmc: Option<&Bmc>) -> Found {
    let Some(bmc) = bmc else {
        let remedy = "name the machine's BMC with --redfish ADDRESS";
        return Found::nothing(status(NAME, Status::Absent, "no BMC is named", remedy));
    };
    start(bmc)
}

#[cfg(feature = "redfish")]
fn start(bmc: &Bmc) -> Found {
    use crate::clock::Clock;
    use crate::slow::SlowSource;

    match reader::RedfishReader::new(bmc) {
        Ok(reader) => {
            let reason = format!("{} has not answered yet", bmc.address);
            let remedy = "wait for it: a BMC may take seconds (`eco2 doctor --self-test` takes six)";
            SlowSource::start(NAME, status(NAME, Status::Hung, &reason, remedy), reader, Clock::Monotonic)
        }
        Err(status) => Found::nothing(status),
    }
}

#[cfg(not(feature = "redfish"))]
fn start(_: &Bmc) -> Found {
    let reason = "this build cannot use the network";
    Found::nothing(status(NAME, Status::Denied, reason, "build with the feature `providers`"))
}
