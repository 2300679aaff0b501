//! Turns what NVIDIA's driver answers into faults, the reasons why there is no value; and decides when to try a driver
//! again that does not answer.
//!
//! NVML is the driver's library. Error codes and its values for "not available" each become a distinct fault.
//! Initialising loads the library again, so it is not tried often.

use super::library;
use eco2_core::Fault;
use nvml_wrapper::Device;
use nvml_wrapper::error::NvmlError;

/// Returns the fault that an NVML error means.
pub(super) fn fault(error: &NvmlError) -> Fault {
    match error {
        NvmlError::NotSupported | NvmlError::FunctionNotFound | NvmlError::FailedToLoadSymbol(_) => Fault::Unsupported,
        NvmlError::NoPermission => Fault::Denied,
        NvmlError::GpuLost | NvmlError::ResetRequired => Fault::Lost,
        NvmlError::NoData | NvmlError::NotFound => Fault::NotAvailable,
        NvmlError::Uninitialized
        | NvmlError::DriverNotLoaded
        | NvmlError::LibRmVersionMismatch
        | NvmlError::LibraryNotFound => Fault::Gone,
        _ => Fault::Failed,
    }
}

/// Asks a device. If another library shut NVML down once too often, NVML is initialised again and asked once more.
pub(super) fn ask<T>(
    device: &Device<'static>,
    question: impl Fn(&Device<'static>) -> Result<T, NvmlError>,
) -> Result<T, Fault> {
    let answer = match question(device) {
        Err(NvmlError::Uninitialized) if library::init(device.nvml()).is_ok() => question(device),
        answer => answer,
    };
    answer.map_err(|error| fault(&error))
}

/// Returns a 32-bit answer, or a fault where all its bits are set (`NVML_VALUE_NOT_AVAILABLE`).
pub(super) fn known_u32(value: u32) -> Result<u64, Fault> {
    if value == u32::MAX { Err(Fault::NotAvailable) } else { Ok(value.into()) }
}

/// Returns a 64-bit answer, or a fault where all its bits are set (`NVML_VALUE_NOT_AVAILABLE`).
pub(super) fn known_u64(value: u64) -> Result<u64, Fault> {
    if value == u64::MAX { Err(Fault::NotAvailable) } else { Ok(value) }
}

/// Returns the most informative fault where several ways of asking all failed.
pub(super) fn gravest(faults: &[Fault]) -> Fault {
    let order = [Fault::Lost, Fault::Gone, Fault::Denied, Fault::NotAvailable, Fault::Failed];
    order.into_iter().find(|fault| faults.contains(fault)).unwrap_or(Fault::Unsupported)
}

/// First pause before a driver is tried again.
const FIRST_NS: u64 = 5_000_000_000;
/// Longest pause: pauses double up to a minute.
const LONGEST_NS: u64 = 60_000_000_000;

/// When to try again. The first pause counts from the first call of `due`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retry {
    next_ns: Option<u64>,
    pause_ns: u64,
}

impl Retry {
    pub(super) const FIRST: Self = Self { next_ns: None, pause_ns: FIRST_NS };

    pub(super) fn due(&mut self, now_ns: u64) -> bool {
        now_ns >= *self.next_ns.get_or_insert(now_ns.saturating_add(self.pause_ns))
    }

    /// Returns what follows a failed attempt: twice the pause, up to a minute.
    pub(super) fn failed(self, now_ns: u64) -> Self {
        let pause_ns = (self.pause_ns * 2).min(LONGEST_NS);
        Self { next_ns: Some(now_ns.saturating_add(pause_ns)), pause_ns }
    }
}

#[cfg(test)]
mod retry_tests {
    use super::*;

    #[test]
    fn f14_pauses_double_up_to_a_minute() {
        let (mut retry, mut now) = (Retry::FIRST, 7);
        assert!(!retry.due(now));
        for seconds in [5, 10, 20, 40, 60, 60] {
            now += seconds * 1_000_000_000;
            assert!(!retry.due(now - 1) && retry.due(now), "{seconds} s");
            retry = retry.failed(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_maps_to_its_own_fault() {
        let pairs = [
            (NvmlError::NotSupported, Fault::Unsupported),
            (NvmlError::GpuLost, Fault::Lost),
            (NvmlError::NoPermission, Fault::Denied),
            (NvmlError::LibRmVersionMismatch, Fault::Gone),
            (NvmlError::Unknown, Fault::Failed),
        ];
        for (error, expected) in pairs {
            assert_eq!(fault(&error), expected, "{error}");
        }
        assert_eq!(known_u32(u32::MAX), Err(Fault::NotAvailable));
        assert_eq!(known_u64(u64::MAX), Err(Fault::NotAvailable));
        assert_eq!((known_u32(0), known_u64(7)), (Ok(0), Ok(7)));
        assert_eq!(gravest(&[Fault::Unsupported, Fault::Denied]), Fault::Denied);
    }
}
