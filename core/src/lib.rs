//! Computes energy with bounds from the readings of hardware counters and power sensors.
//!
//! This crate is arithmetic over plain data. It opens no file, starts no thread, reads no clock and knows no vendor:
//! readings come in as values ([`Reading`]), energy comes out as integers with an interval around them ([`Account`]).
//! Energy is unsigned microjoules since the meter opened, time is nanoseconds of the monotonic clock.
//!
//! Terms:
//! - *source*: an interface that is read, such as NVML or RAPL. *Domain*: one counter or sensor of a device ([`Domain`]).
//! - *wrap*: a counter passes the end of its range and goes on at 0. *Reset*: it starts again. *Segment*: its time between
//!   two resets. *Fold*: the running total of a counter, over wraps and resets ([`Fold`]).
//! - *knot*: a change of a counter, with the two instants between which it happened, its *bracket* ([`Knot`]).
//! - *track*: a domain's total, its last knots and its gaps ([`Track`]). *Gap*: a time in which no reading shows the energy.
//! - *edge*: an instant at which a span starts or ends, with the energy until then ([`Edge`]). It is *settled* when the
//!   domain's next knot has arrived, so that the energy is final.
//! - *free* bounds: they use no assumption on power. *Limited* bounds: they use the device's stated power limits.
//! - *span*: a named part of the run. *Ledger*: all tracks and spans of a run ([`Ledger`]). *Account*: the energies of a
//!   run at an instant, computed from the ledger ([`Account`]). *Curve*: the energy over the run's time ([`Curve`]).
//! - *deputy*: a sensor or estimate that counts for one that has stopped working, its *chief*.
//! - *stretch*: what one process read of a counter, kept for merging reports ([`Stretch`]).

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
mod host_total;
#[cfg(all(test, loom))]
mod interleavings;
mod knot;
mod ledger;
mod live_points;
mod merge;
mod model_range;
mod names;
mod notice;
mod overlap;
mod part_share;
mod period;
mod power;
pub mod quantity;
mod reading;
mod run_ends;
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
pub use curve::{Curve, CurveCursor, CurvePoint, CurveRecord, RunCurve};
pub use domain::{Component, CounterFault, Domain, Kind, Quality};
pub use episodes::Episodes;
pub use events::{Drained, EventConsumer, EventPool, MAX_OPEN, Producer, SpanEvent, SpanEventKind};
pub use fold::{Fold, Outcome};
pub use forecast::{Backtest, Forecaster, Projection, SteadyPart, backtest as forecast_backtest, steady_part};
pub use histogram::Histogram;
pub use knot::{Bounds, Edge, Knot};
pub use ledger::{Ledger, Mark};
pub use live_points::LivePoints;
pub use merge::{CounterKey, Merged, Stretch, Union, Window};
pub use model_range::ModelRange;
pub use names::{NameId, Names, cut_text};
pub use notice::{Notice, NoticeKind};
pub use overlap::{Shown, is_left_out, summed, summed_now};
pub use period::UpdatePeriod;
pub use reading::{Fault, Gap, GapReason, Gauge, Reading};
pub use run_ends::{CountChange, CountRange, DeviceEnergy, DomainEnds, EndCount, RunEnds};
pub use scale::Scale;
pub use schema::curve_records;
pub use stalls::Stalls;
pub use timeline::{
    DomainPoint, Energies, MAX_DOMAINS, Margins, Snapshot, Timeline, TimelineLine, TimelineReader, TimelineWriter,
    TooManyDomains, timeline_lines,
};
pub use track::{Counts, Track};
