//! [`IpmiReader`] reads the machine's power through an IPMI device, or reports why it cannot.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use eco2_core::schema::{SourceStatus, Status};
use eco2_core::{Component, Domain, Fault, Reading, Scale};

use super::dcmi::{self, DcmiFault, NAME};
use super::device::{Ioctl, IpmiDevice};
use crate::clock::Clock;
use crate::found::status;
use crate::slow::{PASSING, SlowAnswer, SlowReader, usual_wait};

/// A time stamp that has advanced before, and does not for this long, is that of an old value: BMCs measure every second.
const STALE_NS: u64 = 10_000_000_000;
/// The kernel tries a busy BMC four times, five seconds each; a reply that is later than this is not waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// Wait after a refusal that remains until the user changes something.
const LASTING: Duration = Duration::from_secs(300);

/// Why there is no value.
#[derive(Debug, thiserror::Error)]
enum IpmiError {
    #[error("it cannot be opened: {0}")]
    Open(io::Error),
    #[error("the request failed: {0}")]
    Request(io::Error),
    #[error("the BMC did not answer within 5 s")]
    TimedOut,
    #[error(transparent)]
    Dcmi(#[from] DcmiFault),
    #[error("the BMC repeats a value that is more than 10 s old")]
    Stale,
}

/// Reads one device.
pub(super) struct IpmiReader {
    path: PathBuf,
    ioctl: Ioctl,
    patience: Duration,
    /// `None`: not open (yet, or after a failure).
    device: Option<IpmiDevice>,
    domain: Domain,
    is_announced: bool,
    /// The BMC's time stamps so far.
    stamps: Option<Stamps>,
    /// Failures in a row.
    failures: u32,
}

/// The last time stamp of a BMC.
#[derive(Debug, Clone, Copy)]
struct Stamps {
    last_s: u32,
    /// When it was seen first, nanoseconds of our clock.
    since_ns: u64,
    /// Whether time stamps of this BMC advance at all.
    advance: bool,
}

impl IpmiReader {
    /// Returns a reader that has not opened the device yet.
    pub(super) fn new(path: PathBuf, ioctl: Ioctl) -> Self {
        let file = path.file_name().map_or_else(|| "ipmi".into(), |name| name.to_string_lossy().into_owned());
        let domain = Domain {
            name: "machine (BMC)".to_owned(),
            scale: Scale::UNIT,
            ..Domain::power(&file, Component::Other, Domain::HOST, NAME)
        };
        Self { path, ioctl, patience: PATIENCE, device: None, domain, is_announced: false, stamps: None, failures: 0 }
    }

    /// Returns the reader with another time for which replies are waited for.
    #[cfg(test)]
    pub(super) fn waiting(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Returns the power now, watts.
    fn watts(&mut self, clock: &Clock) -> Result<u16, IpmiError> {
        let device = match &mut self.device {
            Some(device) => device,
            None => {
                self.device.insert(IpmiDevice::open(&self.path, self.ioctl, self.patience).map_err(IpmiError::Open)?)
            }
        };
        let reply = device.exchange(dcmi::NET_FN, dcmi::COMMAND, &dcmi::REQUEST).map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => IpmiError::TimedOut,
            _ => IpmiError::Request(error),
        });
        if reply.is_err() {
            // Opened again: the driver may have been loaded again.
            self.device = None;
        }
        let power = dcmi::power(&reply?)?;
        match power.stamp_s {
            Some(stamp_s) if self.is_stale(stamp_s, clock.now_ns()) => Err(IpmiError::Stale),
            _ => Ok(power.watts),
        }
    }

    /// Whether a time stamp shows that the BMC repeats an old value.
    fn is_stale(&mut self, stamp_s: u32, now_ns: u64) -> bool {
        let stamps = self.stamps.get_or_insert(Stamps { last_s: stamp_s, since_ns: now_ns, advance: false });
        if stamps.last_s != stamp_s {
            *stamps = Stamps { last_s: stamp_s, since_ns: now_ns, advance: true };
        }
        stamps.advance && now_ns.saturating_sub(stamps.since_ns) > STALE_NS
    }

    /// Returns the status and the wait after a failure.
    fn failed(&mut self, error: &IpmiError) -> (SourceStatus, Duration) {
        let before = self.failures;
        self.failures = before.saturating_add(1);
        let (state, remedy) = match error {
            IpmiError::Open(error) if error.kind() == io::ErrorKind::NotFound => {
                (Status::Absent, "load the driver: sudo modprobe -a ipmi_si ipmi_devintf")
            }
            IpmiError::Open(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                (Status::Denied, "run eco2 as root, or give this user access: sudo setfacl -m u:USER:rw DEVICE")
            }
            IpmiError::TimedOut => (Status::Hung, "see whether `ipmitool dcmi power reading` works; restart the BMC"),
            IpmiError::Dcmi(DcmiFault::NoDcmi(_)) => (Status::Absent, "read the BMC by Redfish (--redfish)"),
            IpmiError::Dcmi(DcmiFault::Refused) => (Status::Denied, "read the BMC by Redfish (--redfish)"),
            IpmiError::Dcmi(DcmiFault::Inactive) => (Status::Lost, "switch on power monitoring in the BMC's settings"),
            _ => (Status::Lost, "see whether `ipmitool dcmi power reading` works; read the BMC by Redfish (--redfish)"),
        };
        let wait = match state {
            Status::Absent | Status::Denied => LASTING,
            _ => PASSING.wait(before),
        };
        (status(NAME, state, &format!("{}: {error}", self.path.display()), remedy), wait)
    }
}

impl SlowReader for IpmiReader {
    fn read(&mut self, clock: &Clock) -> SlowAnswer {
        let before_ns = clock.now_ns();
        let watts = self.watts(clock);
        let after_ns = clock.now_ns();
        let reason = format!("reads {} by {}", self.domain.id, self.path.display());
        let (mut state, mut wait) = (status(NAME, Status::Ok, &reason, ""), usual_wait());
        let value = match watts {
            Ok(watts) => {
                self.failures = 0;
                Ok(u64::from(watts))
            }
            Err(error) => {
                (state, wait) = self.failed(&error);
                Err(fault_of(&error))
            }
        };
        let is_new = value.is_ok() && !self.is_announced;
        self.is_announced |= is_new;
        let domains = is_new.then(|| vec![self.domain.clone()]);
        let readings = if self.is_announced { vec![(0, Reading { before_ns, after_ns, value })] } else { Vec::new() };
        SlowAnswer { domains, readings, status: state, wait }
    }
}

/// Returns the fault of a reading that failed for this reason.
fn fault_of(error: &IpmiError) -> Fault {
    match error {
        IpmiError::Open(error) if error.kind() == io::ErrorKind::PermissionDenied => Fault::Denied,
        IpmiError::Open(_) => Fault::Gone,
        IpmiError::Request(_) => Fault::Failed,
        IpmiError::TimedOut => Fault::Hung,
        IpmiError::Dcmi(DcmiFault::NoDcmi(_)) => Fault::Unsupported,
        IpmiError::Dcmi(DcmiFault::Refused) => Fault::Denied,
        IpmiError::Dcmi(DcmiFault::Busy | DcmiFault::Inactive | DcmiFault::NoPower(_)) | IpmiError::Stale => {
            Fault::NotAvailable
        }
        IpmiError::Dcmi(_) => Fault::Failed,
    }
}
