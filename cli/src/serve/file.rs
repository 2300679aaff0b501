//! Reads the file of `eco2 serve --config`. Its keys are the flags of the command, written with `_` for `-`, so that a new flag is a
//! new key: no list of keys exists besides the flags themselves.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args as _, Command, FromArgMatches as _};
use toml_edit::{Document, Item, Value};

use crate::args::ServeArgs;
use crate::failure::UsageError;

/// Folder of the agent that root starts.
pub(super) const SYSTEM_FOLDER: &str = "/run/eco2";
/// The file of the system's agent where `--config` names none; it need not exist. Root starts that agent, or the service with its folder.
const SYSTEM_FILE: &str = "/etc/eco2/serve.toml";
/// Largest file, bytes.
const MOST_BYTES: u64 = 64 << 10;
/// Permissions by which others than the owner could write.
const OTHERS_WRITE: u32 = 0o022;
/// Flags that the file cannot have.
const ONLY_FLAGS: [&str; 2] = ["config", "help"];

/// Returns the settings of the command line, with those of the file for what the command line does not set.
///
/// # Errors
/// [`UsageError`] with file and line for a key or value that the command does not have; for a file that cannot be read, or that others
/// could change.
pub(super) fn with_file(given: &ArgMatches) -> anyhow::Result<ServeArgs> {
    let command = ServeArgs::augment_args(Command::new("eco2 serve").no_binary_name(true));
    let named = given.get_one::<PathBuf>("config");
    let has_system_folder = given.get_one::<PathBuf>("dir").is_some_and(|dir| dir == Path::new(SYSTEM_FOLDER));
    let is_system = has_system_folder || (!given.contains_id("dir") && rustix::process::geteuid().is_root());
    let default = || is_system.then(|| PathBuf::from(SYSTEM_FILE)).filter(|path| path.exists());
    let mut words = Vec::new();
    if let Some(path) = named.cloned().or_else(default) {
        for setting in settings(&path, &read(&path)?, &command)? {
            if given.value_source(setting.id.as_str()) != Some(ValueSource::CommandLine) {
                words.extend(setting.words);
            }
        }
    }
    words.extend(command.get_arguments().flat_map(|flag| typed(flag, given)));
    let matches = command.try_get_matches_from(words).map_err(|error| UsageError(first_line(&error)))?;
    Ok(ServeArgs::from_arg_matches(&matches)?)
}

/// Returns a flag as it was typed, in a form that does not depend on the words around it.
fn typed(flag: &Arg, given: &ArgMatches) -> Vec<OsString> {
    let (id, Some(long)) = (flag.get_id().as_str(), flag.get_long()) else { return Vec::new() };
    if given.value_source(id) != Some(ValueSource::CommandLine) {
        return Vec::new();
    }
    if !flag.get_action().takes_values() {
        return vec![format!("--{long}").into()];
    }
    let values = given.get_raw(id).into_iter().flatten();
    values.map(|value| [format!("--{long}=").into(), value.to_owned()].into_iter().collect()).collect()
}

/// One key of the file.
struct Setting {
    /// clap's name of the flag.
    id: String,
    words: Vec<OsString>,
}

/// Returns the keys of a file as words of the command line.
fn settings(path: &Path, text: &str, command: &Command) -> Result<Vec<Setting>, UsageError> {
    let fault = |at: Option<std::ops::Range<usize>>, what: &str| {
        let line = at.map_or(1, |at| text.bytes().take(at.start).filter(|byte| *byte == b'\n').count() + 1);
        UsageError(format!("{}:{line}: {what}", path.display()))
    };
    let document = Document::parse(text).map_err(|error| fault(error.span(), error.message()))?;
    let mut found = Vec::new();
    for (key, item) in document.as_table().iter() {
        let at = document.as_table().key(key).and_then(|key| key.span());
        let long = key.replace('_', "-");
        let is_flag = |flag: &&Arg| flag.get_long() == Some(&long) && !ONLY_FLAGS.contains(&long.as_str());
        let Some(flag) = command.get_arguments().find(is_flag).filter(|_| !key.contains('-')) else {
            return Err(fault(at, &unknown(key, &long, command)));
        };
        let words = words(flag, &long, item).map_err(|what| fault(at.clone(), &format!("{key}: {what}")))?;
        // A value is checked alone, so that an error has its line. What a flag requires is checked with all of them.
        if let Err(error) = command.clone().try_get_matches_from(&words) {
            if error.kind() != ErrorKind::MissingRequiredArgument {
                return Err(fault(at, &first_line(&error)));
            }
        }
        found.push(Setting { id: flag.get_id().to_string(), words });
    }
    Ok(found)
}

/// Returns the message about a key that is no flag, with the nearest one that clap finds.
fn unknown(key: &str, long: &str, command: &Command) -> String {
    let refused = command.clone().try_get_matches_from([format!("--{long}=x")]).err();
    let near = refused.as_ref().and_then(|error| match error.get(ContextKind::SuggestedArg) {
        Some(ContextValue::String(flag)) => flag.strip_prefix("--"),
        _ => None,
    });
    let near = if command.get_arguments().any(|flag| flag.get_long() == Some(long)) { Some(long) } else { near };
    match near.filter(|near| !ONLY_FLAGS.contains(near)) {
        Some(near) => format!("{key} is no option of eco2 serve; did you mean {}?", near.replace('-', "_")),
        None => format!("{key} is no option of eco2 serve; see eco2 serve --help"),
    }
}

/// Returns a key and its value as words.
fn words(flag: &Arg, long: &str, item: &Item) -> Result<Vec<OsString>, String> {
    let value = item.as_value().ok_or("expected a value, not a table")?;
    let is_list = matches!(flag.get_action(), ArgAction::Append);
    match value {
        Value::Boolean(on) if !flag.get_action().takes_values() => {
            Ok(on.value().then(|| format!("--{long}").into()).into_iter().collect())
        }
        _ if !flag.get_action().takes_values() => Err("expected true or false".to_owned()),
        Value::Array(all) if is_list => all.iter().map(|one| Ok(format!("--{long}={}", text(one)?).into())).collect(),
        one => Ok(vec![format!("--{long}={}", text(one)?).into()]),
    }
}

/// Returns a text or number as it would be typed.
fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.value().clone()),
        Value::Integer(number) => Ok(number.value().to_string()),
        Value::Float(number) => Ok(number.value().to_string()),
        _ => Err("expected a text or a number".to_owned()),
    }
}

/// Returns an error of clap in one line, without its usage.
fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let first = first.strip_prefix("error: ").unwrap_or(first);
    first.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Reads the file, if only its owner can change it and that is root or this user.
fn read(path: &Path) -> anyhow::Result<String> {
    let unreadable = || format!("cannot read {}", path.display());
    // Without NONBLOCK, opening a pipe would wait.
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let file = File::options().read(true).custom_flags(nonblocking).open(path).with_context(unreadable)?;
    let about = file.metadata().with_context(unreadable)?;
    let refused = |why: &str| UsageError(format!("{}: {why}", path.display()));
    if !about.is_file() {
        return Err(refused("is not a regular file").into());
    }
    if ![0, rustix::process::geteuid().as_raw()].contains(&about.uid()) {
        return Err(refused("another user owns this file; give it to root or to yourself (chown)").into());
    }
    if about.mode() & OTHERS_WRITE != 0 {
        return Err(refused("other users can write this file; take that right from them (chmod go-w)").into());
    }
    let mut text = String::new();
    let read = file.take(MOST_BYTES + 1).read_to_string(&mut text);
    read.map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => refused("is not UTF-8").into(),
        _ => anyhow::Error::from(error).context(unreadable()),
    })?;
    if text.len() as u64 > MOST_BYTES {
        return Err(refused("has more than 64 KiB").into());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// Writes a file and returns what `eco2 serve --config FILE FLAGS` would do.
    fn parsed(text: &str, flags: &[&str]) -> Result<ServeArgs, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("serve.toml");
        std::fs::write(&path, text).unwrap();
        let command = ServeArgs::augment_args(Command::new("eco2 serve").no_binary_name(true));
        let config = ["--config".into(), path.clone().into_os_string()];
        let words = config.into_iter().chain(flags.iter().map(OsString::from));
        let given = command.try_get_matches_from(words).unwrap();
        let place = format!("{}:", path.display());
        with_file(&given).map_err(|error| error.to_string().replace(&place, "FILE:"))
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let text = "listen = \"127.0.0.1:1\"\nhost = [\"a\", \"b\"]\ninsecure = true\nsource = \"synthetic\"\n";
        let file = parsed(text, &[]).unwrap();
        assert_eq!((file.listen.port(), file.host, file.insecure), (1, vec!["a".into(), "b".into()], true));
        assert_eq!(file.hardware.text(&eco2::options::opt::SOURCES), Some("synthetic"));
        let both = parsed(text, &["--listen", "[::1]:2", "--host=c"]).unwrap();
        assert_eq!((both.listen.to_string().as_str(), both.host), ("[::1]:2", vec!["c".to_owned()]));
        assert_eq!(parsed("", &[]).unwrap().listen, eco2_agent::DEFAULT_LISTEN);
    }

    #[test]
    fn faults_name_file_line_and_the_nearest_key() {
        let fault = |text: &str| parsed(text, &[]).unwrap_err();
        assert_eq!(fault("\nlisen = 1"), "FILE:2: lisen is no option of eco2 serve; did you mean listen?");
        assert_eq!(fault("token-file = 1"), "FILE:1: token-file is no option of eco2 serve; did you mean token_file?");
        assert_eq!(fault("zzz = 1"), "FILE:1: zzz is no option of eco2 serve; see eco2 serve --help");
        assert_eq!(fault("config = \"x\""), "FILE:1: config is no option of eco2 serve; see eco2 serve --help");
        assert!(fault("a = 1\nlisten = \"x\"").starts_with("FILE:1: a is no option"));
        let value = fault("insecure = true\nlisten = \"x\"");
        assert!(value.starts_with("FILE:2: invalid value 'x' for '--listen <ADDR:PORT>'"), "{value}");
        assert_eq!(fault("insecure = 1"), "FILE:1: insecure: expected true or false");
        assert_eq!(fault("listen = [1]"), "FILE:1: listen: expected a text or a number");
        assert_eq!(fault("[listen]\na = 1"), "FILE:1: listen: expected a value, not a table");
        assert!(fault("listen = ").starts_with("FILE:1: "));
        assert!(fault("source = \"nvlm\"").starts_with("FILE:1: invalid value 'nvlm'"));
    }

    #[test]
    fn file_that_others_can_change_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("serve.toml");
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("chmod go-w"));
        assert!(read(folder.path()).unwrap_err().to_string().contains("is not a regular file"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        std::fs::write(&path, [0xff]).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("is not UTF-8"));
        std::fs::write(&path, " ".repeat(70_000)).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("64 KiB"));
        assert!(read(&folder.path().join("none")).unwrap_err().to_string().starts_with("cannot read"));
    }
}
