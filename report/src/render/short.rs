//! Writes the short summary of a report, which `eco2 run`, `eco2 demo` and `eco2 show` print: about ten lines, in which energy and
//! emissions always have the same place. The full text ([`super::text`]) has the rest.
//!
//! A *row* is a label, a value, and a remark on the value. A *notice* is a line that asks the reader to act.

mod hardware;
mod headline;
mod layout;
mod live;
mod notice;
mod notices;
mod summary;

pub(super) use layout::shortened;
pub use layout::{ShortStyle, ShortText};
pub use live::{LiveValues, live_text};
pub use notice::Notice;
pub use summary::short_text;
