//! The command as its users meet it: the real program, fake hardware, no GPU and no RAPL needed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot set its stage has failed")]

mod crash;
mod doctor;
mod errors;
mod help;
mod replay;
mod report;
mod rig;
mod run;
mod signals;
mod terminal;
