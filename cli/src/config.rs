//! Runs `eco2 config`, which shows the options that are set and where, and changes those in the user's configuration file.

mod file;

use eco2::options::{Layer, Level, Options, Origin, Row, opt};
use serde_json::json;

use crate::args::{ConfigAction, ConfigArgs, ShowConfigArgs};
use crate::failure::{self, UsageError};
use crate::{out, settings};
use file::UserFile;

/// Runs the command.
///
/// # Errors
/// For a name that is no option, a value that the option does not take, and a file that cannot be read or written.
pub(crate) fn config(args: &ConfigArgs) -> anyhow::Result<u8> {
    let user_file = || {
        Options::user_file()
            .ok_or_else(|| UsageError("no folder for the user's file is known: set HOME or XDG_CONFIG_HOME".to_owned()))
    };
    match &args.action {
        ConfigAction::Path => out::page(&format!("{}\n", user_file()?.display()))?,
        ConfigAction::Show(show) => self::show(show)?,
        ConfigAction::Set { name, value } => {
            let mut file = UserFile::read(user_file()?)?;
            let row = file.set(name, value)?;
            file.write()?;
            out::page(&format!("{name} = {value} in {}\n", file.path().display()))?;
            // The value is stored all the same.
            if let Err(error) = note_stronger(row, name) {
                out::talk(&format!("eco2: another setting is wrong: {}\n", failure::in_one_line(&error)));
            }
        }
        ConfigAction::Unset { name } => {
            let mut file = UserFile::read(user_file()?)?;
            file.unset(name)?;
            file.write()?;
            out::page(&format!("removed {name} from {}\n", file.path().display()))?;
        }
    }
    Ok(0)
}

/// Prints a note if another origin overrules the user's file.
fn note_stronger(row: &Row, name: &str) -> anyhow::Result<()> {
    let options = settings::resolve(Layer::default())?;
    let origin = match name.split_once('.') {
        Some((_, label)) if *row == opt::LABELS => options.label_origin(label),
        _ => options.origin(row),
    };
    if origin.level() > Level::User {
        out::talk(&format!("eco2: {origin} also sets {name}, and is stronger than the user's file\n"));
    }
    Ok(())
}

/// An option as `eco2 config show` prints it.
struct ShownOption<'a> {
    name: String,
    /// `None`: it is not set and has no default.
    value: Option<String>,
    /// What applies if it is not set.
    unset: &'static str,
    origin: &'a Origin,
}

fn show(args: &ShowConfigArgs) -> anyhow::Result<()> {
    let options = settings::resolve(Layer::default())?;
    let mut shown = shown(&options);
    if !args.all {
        shown.retain(|option| option.origin.level() > Level::Default);
    }
    if args.json {
        return Ok(out::data(&out::document(&document(&shown)))?);
    }
    if shown.is_empty() {
        let text =
            "No option is set. `eco2 config show --all` lists the defaults, `eco2 config set zone DE` sets one.\n";
        return Ok(out::page(text)?);
    }
    Ok(out::page(&table(&shown))?)
}

/// Returns every option, and each label.
fn shown(options: &Options) -> Vec<ShownOption<'_>> {
    let labels = options.labels.iter().map(|(label, value)| ShownOption {
        name: format!("{}.{label}", opt::LABELS.name),
        value: Some(value.clone()),
        unset: "",
        origin: options.label_origin(label),
    });
    let rows = opt::all().filter(|row| **row != opt::LABELS).map(|row| ShownOption {
        name: row.name.to_owned(),
        value: options.show(row),
        unset: row.unset,
        origin: options.origin(row),
    });
    rows.chain(labels).collect()
}

/// Returns the options in three columns: name, value, origin.
fn table(shown: &[ShownOption]) -> String {
    let value = |option: &ShownOption| match (&option.value, option.unset) {
        (Some(value), _) => value.clone(),
        (None, "") => "not set".to_owned(),
        (None, unset) => format!("not set: {unset}"),
    };
    let rows: Vec<(&str, String, String)> =
        shown.iter().map(|option| (option.name.as_str(), value(option), option.origin.to_string())).collect();
    let name_width = rows.iter().map(|(name, ..)| name.chars().count()).max().unwrap_or(0);
    let value_width = rows.iter().map(|(_, value, _)| value.chars().count()).max().unwrap_or(0);
    rows.iter().map(|(name, value, origin)| format!("{name:name_width$}  {value:value_width$}  {origin}\n")).collect()
}

fn document(shown: &[ShownOption]) -> serde_json::Value {
    let option = |option: &ShownOption| {
        json!({ "name": option.name, "value": option.value, "origin": option.origin.to_string(),
                "level": option.origin.level().name() })
    };
    json!({
        "schema": "eco2.config/1",
        "user_file": Options::user_file().map(|path| path.display().to_string()),
        "options": serde_json::Value::from_iter(shown.iter().map(option)),
    })
}
