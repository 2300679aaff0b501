//! The report as data: schema `eco2.report/1`. Fields are added, never renamed.
//!
//! Energies are integer microjoules. `None` (JSON `null`) means *not known*: a missing high bound is "at least the low
//! bound", a missing value is not zero. Crate `eco2-report` renders and stores reports.

mod carbon;
mod curves;
mod device;
mod energy;
mod event_kind;
mod events;
mod host_total;
mod ranges;
mod run;
mod supplements;
mod terms;
mod whole;

pub use carbon::{Carbon, CarbonSegment, ProviderCache};
pub use curves::records as curve_records;
pub use device::{CrossCheck, Device, GapRecord, GaugeSummary, Quantiles, ReplacedPart};
pub use energy::{Attribution, Consumer, DeviceSync, Energy, SpanRecord, SpanTimeRecord, StepCurve};
pub use event_kind::EventKind;
pub use events::{EpisodeRecord, EventRecord, SelfCost, SourceStatus, Status};
pub use host_total::{Compared, HostTotal};
pub use ranges::stated;
pub use run::{Attempt, Host, RecordEnding, Run, State, Tool, Work};
pub use supplements::{CarbonPrice, Cost, Embodied, Equivalent, Market, Offset, Sci, Supplements, Water};
pub use terms::{EmbodiedTerms, MarketTerms, PriceTerms, RepricedFrom};
pub use whole::{BudgetRecord, CounterRecord, ForecastRecord, Merge, Replayed, Report, SCHEMA};
