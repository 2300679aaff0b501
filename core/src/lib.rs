//! The account: readings of hardware counters, turned into energy with bounds.
//!
//! This crate is arithmetic over plain data. It opens no file, starts no thread, reads no clock and knows no vendor:
//! readings come in as values ([`Reading`]), energy comes out as integers with an interval around them ([`Account`]).
//! Energy is unsigned microjoules since the meter opened, time is nanoseconds of the monotonic clock.

#![forbid(unsafe_code)]

mod account;
pub mod attribution;
pub mod batch;
mod bounded;
mod bounds;
mod budget;
mod contradiction;
mod curve;
mod domain;
mod episodes;
mod events;
mod fold;
mod forecast;
mod histogram;
#[cfg(all(test, loom))]
mod interleavings;
mod knot;
mod ledger;
mod merge;
mod model_range;
mod names;
mod notice;
mod overlap;
mod power;
mod reading;
mod scale;
mod scatter;
pub mod schema;
mod slack;
mod spans;
mod stalls;
mod sync;
mod take_over;
mod timeline;
mod track;
pub mod units;

pub use account::Account;
pub use bounded::{Bounded, Quantity, RangeKind, Ranged};
pub use budget::{Budget, Decision, Finish, Limit, Outlook, PerUnit, Policy, Spent, Unit, Usage, worst_quality};
pub use curve::{Curve, CurvePoint, CurveRecord, RunCurve};
pub use domain::{Component, CounterFault, Domain, Kind, Quality};
pub use episodes::Episodes;
pub use events::{Drained, EventConsumer, EventPool, MAX_OPEN, Producer, SpanEvent, SpanEventKind};
pub use fold::{Fold, Outcome};
pub use forecast::{Backtest, Forecaster, Projection, backtest as forecast_backtest};
pub use histogram::Histogram;
pub use knot::{Bounds, Edge, Knot};
pub use ledger::{Ledger, Mark};
pub use merge::{CounterKey, Merged, Stretch, Union, Window};
pub use model_range::ModelRange;
pub use names::{NameId, Names};
pub use notice::{Notice, NoticeKind};
pub use overlap::{is_left_out, summed, summed_now};
pub use reading::{Fault, Gap, GapReason, Gauge, Reading};
pub use scale::Scale;
pub use schema::curve_records;
pub use stalls::Stalls;
pub use timeline::{
    DomainPoint, Energies, MAX_DOMAINS, Snapshot, Timeline, TimelineReader, TimelineWriter, TooManyDomains,
};
pub use track::{Counts, Track};
