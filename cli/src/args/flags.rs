//! Flags that several commands share, and their way into a layer of options.

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
    pub(crate) sysfs: Option<String>,
    /// Where procfs is
    #[arg(long, value_name = "DIR", hide_short_help = true)]
    pub(crate) procfs: Option<String>,
    /// The NVIDIA management library to load
    #[arg(long, value_name = "LIBRARY", hide_short_help = true)]
    pub(crate) nvml: Option<String>,
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
    /// Power usage effectiveness of the facility, 1 or more
    #[arg(long, value_name = "RATIO")]
    pub(crate) pue: Option<String>,
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
        put(layer, "sysfs", "--sysfs", &self.sysfs)?;
        put(layer, "procfs", "--procfs", &self.procfs)?;
        put(layer, "nvml", "--nvml", &self.nvml)
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
        put(layer, "pue", "--pue", &self.pue)
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

/// The same for a flag without a value: given, it sets `value`.
pub(super) fn put_if(layer: &mut Layer, given: bool, key: &str, flag: &str, value: bool) -> Result<(), OptionsError> {
    if given { layer.set(key, value, Origin::code(flag)) } else { Ok(()) }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a label is KEY=VALUE, such as team=nlp")?;
    Ok((name.to_owned(), value.to_owned()))
}
