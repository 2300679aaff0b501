//! Flags that set options, for every command.
//!
//! A *row* (`eco2::options::Row`) defines an option: its name, type, range, help and flag. This file makes the clap argument
//! of a row, and puts the values of the command line into a *layer*: the options that one origin sets.

use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;

use clap::builder::{PathBufValueParser, PossibleValuesParser, StringValueParser, ValueParser};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};
use eco2::options::{Input, Layer, OptionsError, Origin, Row, Subject, Takes, opt};

/// A group of options that commands take as flags, in the order of the help.
pub(crate) trait OptionFlags {
    /// The rows.
    const ROWS: &'static [&'static Row];

    /// Changes a row's flag for this group, such as its help.
    fn adapted(_row: &'static Row, flag: Arg) -> Arg {
        flag
    }
}

/// Name and labels of a run.
#[derive(Debug, Clone)]
pub(crate) struct RunIdentityFlags;

impl OptionFlags for RunIdentityFlags {
    const ROWS: &'static [&'static Row] = &[&opt::NAME, &opt::LABELS];
}

/// Length of the summary of a report.
#[derive(Debug, Clone)]
pub(crate) struct SummaryFlags;

impl OptionFlags for SummaryFlags {
    const ROWS: &'static [&'static Row] = &[&opt::SUMMARY];
}

/// Whose energy is shown.
#[derive(Debug, Clone)]
pub(crate) struct ScopeFlags;

impl OptionFlags for ScopeFlags {
    const ROWS: &'static [&'static Row] = &[&opt::SCOPE];
}

/// Carbon intensity of a run.
#[derive(Debug, Clone)]
pub(crate) struct PriceFlags;

impl OptionFlags for PriceFlags {
    const ROWS: &'static [&'static Row] = &[
        &opt::ZONE,
        &opt::INTENSITY,
        &opt::INTENSITY_SERIES,
        &opt::INTENSITY_COLUMN,
        &opt::INTENSITY_PROVIDER,
        &opt::PROVIDER_ZONE,
        &opt::PROVIDER_URL,
        &opt::LOCATE,
        &opt::PUE,
    ];
}

/// What the energy of a node emits and costs.
#[derive(Debug, Clone)]
pub(crate) struct NodePriceFlags;

impl OptionFlags for NodePriceFlags {
    const ROWS: &'static [&'static Row] = &[
        &opt::ZONE,
        &opt::INTENSITY,
        &opt::INTENSITY_SERIES,
        &opt::INTENSITY_COLUMN,
        &opt::INTENSITY_PROVIDER,
        &opt::PROVIDER_ZONE,
        &opt::PROVIDER_URL,
        &opt::PUE,
        &opt::PRICE_PER_KWH,
        &opt::CURRENCY,
    ];
}

/// Carbon intensity for a report that already has emissions: zone and PUE default to those of the report.
#[derive(Debug, Clone)]
pub(crate) struct NewPriceFlags;

impl OptionFlags for NewPriceFlags {
    const ROWS: &'static [&'static Row] = PriceFlags::ROWS;

    fn adapted(row: &'static Row, flag: Arg) -> Arg {
        let is_kept = *row == opt::ZONE || *row == opt::PUE;
        if is_kept { flag.help(format!("{} [default: that of the report]", row.help)) } else { flag }
    }
}

/// Cost, water, embodied emissions and what else a report can show.
#[derive(Debug, Clone)]
pub(crate) struct SupplementFlags;

impl OptionFlags for SupplementFlags {
    const ROWS: &'static [&'static Row] = &[
        &opt::PRICE_PER_KWH,
        &opt::TARIFF_SERIES,
        &opt::TARIFF_COLUMN,
        &opt::CURRENCY,
        &opt::CARBON_PRICE,
        &opt::EMBODIED,
        &opt::EMBODIED_YEARS,
        &opt::EMBODIED_SHARE,
        &opt::MARKET_INSTRUMENT,
        &opt::MARKET_INTENSITY,
        &opt::WUE,
        &opt::EWIF,
        &opt::OFFSETS,
        &opt::FUNCTIONAL_UNIT,
        &opt::EQUIVALENTS,
    ];
}

/// Budget of a run, and the services that alerts are sent to.
#[derive(Debug, Clone)]
pub(crate) struct BudgetFlags;

impl OptionFlags for BudgetFlags {
    const ROWS: &'static [&'static Row] = &[
        &opt::MAX_CO2_KG,
        &opt::MAX_ENERGY_KWH,
        &opt::TOTAL_HOURS,
        &opt::RESERVE_PERCENT,
        &opt::WEBHOOK,
        &opt::EMAIL_TO,
        &opt::EMAIL_SERVER,
    ];
}

/// Limits of a job of the node agent.
#[derive(Debug, Clone)]
pub(crate) struct JobLimitFlags;

impl OptionFlags for JobLimitFlags {
    const ROWS: &'static [&'static Row] = &[&opt::MAX_CO2_KG, &opt::MAX_ENERGY_KWH];

    fn adapted(_row: &'static Row, flag: Arg) -> Arg {
        let help = flag.get_help().map_or_else(String::new, ToString::to_string);
        flag.help(help.replace("the command", "the job")).help_heading(None::<&str>)
    }
}

/// The places that metrics are pushed to.
#[derive(Debug, Clone)]
pub(crate) struct PushFlags;

impl OptionFlags for PushFlags {
    const ROWS: &'static [&'static Row] = &[&opt::PUSH];
}

/// Sensors.
#[derive(Debug, Clone)]
pub(crate) struct SensorFlags;

impl OptionFlags for SensorFlags {
    const ROWS: &'static [&'static Row] = &[
        &opt::SOURCES,
        &opt::SYSFS,
        &opt::PROCFS,
        &opt::NVML,
        &opt::AMDSMI,
        &opt::REDFISH,
        &opt::REDFISH_CA,
        &opt::REDFISH_INSECURE,
        &opt::IPMI,
    ];
}

/// The provider of carbon intensity for a command that has no run.
#[derive(Debug, Clone)]
pub(crate) struct ProviderFlags;

impl OptionFlags for ProviderFlags {
    const ROWS: &'static [&'static Row] = &[&opt::INTENSITY_PROVIDER, &opt::PROVIDER_ZONE, &opt::PROVIDER_URL];

    fn adapted(row: &'static Row, flag: Arg) -> Arg {
        let is_first = *row == opt::INTENSITY_PROVIDER;
        flag.help_heading("Provider").requires(if is_first { opt::ZONE.name } else { opt::INTENSITY_PROVIDER.name })
    }
}

/// The values that the command line has for a group of options.
#[derive(Clone)]
pub(crate) struct FlagValues<F> {
    values: Vec<(&'static Row, Input)>,
    group: PhantomData<F>,
}

impl<F> fmt::Debug for FlagValues<F> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.values.iter().map(|(row, value)| (row.name, value))).finish()
    }
}

impl<F> FlagValues<F> {
    /// Copies the values into a layer.
    ///
    /// # Errors
    /// If a value is not allowed; the error names the flag.
    pub(crate) fn copy_to(&self, layer: &mut Layer) -> Result<(), OptionsError> {
        let set = |(row, value): &(&'static Row, Input)| layer.set(row, value.clone(), Origin::code(row.flag_name()));
        self.values.iter().try_for_each(set)
    }

    /// Whether the command line has any of these flags.
    pub(crate) fn is_given(&self) -> bool {
        !self.values.is_empty()
    }

    /// The text of an option's flag; `None`: the flag is absent.
    pub(crate) fn text(&self, wanted: &Row) -> Option<&str> {
        self.values.iter().find_map(|(row, value)| match value {
            Input::Bare(text) if *row == wanted => Some(text.as_str()),
            _ => None,
        })
    }
}

impl<F: OptionFlags> FromArgMatches for FlagValues<F> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let values = F::ROWS.iter().flat_map(|row| values_of(row, matches).into_iter().map(|value| (*row, value)));
        Ok(Self { values: values.collect(), group: PhantomData })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl<F: OptionFlags> Args for FlagValues<F> {
    fn augment_args(command: Command) -> Command {
        let flags = F::ROWS.iter().filter_map(|row| Some(with_long_help(row, F::adapted(row, flag(row)?))));
        command.args(flags)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// Returns the clap argument of an option, whose id is the option's name; `None`: the option has no flag.
fn flag(row: &'static Row) -> Option<Arg> {
    let flag = row.flag?;
    let (action, parser): (ArgAction, ValueParser) = match flag.takes {
        Takes::Text => (ArgAction::Set, StringValueParser::new().into()),
        Takes::Path => (ArgAction::Set, PathBufValueParser::new().into()),
        Takes::Names(names) => (ArgAction::Append, PossibleValuesParser::new(names).into()),
        Takes::Pair => (ArgAction::Append, ValueParser::new(pair)),
        Takes::Nothing(_) => (ArgAction::SetTrue, ValueParser::bool()),
    };
    let arg = Arg::new(row.name)
        .long(flag.name.trim_start_matches('-'))
        .short(flag.short)
        .help(row.flag_help())
        .hide_short_help(flag.is_rare)
        .allow_hyphen_values(flag.may_be_negative)
        .action(action)
        .value_parser(parser);
    let arg = if flag.value.is_empty() { arg } else { arg.value_name(flag.value) };
    let is_list = matches!(flag.takes, Takes::Names(_));
    let arg = if is_list { arg.value_delimiter(',').hide_possible_values(true) } else { arg };
    Some(if row.subject == Subject::Run { arg } else { arg.help_heading(row.subject.heading()) })
}

/// Adds the allowed values of an option and an example to its help; only `--help` shows them, not `-h`.
fn with_long_help(row: &Row, flag: Arg) -> Arg {
    if !flag.get_action().takes_values() {
        return flag;
    }
    let help = flag.get_help().map_or_else(String::new, ToString::to_string);
    flag.long_help(format!("{help}\nAllowed: {}; example: {}", row.allowed, as_typed(row.example)))
}

/// Returns a value in the notation of the command line: a row has its example in that of TOML, with quotes and brackets.
fn as_typed(toml: &str) -> String {
    let plain = toml.replace(['"', '[', ']', '{', '}'], "");
    plain.trim().replace(", ", ",").replace(" = ", "=")
}

/// Returns the values of an option; several only for labels, one per pair.
fn values_of(row: &Row, matches: &ArgMatches) -> Vec<Input> {
    let Some(flag) = row.flag else { return Vec::new() };
    match flag.takes {
        Takes::Text => matches.get_one::<String>(row.name).map(|text| Input::Bare(text.clone())).into_iter().collect(),
        Takes::Path => matches.get_one::<PathBuf>(row.name).map(|path| Input::Path(path.clone())).into_iter().collect(),
        Takes::Names(_) => {
            let names = matches.get_many::<String>(row.name).map(|names| names.cloned().collect::<Vec<_>>().join(","));
            names.map(Input::Bare).into_iter().collect()
        }
        Takes::Pair => {
            let pairs = matches.get_many::<(String, String)>(row.name).into_iter().flatten();
            pairs.map(|(name, text)| Input::pair(name, text)).collect()
        }
        Takes::Nothing(value) => matches.get_flag(row.name).then_some(Input::Flag(value)).into_iter().collect(),
    }
}

pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a label is KEY=VALUE, such as team=nlp")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_help_has_the_allowed_values_and_an_example_as_it_is_typed() {
        let help =
            FlagValues::<PriceFlags>::augment_args(Command::new("test").term_width(200)).render_long_help().to_string();
        assert!(help.contains("Allowed: 0 to 5000 grams CO2e per kilowatt-hour; example: 342.5"), "{help}");
        let typed = ["[\"rapl-sysfs\", \"nvml\"]", "{ team = \"nlp\" }", "\"52.52,13.40\""].map(as_typed);
        assert_eq!(typed, ["rapl-sysfs,nvml", "team=nlp", "52.52,13.40"]);
    }
}
