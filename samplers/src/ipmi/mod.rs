//! The source `ipmi`: power of the whole machine, as its BMC shows it through the kernel's IPMI device.
//!
//! A BMC is the small computer in a server that watches fans and power. Its reading by DCMI is a *host total*: never summed,
//! shown with what no other sensor explains. The source exists only where a device is named: on many machines each request
//! keeps a kernel thread (`kipmi0`) busy for some milliseconds. It is read about once a second, on a thread of its own.

mod dcmi;
mod device;
mod reader;
#[cfg(test)]
mod tests;

use std::path::Path;

use eco2_core::schema::Status;

use crate::clock::Clock;
use crate::found::{Found, status};
use crate::slow::SlowSource;
pub(crate) use dcmi::NAME;
use reader::IpmiReader;

/// Starts to read a device. Nothing is waited for.
pub(crate) fn discover(device: Option<&Path>) -> Found {
    let Some(path) = device else {
        let remedy = "name the device with --ipmi /dev/ipmi0";
        return Found::nothing(status(NAME, Status::Absent, "no IPMI device is named", remedy));
    };
    let waiting = format!("{} has not answered yet", path.display());
    let waiting = status(NAME, Status::Hung, &waiting, "wait for it: a BMC may take seconds");
    SlowSource::start(NAME, waiting, IpmiReader::new(path.to_owned(), device::kernel), Clock::Monotonic)
}
