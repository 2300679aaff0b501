//! Flags that several commands share, and their way into a layer of options.

use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use eco2::options::{Input, Layer, OptionsError, Origin, SOURCES};

/// Where the hardware is.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Hardware")]
pub(crate) struct Hardware {
    /// Read only these sources, separated by commas
    #[arg(long, value_name = "LIST", value_delimiter = ',', hide_possible_values = true)]
    #[arg(value_parser = PossibleValuesParser::new(SOURCES))]
    pub(crate) source: Vec<String>,
    /// Where sysfs is, such as /host/sys in a container
    #[arg(long, value_name = "DIR", hide_short_help = true)]
    pub(crate) sysfs: Option<PathBuf>,
    /// Where procfs is
    #[arg(long, value_name = "DIR", hide_short_help = true)]
    pub(crate) procfs: Option<PathBuf>,
    /// The NVIDIA management library to load
    #[arg(long, value_name = "LIBRARY", hide_short_help = true)]
    pub(crate) nvml: Option<PathBuf>,
}

/// What a kilowatt-hour weighs.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Carbon")]
pub(crate) struct Price {
    /// Grid zone: DE, US-CA, France; the world's average, flagged, without it
    #[arg(long, value_name = "ZONE")]
    pub(crate) zone: Option<String>,
    /// Grams CO2e per kilowatt-hour instead of a zone's figure
    #[arg(long, value_name = "G")]
    pub(crate) intensity: Option<String>,
    /// Intensities over time from a CSV or JSON file; the run is weighed part by part
    #[arg(long, value_name = "FILE")]
    pub(crate) intensity_series: Option<PathBuf>,
    /// The file's column; its only one, or gco2e_per_kwh, without it
    #[arg(long, value_name = "COLUMN", hide_short_help = true)]
    pub(crate) intensity_column: Option<String>,
    /// Ask for intensities over time: electricity-maps, energy-charts, entsoe, neso, watttime, carbon-aware-sdk
    #[arg(long, value_name = "LIST")]
    pub(crate) provider: Option<String>,
    /// The zone as the provider names it, such as US-CAL-CISO
    #[arg(long, value_name = "ZONE", hide_short_help = true)]
    pub(crate) provider_zone: Option<String>,
    /// Address of the provider instead of its public one
    #[arg(long, value_name = "URL", hide_short_help = true)]
    pub(crate) provider_url: Option<String>,
    /// Find the zone from where this machine is: `cloud`, or LATITUDE,LONGITUDE
    #[arg(long, value_name = "PLACE", hide_short_help = true, allow_hyphen_values = true)]
    pub(crate) locate: Option<String>,
    /// Power usage effectiveness of the facility, 1 or more
    #[arg(long, value_name = "RATIO")]
    pub(crate) pue: Option<String>,
}

/// Who is asked for intensities; nobody unless named.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Provider")]
pub(crate) struct Asking {
    /// Ask for intensities: electricity-maps, energy-charts, entsoe, neso, watttime, carbon-aware-sdk
    #[arg(long, value_name = "LIST", requires = "zone")]
    pub(crate) provider: Option<String>,
    /// The zone as the provider names it, such as US-CAL-CISO
    #[arg(long, value_name = "ZONE", hide_short_help = true, requires = "provider")]
    pub(crate) provider_zone: Option<String>,
    /// Address of the provider instead of its public one
    #[arg(long, value_name = "URL", hide_short_help = true, requires = "provider")]
    pub(crate) provider_url: Option<String>,
}

/// What the run is called.
#[derive(Debug, Clone, Args)]
pub(crate) struct Identity {
    /// Name of the run; the command's without it
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Label of the run; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) labels: Vec<(String, String)>,
}

impl Hardware {
    /// Puts what was given into a layer.
    ///
    /// # Errors
    /// What is wrong, naming the flag.
    pub(crate) fn put(&self, layer: &mut Layer) -> Result<(), OptionsError> {
        let sources = (!self.source.is_empty()).then(|| self.source.join(","));
        put(layer, "sources", "--source", &sources)?;
        put_path(layer, "sysfs", "--sysfs", &self.sysfs)?;
        put_path(layer, "procfs", "--procfs", &self.procfs)?;
        put_path(layer, "nvml", "--nvml", &self.nvml)
    }
}

impl Price {
    /// Puts what was given into a layer.
    ///
    /// # Errors
    /// What is wrong, naming the flag.
    pub(crate) fn put(&self, layer: &mut Layer) -> Result<(), OptionsError> {
        put(layer, "zone", "--zone", &self.zone)?;
        put(layer, "intensity", "--intensity", &self.intensity)?;
        put_path(layer, "intensity_series", "--intensity-series", &self.intensity_series)?;
        put(layer, "intensity_column", "--intensity-column", &self.intensity_column)?;
        put(layer, "intensity_provider", "--provider", &self.provider)?;
        put(layer, "provider_zone", "--provider-zone", &self.provider_zone)?;
        put(layer, "provider_url", "--provider-url", &self.provider_url)?;
        put(layer, "locate", "--locate", &self.locate)?;
        put(layer, "pue", "--pue", &self.pue)
    }

    /// Whether any of them was given.
    pub(crate) fn is_given(&self) -> bool {
        let all = [&self.zone, &self.intensity, &self.provider, &self.locate, &self.pue];
        self.intensity_series.is_some() || all.iter().any(|flag| flag.is_some())
    }
}

impl Asking {
    /// Puts what was given into a layer.
    ///
    /// # Errors
    /// What is wrong, naming the flag.
    pub(crate) fn put(&self, layer: &mut Layer) -> Result<(), OptionsError> {
        put(layer, "intensity_provider", "--provider", &self.provider)?;
        put(layer, "provider_zone", "--provider-zone", &self.provider_zone)?;
        put(layer, "provider_url", "--provider-url", &self.provider_url)
    }

    /// Whether anybody is to be asked.
    pub(crate) fn is_given(&self) -> bool {
        self.provider.is_some()
    }
}

impl Identity {
    /// Puts what was given into a layer.
    ///
    /// # Errors
    /// What is wrong, naming the flag.
    pub(crate) fn put(&self, layer: &mut Layer) -> Result<(), OptionsError> {
        put(layer, "name", "--name", &self.name)?;
        self.labels.iter().try_for_each(|(name, value)| layer.label(name, value, Origin::code("--label")))
    }
}

/// Puts a flag's text, if there is any, where its option is.
pub(super) fn put(layer: &mut Layer, key: &str, flag: &str, text: &Option<String>) -> Result<(), OptionsError> {
    let Some(text) = text else { return Ok(()) };
    layer.set(key, Input::Bare(text.clone()), Origin::code(flag))
}

/// The same for a path, which need not be UTF-8.
pub(super) fn put_path(layer: &mut Layer, key: &str, flag: &str, path: &Option<PathBuf>) -> Result<(), OptionsError> {
    let Some(path) = path else { return Ok(()) };
    layer.set(key, path.clone(), Origin::code(flag))
}

/// The same for a flag without a value: given, it sets `value`.
pub(super) fn put_if(layer: &mut Layer, given: bool, key: &str, flag: &str, value: bool) -> Result<(), OptionsError> {
    if given { layer.set(key, value, Origin::code(flag)) } else { Ok(()) }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a label is KEY=VALUE, such as team=nlp")?;
    Ok((name.to_owned(), value.to_owned()))
}
