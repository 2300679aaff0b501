//! The options of one origin, each with the place it stands at.

use super::input::{Entry, Input, shorten};
use super::setting::Setting;
use super::{Key, MAX_TEXT_BYTES, OptionsError, Origin, Refused, keys};

/// The options that one origin gives. Layers are laid over each other by [`super::Options::resolve`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Layer {
    entries: Vec<Sourced>,
    refused: Vec<Refused>,
}

/// A setting and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sourced {
    pub(super) setting: Setting,
    pub(super) origin: Origin,
}

impl Layer {
    /// Gives an option by its name in [`super::KEYS`]; text is read as the option's type, as a variable's would be.
    ///
    /// # Errors
    /// [`OptionsError`] for an unknown name, a wrong type or range.
    pub fn set(&mut self, key: &str, value: impl Into<Input>, origin: Origin) -> Result<(), OptionsError> {
        let key = known(key, &origin)?;
        self.put(key, value.into(), origin)
    }

    /// Gives one label. Unlike `set("labels", …)` it takes commas and equals signs in the value.
    ///
    /// # Errors
    /// [`OptionsError::Value`] for an empty or overlong name, an overlong value or control characters.
    pub fn label(&mut self, name: &str, value: &str, origin: Origin) -> Result<(), OptionsError> {
        let pair = Entry { key: name.to_owned(), line: None, value: Input::Text(value.to_owned()) };
        self.set("labels", Input::Table(vec![pair]), origin)
    }

    /// Whether nothing was given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.refused.is_empty()
    }

    /// The options that were left out because the origin may not set them.
    #[must_use]
    pub fn refused(&self) -> &[Refused] {
        &self.refused
    }

    pub(super) fn into_parts(self) -> (Vec<Sourced>, Vec<Refused>) {
        (self.entries, self.refused)
    }

    /// The layer of a parsed text. Tables other than `labels` hold options of their own.
    pub(super) fn from_entries(entries: Vec<Entry>, origin: &Origin) -> Result<Self, OptionsError> {
        let mut layer = Self::default();
        for entry in entries {
            let origin = origin.on(entry.line);
            match entry.value {
                Input::Table(inner) if keys::is_group(&entry.key) => layer.put_group(&entry.key, inner, &origin)?,
                value if keys::is_group(&entry.key) => return Err(keys::not_a_table(&value, &origin)),
                value => layer.put(known(&entry.key, &origin)?, value, origin)?,
            }
        }
        Ok(layer)
    }

    fn put_group(&mut self, group: &str, entries: Vec<Entry>, origin: &Origin) -> Result<(), OptionsError> {
        for entry in entries {
            let origin = origin.on(entry.line);
            let key = known(&format!("{group}.{}", entry.key), &origin)?;
            self.put(key, entry.value, origin)?;
        }
        Ok(())
    }

    /// The one way of a value into a layer. An option that the origin may not set is left out and remembered.
    pub(super) fn put(&mut self, key: &'static Key, value: Input, origin: Origin) -> Result<(), OptionsError> {
        if let Some(refused) = Refused::check(key, &origin) {
            self.refused.push(refused);
            return Ok(());
        }
        let settings = key.parse(&value).ok_or_else(|| key.refuse(&value, &origin))?;
        let lines = match &value {
            Input::Table(entries) => entries.iter().map(|entry| entry.line).collect(),
            _ => Vec::new(),
        };
        // A label in a table stands at its own line.
        let own = |place: usize| lines.get(place).filter(|line| line.is_some()).map(|line| origin.on(*line));
        let sourced = |(place, setting)| Sourced { setting, origin: own(place).unwrap_or_else(|| origin.clone()) };
        self.entries.extend(settings.into_iter().enumerate().map(sourced));
        Ok(())
    }
}

fn known(name: &str, origin: &Origin) -> Result<&'static Key, OptionsError> {
    keys::named(name).ok_or_else(|| OptionsError::UnknownKey {
        place: origin.to_string(),
        key: shorten(name),
        suggestion: keys::nearest(name),
    })
}

/// The text, if it is small enough and UTF-8.
pub(super) fn checked_text<'a>(bytes: &'a [u8], origin: &Origin) -> Result<&'a str, OptionsError> {
    if bytes.len() > MAX_TEXT_BYTES {
        return Err(OptionsError::TooLarge { place: origin.to_string() });
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count() + 1;
        OptionsError::NotUtf8 { place: origin.on(Some(line)).to_string() }
    })
}
