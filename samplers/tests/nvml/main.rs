//! The NVML source against a scripted driver, through the real loader.

mod deadline;
mod energy;
mod faults;
mod identity;
mod power;
mod rig;
