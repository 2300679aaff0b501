//! Combines layers into [`Options`] ([`Options::resolve`]): the value of every option, and the origin that set it. A *layer* holds the
//! options of one origin, such as a file or the flags.

use super::error::OptionsError;
use super::input::Input;
use super::layer::Layer;
use super::origin::{DEFAULT, Origin};
use super::row::Row;
use super::rows::Options;
use super::rows::opt;

impl Options {
    /// Combines the layers with the defaults. For each option the layer with the strongest [`Level`](super::Level) wins; of two layers of
    /// one level the later wins. Otherwise the order of the layers does not matter.
    ///
    /// A zone, a series or a provider from a stronger level replaces an intensity from a weaker one; otherwise the
    /// intensity wins.
    ///
    /// # Errors
    /// [`OptionsError::Missing`] for a limit on cost without a price or a tariff.
    ///
    /// ```
    /// use eco2::options::{Options, Origin, opt};
    ///
    /// let user = Options::from_toml("zone = \"DE\"\npue = 1.4", Origin::user("config.toml"))?;
    /// let project = Options::from_toml("pue = 1.1", Origin::project("eco2.toml"))?;
    /// let options = Options::resolve([project, user])?; // in any order: the project's file wins
    /// assert_eq!((options.zone.as_deref(), options.pue), (Some("DE"), 1.1));
    /// assert_eq!(options.origin(&opt::PUE).to_string(), "eco2.toml:1");
    /// # Ok::<(), eco2::options::OptionsError>(())
    /// ```
    pub fn resolve(layers: impl IntoIterator<Item = Layer>) -> Result<Self, OptionsError> {
        Self::default().with(layers)
    }

    /// Combines the layers with these options, which are weaker.
    pub(crate) fn with(self, layers: impl IntoIterator<Item = Layer>) -> Result<Self, OptionsError> {
        let mut options = self;
        let mut entries = Vec::new();
        for layer in layers {
            let (settings, refused) = layer.into_parts();
            entries.extend(settings);
            options.refused.extend(refused);
        }
        // The sort is stable and later entries overwrite earlier ones: the strongest level comes last.
        entries.sort_by_key(|entry| entry.origin.level());
        for entry in entries {
            // This cannot fail: a layer only holds values that their rows accepted.
            options.read(entry.row, &entry.value);
            options.origins.insert(entry.name, entry.origin);
        }
        options.drop_weaker_intensity();
        options.check_price()?;
        Ok(options)
    }

    /// Reads a value into an option's field; `None`: the option does not take it.
    pub(super) fn read(&mut self, row: &Row, value: &Input) -> Option<()> {
        // The row belongs to one of the three structs; the others return `None`.
        self.read_row(row, value)
            .or_else(|| self.budget.read_row(row, value))
            .or_else(|| self.supplements.read_row(row, value))
    }

    /// Returns the value of an option as text for people; `None`: it is not set and has no default.
    ///
    /// ```
    /// use eco2::options::{Options, opt};
    ///
    /// let options = Options { zone: Some("DE".to_owned()), ..Options::default() };
    /// assert_eq!(options.show(&opt::ZONE).as_deref(), Some("DE"));
    /// assert_eq!(options.show(&opt::PUE).as_deref(), Some("1"), "the default");
    /// assert_eq!(options.show(&opt::NAME), None);
    /// ```
    #[must_use]
    pub fn show(&self, row: &Row) -> Option<String> {
        self.show_row(row).or_else(|| self.budget.show_row(row)).or_else(|| self.supplements.show_row(row))
    }

    /// Returns the origin of an option's value.
    #[must_use]
    pub fn origin(&self, row: &Row) -> &Origin {
        self.origins.get(row.name).unwrap_or(&DEFAULT)
    }

    /// Returns the origin of a label.
    #[must_use]
    pub fn label_origin(&self, label: &str) -> &Origin {
        self.origins.get(&format!("{}.{label}", opt::LABELS.name)).unwrap_or(&DEFAULT)
    }

    /// Returns whether warnings about refused options are off. An origin that may not set an option may not turn off the
    /// warning about it either.
    #[must_use]
    pub fn hides_refusals(&self) -> bool {
        self.quiet && self.origin(&opt::QUIET).is_trusted()
    }

    /// Returns the name, value and origin of every option as text for people.
    ///
    /// ```
    /// use eco2::Options;
    ///
    /// for (name, value, origin) in Options::default().rows() {
    ///     println!("{name} = {value} ({origin})"); // zone = not set (default)
    /// }
    /// ```
    #[must_use]
    pub fn rows(&self) -> Vec<(&'static str, String, String)> {
        let value = |row: &Row| self.show(row).unwrap_or_else(|| "not set".to_owned());
        opt::all().map(|row| (row.name, value(row), self.origin(row).to_string())).collect()
    }

    /// Removes the intensity if a stronger origin names a zone, a series or a provider. Otherwise the intensity wins over them.
    fn drop_weaker_intensity(&mut self) {
        let rivals = [&opt::ZONE, &opt::INTENSITY_SERIES, &opt::INTENSITY_PROVIDER].map(|row| self.origin(row).level());
        if rivals.iter().any(|level| *level > self.origin(&opt::INTENSITY).level()) {
            self.intensity = None;
            self.origins.remove(opt::INTENSITY.name);
        }
    }

    /// Checks that a limit on cost has a price or a tariff.
    fn check_price(&self) -> Result<(), OptionsError> {
        let has_price = self.budget.price_per_kwh.is_some() || self.supplements.tariff_series.is_some();
        if self.budget.max_cost.is_none() || has_price {
            return Ok(());
        }
        let place = self.origin(&opt::MAX_COST).to_string();
        Err(OptionsError::Missing { place, key: opt::MAX_COST.name, needs: opt::PRICE_PER_KWH.name })
    }
}
