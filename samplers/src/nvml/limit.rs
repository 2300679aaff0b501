//! [`HeldLimits`] reads the power limits of NVIDIA's boards, sets them for a while and puts the old ones back.
//!
//! This is the only place that changes anything on a machine. The old limits are known before the first is changed and
//! are put back when [`HeldLimits`] is dropped, by a panic's unwinding too. Setting needs root (`nvml.h`:
//! `NVML_ERROR_NO_PERMISSION` otherwise). A limit lasts until it is set again or the driver is unloaded.

use eco2_core::Fault;
use nvml_wrapper::Device;
use nvml_wrapper::error::NvmlError;

use super::fault::{ask, fault, known_u32};
use super::gpu::identify;
use super::library;
use super::raw::List;
use super::visible::{Identity, Visibility, select};
use crate::Roots;

/// Greatest difference, milliwatts, between the limit that is set and the one that holds: a board may round to whole
/// watts, the unit of `nvidia-smi -pl`.
const ROUNDED_MW: u32 = 1_000;

/// Why limits cannot be read or set.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LimitError {
    /// The driver's library does not load or answer.
    #[error("the NVIDIA driver does not answer: {0}; eco2 doctor shows what is missing")]
    Driver(#[source] NvmlError),
    /// No board to set.
    #[error("no GPU is visible; check CUDA_VISIBLE_DEVICES and nvidia-smi -L")]
    NoGpu,
    /// A board that has no limit, or none that can be set.
    #[error("{gpu}: its power limit cannot be read: {}; not every board has one", words(*fault))]
    Unreadable {
        /// UUID.
        gpu: String,
        /// The driver's error.
        fault: Fault,
    },
    /// A board refused.
    #[error("{gpu}: the power limit cannot be set to {watts} W: {}", words(*fault))]
    Refused {
        /// UUID.
        gpu: String,
        /// The limit, watts.
        watts: f64,
        /// The driver's error.
        fault: Fault,
    },
    /// A board that accepted the call and set another limit.
    #[error(
        "{gpu}: the power limit was set to {watts} W, and the board reports {found} W: does another program set it too?"
    )]
    NotTaken {
        /// UUID.
        gpu: String,
        /// The limit that was set, watts.
        watts: f64,
        /// The one that holds, watts.
        found: f64,
    },
    /// The old limits are back already.
    #[error("the old power limits have been restored; none is set any more")]
    Restored,
}

fn words(fault: Fault) -> &'static str {
    match fault {
        Fault::Denied => "permission denied; run as root (sudo)",
        Fault::Unsupported => "not supported by this board or driver",
        Fault::Lost | Fault::Gone => "the GPU is gone",
        _ => "the driver refused",
    }
}

/// One board and its power limits, milliwatts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoardLimit {
    /// UUID.
    pub uuid: String,
    /// Board name.
    pub name: String,
    /// The limit that is set.
    pub now_mw: u32,
    /// The least that may be set.
    pub min_mw: u32,
    /// The most that may be set.
    pub max_mw: u32,
}

/// Boards whose limits may be changed, and are put back when this is dropped.
pub struct HeldLimits {
    boards: Vec<(Device<'static>, BoardLimit)>,
    /// Whether a limit may differ from the old one.
    changed: bool,
    /// Whether the old limits were put back for good.
    over: bool,
}

impl std::fmt::Debug for HeldLimits {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { changed, over, .. } = self;
        out.debug_struct("HeldLimits")
            .field("boards", &self.boards())
            .field("changed", changed)
            .field("over", over)
            .finish()
    }
}

impl HeldLimits {
    /// Reads the limits of the GPUs that are visible. Changes nothing. May hang as long as the driver does.
    ///
    /// # Errors
    /// [`LimitError`] where there is no driver, no GPU, or one without a limit.
    pub fn open(roots: &Roots, visibility: &Visibility) -> Result<Self, LimitError> {
        let nvml = library::load(roots.nvml.as_deref()).map_err(LimitError::Driver)?;
        let listed = List::ask(nvml).map_err(LimitError::Driver)?;
        let devices =
            listed.devices.into_iter().filter_map(|listed| Some((identify(&listed.device).ok()?, listed.device)));
        let (known, devices): (Vec<Identity>, Vec<Device<'static>>) = devices.unzip();
        let (selection, _) = select(visibility, &known);
        let boards = known.iter().zip(devices).filter(|(identity, _)| selection.includes(&identity.uuid));
        let boards = boards.map(|(identity, device)| Ok((read(&device, identity)?, device)));
        let boards = boards.collect::<Result<Vec<_>, LimitError>>()?;
        if boards.is_empty() {
            return Err(LimitError::NoGpu);
        }
        let boards = boards.into_iter().map(|(limit, device)| (device, limit)).collect();
        Ok(Self { boards, changed: false, over: false })
    }

    /// Returns the boards with the limits that they had.
    #[must_use]
    pub fn boards(&self) -> Vec<&BoardLimit> {
        self.boards.iter().map(|(_, limit)| limit).collect()
    }

    /// Returns the least and the most that every board allows, milliwatts; `None` where they have no limit in common.
    #[must_use]
    pub fn allowed_mw(&self) -> Option<(u32, u32)> {
        let min = self.boards.iter().map(|(_, limit)| limit.min_mw).max()?;
        let max = self.boards.iter().map(|(_, limit)| limit.max_mw).min()?;
        (min <= max).then_some((min, max))
    }

    /// Sets every board's limit to what it is, to find out whether it may be set before anything changes.
    ///
    /// # Errors
    /// [`LimitError::Refused`] by the first board that refuses.
    pub fn probe(&mut self) -> Result<(), LimitError> {
        self.boards.iter_mut().try_for_each(|(device, board)| set(device, board, board.now_mw))
    }

    /// Sets one limit on every board, milliwatts.
    ///
    /// # Errors
    /// [`LimitError::Refused`] by the first board that refuses, [`LimitError::NotTaken`] by one whose limit is another
    /// afterwards: those before it are set, and stay held.
    /// [`LimitError::Restored`] after [`HeldLimits::restore`].
    pub fn set(&mut self, limit_mw: u32) -> Result<(), LimitError> {
        if self.over {
            return Err(LimitError::Restored);
        }
        for (device, board) in &mut self.boards {
            // Before the call: a call that fails half-way may have changed the limit.
            self.changed = true;
            set(device, board, limit_mw)?;
        }
        Ok(())
    }

    /// Sets every board's old limit, for now: others may be set afterwards.
    ///
    /// # Errors
    /// As [`HeldLimits::set`].
    pub fn set_old(&mut self) -> Result<(), LimitError> {
        if self.over {
            return Err(LimitError::Restored);
        }
        let outcome = self.restore();
        self.over = false;
        outcome
    }

    /// Puts the old limits back, on every board, even if another fails; final: nothing is set afterwards.
    ///
    /// # Errors
    /// The first board's that refused, or has another limit afterwards; a later call tries again.
    pub fn restore(&mut self) -> Result<(), LimitError> {
        self.over = true;
        if !self.changed {
            return Ok(());
        }
        let mut outcome = Ok(());
        for (device, board) in &mut self.boards {
            let old_mw = board.now_mw;
            outcome = outcome.and(set(device, board, old_mw));
        }
        self.changed = outcome.is_err();
        outcome
    }
}

impl Drop for HeldLimits {
    fn drop(&mut self) {
        // No caller is left to receive an error; call `restore` before to get it.
        let _ = self.restore();
    }
}

fn read(device: &Device<'static>, identity: &Identity) -> Result<BoardLimit, LimitError> {
    let unreadable = |fault| LimitError::Unreadable { gpu: identity.uuid.clone(), fault };
    let now_mw = limit_mw(device).map_err(unreadable)?;
    let allowed = ask(device, Device::power_management_limit_constraints).map_err(unreadable)?;
    let known = |milliwatts| known_mw(milliwatts).map_err(unreadable);
    let (min_mw, max_mw) = (known(allowed.min_limit)?, known(allowed.max_limit)?);
    let (uuid, name) = (identity.uuid.clone(), identity.name.clone());
    Ok(BoardLimit { uuid, name, now_mw, min_mw, max_mw })
}

fn limit_mw(device: &Device<'static>) -> Result<u32, Fault> {
    ask(device, Device::power_management_limit).and_then(known_mw)
}

fn known_mw(milliwatts: u32) -> Result<u32, Fault> {
    known_u32(milliwatts).and_then(|value| u32::try_from(value).map_err(|_| Fault::Failed))
}

/// Sets a limit, and looks whether it holds: a "yes" alone is not believed.
fn set(device: &mut Device<'static>, board: &BoardLimit, to_mw: u32) -> Result<(), LimitError> {
    let (gpu, watts) = (board.uuid.clone(), f64::from(to_mw) / 1e3);
    if let Err(error) = device.set_power_management_limit(to_mw) {
        return Err(LimitError::Refused { gpu, watts, fault: fault(&error) });
    }
    match limit_mw(device) {
        Ok(found_mw) if found_mw.abs_diff(to_mw) < ROUNDED_MW => Ok(()),
        Ok(found_mw) => Err(LimitError::NotTaken { gpu, watts, found: f64::from(found_mw) / 1e3 }),
        Err(fault) => Err(LimitError::Unreadable { gpu, fault }),
    }
}
