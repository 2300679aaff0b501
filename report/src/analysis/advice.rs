//! Suggests what to change about a run, for `eco2 optimize`, from the values that were measured in it.
//!
//! Each [`Advice`] contains its evidence, the possible saving with an interval, and a command that tests it. No rule of
//! thumb is used: a topic without measurements becomes a [`NotAssessed`] with the reason. All of it is arithmetic on a
//! report; carbon-intensity series and zones come from the caller.

mod advise;
mod calibrated;
mod document;
mod elsewhere;
mod measured;
pub mod sweep;
mod types;

pub use advise::advise;
pub use elsewhere::{AdviceInputs, Hours, Region};
pub use types::{Advice, Claim, Evidence, NotAssessed, Saving, Suggestions, Topic, combined_percent, shell_word};
