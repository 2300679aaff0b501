//! The command as its users meet it: the real program, fake hardware, no GPU and no RAPL needed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot set its stage has failed")]

mod bmc;
mod calibration;
mod check_budget;
mod compare;
mod config;
mod crash;
mod doctor;
mod errors;
#[cfg(feature = "parquet")]
mod export;
mod failing_calls;
mod files;
#[cfg(feature = "serve")]
mod full_folder;
mod help;
mod identity;
mod intensity;
#[cfg(feature = "serve")]
mod job;
mod live;
mod manual;
#[cfg(feature = "serve")]
mod meters;
mod optimize;
mod pages;
mod plan;
mod push;
mod ranks;
mod replay;
mod report;
mod repriced;
mod rig;
mod run;
mod runs;
mod self_test;
mod sensors;
#[cfg(feature = "serve")]
mod serve;
mod signals;
mod sources;
mod statements;
#[path = "../../../net/tests/stub/mod.rs"]
mod stub;
mod supplements;
mod terminal;
#[cfg(feature = "serve")]
mod through_agent;
#[cfg(feature = "serve")]
mod top;
mod trust;
mod ui;
mod verify;
mod webhook;
