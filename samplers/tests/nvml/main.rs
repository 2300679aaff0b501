//! The NVML source against a scripted driver, through the real loader.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod deadline;
mod energy;
mod faults;
mod identity;
mod limit;
mod power;
mod resume;
mod rig;
