//! Arithmetic on reports: merging, comparing, sums by time, advice, and the emissions of a run against a budget.

pub mod advice;
mod compare;
mod condensed;
mod ends;
mod esg;
mod failed;
mod figures;
mod footprint;
mod increase_check;
mod layers;
mod merge;
mod periods;
mod scope;
mod sum;
mod summaries;

pub(crate) use compare::COMMON_ERROR;
pub use compare::{
    Compared, Comparison, Difference, Figure, Grouping, Increase, LeftOut, Objective, Overlap, RunGroup, Spread,
    Verdict, compare, compare_by, comparison_json, comparison_text, increase,
};
pub use condensed::condensed;
pub use ends::{EndsCheck, check_ends};
pub(crate) use esg::{SiteKey, SiteMonth, by_site};
pub(crate) use failed::{has_failed, wasted_uj};
pub use figures::{FigureCheck, FigureDifference, check_closing, check_figures};
pub(crate) use footprint::is_measured;
pub use footprint::{BudgetCheck, Footprint, read_hf_footprint};
pub use increase_check::{IncreaseCheck, IncreaseVerdict, RunEnergy, check_increase};
pub(crate) use layers::{declared_pue, is_mean_pue, layers, pue_words};
pub(crate) use merge::{measured_once, whole_runs};
pub use merge::{merge, merge_owned, merge_without};
#[cfg(feature = "parquet")]
pub(crate) use merge::{record_identity, record_stretches};
pub use periods::{Period, PeriodSum, by_period};
pub(crate) use scope::scope_of;
pub use scope::{Scope, has_one_energy, in_scope};
pub(crate) use sum::{DeviceTime, RunSum, facility_of, sum_of_runs};
pub use summaries::{read_summaries, read_summary_group};
