//! The options of a measured run ([`Options`]), and the order of the origins that may set them.
//!
//! From the strongest origin to the weakest: code and flags, the environment (`ECO2_*`), `./eco2.toml`,
//! `$XDG_CONFIG_HOME/eco2/config.toml`, `/etc/eco2/config.toml`, and the defaults. The settings of one origin are a [`Layer`].
//! [`Options::resolve`] combines layers: for each option (and each label) the strongest origin wins, and is remembered.
//! A project's file may not set every option: see [`Effect`]. Only [`Options::load`] and [`Options::load_with`] read files.
//! Nothing here prints. Each option is declared once, by a [`Row`].
//!
//! ```
//! use eco2::options::{Options, Origin, opt};
//!
//! let file = Options::from_toml("zone = \"DE\"\npue = 1.2", Origin::project("eco2.toml"))?;
//! let (environment, warnings) = Options::from_env([("ECO2_ZONE", "FR")])?;
//! let options = Options::resolve([file, environment])?;
//! assert_eq!((options.zone.as_deref(), options.pue), (Some("FR"), 1.2));
//! assert_eq!(options.origin(&opt::ZONE).to_string(), "ECO2_ZONE");
//! assert_eq!(options.origin(&opt::PUE).to_string(), "eco2.toml:2");
//! assert!(warnings.is_empty());
//! # Ok::<(), eco2::options::OptionsError>(())
//! ```

mod env;
mod error;
mod field;
mod input;
mod layer;
mod load;
mod origin;
mod parse;
mod push_kind;
mod resolve;
mod row;
mod rows;
mod rows_supplements;
mod text;
mod trust;
mod webhook_form;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod trust_tests;

pub use env::{PARENT_PART, Warning};
pub use error::OptionsError;
pub use field::{Log, SummaryLength};
pub use input::Input;
pub use layer::Layer;
pub use origin::{Level, Origin};
pub(crate) use parse::LEAST_KWH;
pub use parse::{PROVIDERS, SOURCES, WEBHOOKS};
pub(crate) use push_kind::{OTEL_ENDPOINT, PushKind};
pub use row::{Effect, Flag, Row, Subject, Takes};
pub use rows::{Budget, Options, opt};
pub use rows_supplements::Supplements;
pub use trust::Refused;
pub(crate) use webhook_form::WebhookForm;
