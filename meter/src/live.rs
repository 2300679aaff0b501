//! The live half of a run: the data that the sampling thread collects while the run goes on. It does not depend on options, prices
//! or alerts, which are in `run`.

pub(crate) mod engine;
pub(crate) mod episodes;
pub(crate) mod gauges;
pub(crate) mod journal;
pub(crate) mod publish;
pub(crate) mod sharing;
mod spool;
pub(crate) mod stored_test;
pub(crate) mod thread_rings;
pub(crate) mod wall;
