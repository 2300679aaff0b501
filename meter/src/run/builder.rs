//! Defines [`MeterBuilder`], which collects the settings of a run and opens its [`Meter`]: settings by methods or by
//! option rows (an option's name, type and default), the program's own sources of readings, and the command that is
//! measured.

use eco2_samplers::Source;

use crate::options::{Input, Layer, Log, Options, OptionsError, Origin, Row, opt};
use crate::{Error, Meter};

/// Collects the settings of a run and opens its [`Meter`].
///
/// Frequent settings have a method; [`MeterBuilder::set`] takes any option by its row in [`crate::options::opt`]. The
/// first setting that is wrong is returned by [`MeterBuilder::open`], so that calls can be chained.
///
/// ```
/// use eco2::Meter;
/// use eco2::options::{Log, opt};
///
/// let meter = Meter::builder()
///     .name("bert-base")
///     .label("lr", "3e-4")
///     .zone("DE")
///     .pue(1.2)
///     .log(Log::Off)
///     .set(&opt::SOURCES, "synthetic") // invented readings, for demonstrations and tests
///     .open()?;
/// let report = meter.close();
/// assert_eq!(report.run.name, "bert-base");
/// assert_eq!(report.energy.pue, 1.2);
/// # Ok::<(), eco2::Error>(())
/// ```
#[derive(Default)]
#[must_use = "a builder opens nothing before `open`"]
pub struct MeterBuilder {
    options: Options,
    settings: Layer,
    sources: Vec<Box<dyn Source>>,
    command: Vec<String>,
    /// The first setting that was wrong.
    fault: Option<OptionsError>,
}

impl Meter {
    /// Starts to describe a run: its settings, sources and command. See [`MeterBuilder`].
    pub fn builder() -> MeterBuilder {
        MeterBuilder::default()
    }
}

impl MeterBuilder {
    /// Sets the run's name.
    pub fn name(self, name: &str) -> Self {
        self.set(&opt::NAME, name)
    }

    /// Adds a label, by which runs are grouped and compared later.
    ///
    /// ```
    /// # use eco2::options::{Log, opt};
    /// # let builder = eco2::Meter::builder().log(Log::Off).set(&opt::SOURCES, "synthetic");
    /// let report = builder.label("lr", "3e-4").label("seed", "1").open()?.close();
    /// assert_eq!(report.run.labels["seed"], "1");
    /// # Ok::<(), eco2::Error>(())
    /// ```
    pub fn label(self, name: &str, value: &str) -> Self {
        self.set(&opt::LABELS, Input::pair(name, value))
    }

    /// Sets the grid zone, such as `DE`, `US-CA` or `FR`, whose carbon intensity applies.
    ///
    /// ```
    /// # use eco2::options::{Log, opt};
    /// # let builder = eco2::Meter::builder().log(Log::Off).set(&opt::SOURCES, "synthetic");
    /// let unknown = builder.zone("Atlantis").open();
    /// assert!(unknown.is_err_and(|error| error.to_string().contains("Atlantis")));
    /// ```
    pub fn zone(self, zone: &str) -> Self {
        self.set(&opt::ZONE, zone)
    }

    /// Sets the power usage effectiveness of the facility, 1 or more.
    ///
    /// ```
    /// let error = eco2::Meter::builder().pue(0.5).open().err().unwrap();
    /// assert_eq!(error.to_string(), "pue: pue is 0.5; allowed: a finite number of at least 1, such as 1.2");
    /// ```
    pub fn pue(self, pue: f64) -> Self {
        self.set(&opt::PUE, pue)
    }

    /// Sets whether and where the run log is kept.
    ///
    /// ```
    /// # use eco2::options::{Log, opt};
    /// # let folder = std::env::temp_dir().join(format!("eco2-doc-{}", std::process::id()));
    /// # let builder = eco2::Meter::builder().set(&opt::SOURCES, "synthetic");
    /// let meter = builder.log(Log::Folder(folder.clone())).open()?;
    /// assert!(meter.log_path().is_some_and(|path| path.starts_with(&folder)));
    /// # drop(meter);
    /// # std::fs::remove_dir_all(folder).unwrap();
    /// # Ok::<(), eco2::Error>(())
    /// ```
    pub fn log(self, log: Log) -> Self {
        match log {
            Log::Runs => self.set(&opt::LOG, true),
            Log::Off => self.set(&opt::LOG, false),
            Log::Folder(folder) => self.set(&opt::LOG, folder),
        }
    }

    /// Sets an option by its row. Text is read as the option's type, as that of its variable is.
    ///
    /// ```
    /// use eco2::options::{Log, opt};
    ///
    /// let meter = eco2::Meter::builder()
    ///     .set(&opt::SOURCES, "synthetic")
    ///     .set(&opt::MAX_ENERGY_KWH, 12.5)
    ///     .set(&opt::INTERVAL, "10ms")
    ///     .log(Log::Off)
    ///     .open()?;
    /// assert_eq!(meter.budget()[0].limit, 12.5 * 3.6e12); // in microjoules
    /// # Ok::<(), eco2::Error>(())
    /// ```
    pub fn set(mut self, row: &'static Row, value: impl Into<Input>) -> Self {
        let set = self.settings.set(row, value, Origin::code(row.name));
        self.fault = self.fault.or(set.err());
        self
    }

    /// Starts from these options instead of the defaults. Settings of the other methods win over them.
    ///
    /// ```
    /// use eco2::options::{Log, Options};
    ///
    /// let options = Options { sources: Some(vec!["synthetic".to_owned()]), log: Log::Off, ..Options::default() };
    /// let report = eco2::Meter::builder().options(options).name("tuned").open()?.close();
    /// assert_eq!(report.run.name, "tuned");
    /// # Ok::<(), eco2::Error>(())
    /// ```
    pub fn options(self, options: Options) -> Self {
        Self { options, ..self }
    }

    /// Starts from the configuration files and the environment, as the command does: [`Options::load`].
    ///
    /// ```
    /// # use eco2::options::{Log, opt};
    /// let builder = eco2::Meter::builder().load(); // ./eco2.toml, ECO2_ZONE, …
    /// # let builder = builder.log(Log::Off).set(&opt::SOURCES, "synthetic");
    /// let report = builder.name("nightly").open()?.close(); // wins over the name in a file
    /// assert_eq!(report.run.name, "nightly");
    /// # Ok::<(), eco2::Error>(())
    /// ```
    pub fn load(self) -> Self {
        match Options::load() {
            Ok(options) => self.options(options),
            Err(fault) => Self { fault: self.fault.or(Some(fault)), ..self },
        }
    }

    /// Adds a source of your own, in addition to those that eco2 finds. See [`crate::source`].
    pub fn source(mut self, source: impl Source + 'static) -> Self {
        self.sources.push(Box::new(source));
        self
    }

    /// Sets the command that is measured, whose words the report shows. The attribution stays empty until
    /// [`Meter::follow`] names the command's process; without a command it is that of this process.
    pub fn command(self, words: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { command: words.into_iter().map(Into::into).collect(), ..self }
    }

    /// Finds the sources, starts the sampling thread and waits for the first readings, for 250 ms at most.
    ///
    /// # Errors
    /// [`Error`] for a wrong setting. Missing hardware is no error: the report names it.
    pub fn open(self) -> Result<Meter, Error> {
        if let Some(fault) = self.fault {
            return Err(fault.into());
        }
        let options = if self.settings.is_empty() { self.options } else { self.options.with([self.settings])? };
        Meter::open_all(&options, self.sources, self.command)
    }
}
