//! Changes options in the user's configuration file ([`UserFile`]). Comments and the order of the file are kept, and the file is replaced
//! as a whole. A value is stored in the notation of TOML that its option reads as what was typed.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use eco2::options::{Input, Layer, Options, Origin, Row, opt};
use rustix::fs::{FlockOperation, flock};
use toml_edit::{Array, Decor, DocumentMut, InlineTable, Item, TableLike, Value};

use crate::failure::UsageError;

/// Place of errors about what was typed.
const TYPED: &str = "config set";

/// Options that describe one run: the file holds for all runs.
static OF_ONE_RUN: [&Row; 9] = [
    &opt::NAME,
    &opt::RUN_ID,
    &opt::ATTEMPT,
    &opt::PID,
    &opt::JSON,
    &opt::TRACE,
    &opt::STARTED_AT,
    &opt::TOTAL_HOURS,
    &opt::TOTAL_STEPS,
];

/// The user's configuration file as text that can be changed.
pub(super) struct UserFile {
    path: PathBuf,
    /// Locked until the change is written, so that changes of several processes are all kept.
    _lock: File,
    document: DocumentMut,
}

impl UserFile {
    /// Reads the file, for this process alone; one that does not exist is empty.
    ///
    /// # Errors
    /// If it cannot be read or changed, and if it is not TOML.
    pub(super) fn read(path: PathBuf) -> anyhow::Result<Self> {
        let lock = lock(&path)?;
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        // For the error with its line; other faults are found when the changed file is checked.
        let parsed = text.parse();
        let document = parsed.map_err(|_| match Options::from_toml(&text, origin(&path)) {
            Err(error) => anyhow::Error::from(error),
            Ok(_) => UsageError(format!("{} is not TOML: correct it first", path.display())).into(),
        })?;
        Ok(Self { path, _lock: lock, document })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Sets an option, or a member of one that is a table, such as `labels.team`.
    ///
    /// # Errors
    /// For a name that is no option, a value that it does not take, and a file that no run would accept.
    pub(super) fn set(&mut self, name: &str, text: &str) -> anyhow::Result<&'static Row> {
        let place = Place::of(name);
        let row = match (opt::named(name), place.table.and_then(opt::named)) {
            (Some(row), _) | (None, Some(row)) => row,
            (None, None) => Options::row(name, &Origin::code(TYPED))?,
        };
        if OF_ONE_RUN.contains(&row) {
            let flag = row.flag.map_or_else(String::new, |flag| format!("{} or ", flag.name));
            let variable = row.variable;
            let fault = format!("{name} describes one run, and would be set for all: use {flag}{variable}");
            return Err(UsageError(fault).into());
        }
        let input = if row.name == name { Input::from(text) } else { Input::pair(place.key, text) };
        let mut typed = Layer::default();
        typed.set(row, input, Origin::code(TYPED))?;
        if *row == opt::ZONE {
            eco2_grid::lookup(text)?;
        }
        let typed = values(typed);
        let is_same = |value: &Value| {
            let mut alone = DocumentMut::new();
            place.put(&mut alone, value.clone()).is_some()
                && Options::from_toml(alone.to_string(), origin(&self.path)).is_ok_and(|layer| values(layer) == typed)
        };
        let put = notations(text).into_iter().find(is_same).and_then(|value| place.put(&mut self.document, value));
        put.ok_or_else(|| UsageError(format!("{name} cannot be set in {}: edit the file", self.path.display())))?;
        Options::resolve([Options::from_toml(self.document.to_string(), origin(&self.path))?])?;
        Ok(row)
    }

    /// Removes an option. The rest of the file is not checked, so that faults can be removed one by one.
    ///
    /// # Errors
    /// If the file does not set it.
    pub(super) fn unset(&mut self, name: &str) -> Result<(), UsageError> {
        let absent = || UsageError(format!("{} does not set {name}; see `eco2 config show`", self.path.display()));
        let comments = Place::of(name).remove(&mut self.document).ok_or_else(absent)?;
        let rest = self.document.trailing().as_str().unwrap_or_default().to_owned();
        self.document.set_trailing(comments + &rest);
        Ok(())
    }

    /// Replaces the file.
    ///
    /// # Errors
    /// If it cannot be written; the old file stays.
    pub(super) fn write(&self) -> anyhow::Result<()> {
        Ok(eco2_report::write_file(&self.path, self.document.to_string().as_bytes())?)
    }
}

/// Creates the folder of a file and locks a file next to it. A file system that has no locks, as some networks', is used without.
fn lock(path: &Path) -> anyhow::Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create the folder {}", folder.display()))?;
    }
    let lock_path = path.with_extension("lock");
    let opened = File::options().write(true).create(true).truncate(false).mode(0o600).open(&lock_path);
    let file = opened.with_context(|| format!("cannot open {}", lock_path.display()))?;
    flock(&file, FlockOperation::LockExclusive).ok();
    Ok(file)
}

fn origin(path: &Path) -> Origin {
    Origin::user(path.display().to_string())
}

/// Returns the options of a layer without their origins; `None` if an option requires another one, which the layer does not set.
fn values(layer: Layer) -> Option<Options> {
    Some(Options { origins: Default::default(), ..Options::resolve([layer]).ok()? })
}

/// Returns what a typed text can mean in TOML, the most usual notation first.
fn notations(text: &str) -> Vec<Value> {
    let mut found = vec![Value::from(text)];
    found.extend(text.parse::<Value>());
    found.extend([true, false].map(Value::from));
    found.push(Array::from_iter(text.split(',').map(str::trim)).into());
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    found.push(InlineTable::from_iter(pairs.map(|(name, value)| (name.trim(), value.trim()))).into());
    found
}

/// Where an option is in the file.
struct Place<'a> {
    /// `None`: at the top.
    table: Option<&'a str>,
    key: &'a str,
}

impl<'a> Place<'a> {
    fn of(name: &'a str) -> Self {
        name.split_once('.').map_or(Self { table: None, key: name }, |(table, key)| Self { table: Some(table), key })
    }

    /// Sets the value here, and keeps the comment after an old one; `None`: the file has something else where the table should be.
    fn put(&self, document: &mut DocumentMut, mut value: Value) -> Option<()> {
        let within: &mut dyn TableLike = match self.table {
            None => document.as_table_mut(),
            Some(table) => document.entry(table).or_insert_with(toml_edit::table).as_table_like_mut()?,
        };
        match within.get_mut(self.key) {
            Some(old) => {
                if let Some(old) = old.as_value() {
                    *value.decor_mut() = old.decor().clone();
                }
                *old = Item::Value(value);
            }
            None => {
                within.insert(self.key, Item::Value(value));
            }
        }
        Some(())
    }

    /// Removes the value here; `None`: there is none. The comments above it may be about the file, such as a title: they move to the
    /// next option, or are returned if none follows in the table.
    fn remove(&self, document: &mut DocumentMut) -> Option<String> {
        let within: &mut dyn TableLike = match self.table {
            None => document.as_table_mut(),
            Some(table) => document.get_mut(table)?.as_table_like_mut()?,
        };
        let above = prefix(within.key(self.key)?.leaf_decor());
        let comments: String =
            above.lines().filter(|line| line.contains('#')).map(|line| format!("{line}\n")).collect();
        let follows = |(name, item): (&str, &Item)| item.is_value().then(|| name.to_owned());
        let next = within.iter().skip_while(|(name, _)| *name != self.key).nth(1).and_then(follows);
        within.remove(self.key)?;
        let Some(mut next) = next.and_then(|next| within.key_mut(&next)) else { return Some(comments) };
        let decor = next.leaf_decor_mut();
        decor.set_prefix(comments + &prefix(decor));
        Some(String::new())
    }
}

/// Returns the blanks and comments before a key.
fn prefix(decor: &Decor) -> String {
    decor.prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default().to_owned()
}
