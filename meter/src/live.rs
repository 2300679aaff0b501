//! What the sampling thread feeds while a run goes on: ledger, rings, timeline, journal. Nothing here knows options, prices or
//! alerts.

pub(crate) mod engine;
pub(crate) mod episodes;
pub(crate) mod gauges;
pub(crate) mod journal;
pub(crate) mod publish;
pub(crate) mod sharing;
pub(crate) mod source_states;
mod spool;
pub(crate) mod stored_test;
pub(crate) mod thread_rings;
pub(crate) mod wall;
