//! Flags of options: each is made from the option's row, and goes from the command line into a layer of options.

use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;

use clap::builder::{PathBufValueParser, PossibleValuesParser, StringValueParser, ValueParser};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};
use eco2::options::{Input, Layer, OptionsError, Origin, Row, Subject, Takes, opt};

/// The options that a command takes as flags, in the order of its help.
pub(crate) trait Flags {
    /// The rows.
    const ROWS: &'static [&'static Row];

    /// What is particular to this command about a row's flag.
    fn adapted(_row: &'static Row, flag: Arg) -> Arg {
        flag
    }
}

/// The run's name and labels.
#[derive(Debug, Clone)]
pub(crate) struct Identity;

impl Flags for Identity {
    const ROWS: &'static [&'static Row] = &[&opt::NAME, &opt::LABELS];
}

/// Carbon intensity.
#[derive(Debug, Clone)]
pub(crate) struct Price;

impl Flags for Price {
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

/// The same for a report that has been priced before.
#[derive(Debug, Clone)]
pub(crate) struct PriceAgain;

impl Flags for PriceAgain {
    const ROWS: &'static [&'static Row] = Price::ROWS;

    fn adapted(row: &'static Row, flag: Arg) -> Arg {
        let is_kept = *row == opt::ZONE || *row == opt::PUE;
        if is_kept { flag.help(format!("{} [default: that of the report]", row.help)) } else { flag }
    }
}

/// What is reported in addition to location-based emissions.
#[derive(Debug, Clone)]
pub(crate) struct Supplements;

impl Flags for Supplements {
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

/// Limits of a run, and the webhook that is notified of them.
#[derive(Debug, Clone)]
pub(crate) struct Limits;

impl Flags for Limits {
    const ROWS: &'static [&'static Row] =
        &[&opt::MAX_CO2_KG, &opt::MAX_ENERGY_KWH, &opt::TOTAL_HOURS, &opt::RESERVE_PERCENT, &opt::WEBHOOK];
}

/// Sensors.
#[derive(Debug, Clone)]
pub(crate) struct Hardware;

impl Flags for Hardware {
    const ROWS: &'static [&'static Row] = &[&opt::SOURCES, &opt::SYSFS, &opt::PROCFS, &opt::NVML];
}

/// The provider of carbon intensity for a command that has no run.
#[derive(Debug, Clone)]
pub(crate) struct Provider;

impl Flags for Provider {
    const ROWS: &'static [&'static Row] = &[&opt::INTENSITY_PROVIDER, &opt::PROVIDER_ZONE, &opt::PROVIDER_URL];

    fn adapted(row: &'static Row, flag: Arg) -> Arg {
        let is_first = *row == opt::INTENSITY_PROVIDER;
        flag.help_heading("Provider").requires(if is_first { opt::ZONE.name } else { opt::INTENSITY_PROVIDER.name })
    }
}

/// What was given of some options.
#[derive(Clone)]
pub(crate) struct Given<F> {
    values: Vec<(&'static Row, Input)>,
    of: PhantomData<F>,
}

impl<F> fmt::Debug for Given<F> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.values.iter().map(|(row, value)| (row.name, value))).finish()
    }
}

impl<F> Given<F> {
    /// Puts what was given into a layer.
    ///
    /// # Errors
    /// What is wrong, naming the flag.
    pub(crate) fn put(&self, layer: &mut Layer) -> Result<(), OptionsError> {
        let put = |(row, value): &(&'static Row, Input)| layer.set(row, value.clone(), Origin::code(row.flag_name()));
        self.values.iter().try_for_each(put)
    }

    /// Whether any of them was given.
    pub(crate) fn is_given(&self) -> bool {
        !self.values.is_empty()
    }

    /// The text that was given for an option.
    pub(crate) fn text(&self, wanted: &Row) -> Option<&str> {
        self.values.iter().find_map(|(row, value)| match value {
            Input::Bare(text) if *row == wanted => Some(text.as_str()),
            _ => None,
        })
    }
}

impl<F: Flags> FromArgMatches for Given<F> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let values = F::ROWS.iter().flat_map(|row| given(row, matches).into_iter().map(|value| (*row, value)));
        Ok(Self { values: values.collect(), of: PhantomData })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl<F: Flags> Args for Given<F> {
    fn augment_args(command: Command) -> Command {
        let flags = F::ROWS.iter().filter_map(|row| Some(F::adapted(row, flag(row)?)));
        command.args(flags)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// The flag of an option, named by the option; `None`: it has none.
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

/// What was given for an option; for a label each pair.
fn given(row: &Row, matches: &ArgMatches) -> Vec<Input> {
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

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a label is KEY=VALUE, such as team=nlp")?;
    Ok((name.to_owned(), value.to_owned()))
}
