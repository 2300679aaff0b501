//! What the driver's answers mean: error codes and the "not available" sentinels, each a distinct fault.

use eco2_core::Fault;
use nvml_wrapper::Device;
use nvml_wrapper::error::NvmlError;

use super::library;

/// The fault behind an NVML error.
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

/// Asks a device. If another library shut NVML down once too often, it is initialised again and asked once more.
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

/// A 32-bit answer, unless all its bits are set (`NVML_VALUE_NOT_AVAILABLE`).
pub(super) fn known_u32(value: u32) -> Result<u64, Fault> {
    if value == u32::MAX { Err(Fault::NotAvailable) } else { Ok(value.into()) }
}

/// A 64-bit answer, unless all its bits are set (`NVML_VALUE_NOT_AVAILABLE`).
pub(super) fn known_u64(value: u64) -> Result<u64, Fault> {
    if value == u64::MAX { Err(Fault::NotAvailable) } else { Ok(value) }
}

/// The most informative fault where several ways of asking all failed.
pub(super) fn gravest(faults: &[Fault]) -> Fault {
    let order = [Fault::Lost, Fault::Gone, Fault::Denied, Fault::NotAvailable, Fault::Failed];
    order.into_iter().find(|fault| faults.contains(fault)).unwrap_or(Fault::Unsupported)
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
