//! Reads the configuration files for [`Options::load`] and [`Options::load_with`]. No other module of the options reads files.
//!
//! From the weakest origin to the strongest: the machine's file (`/etc/eco2/config.toml`), the user's
//! (`$XDG_CONFIG_HOME/eco2/config.toml`), the project's (`./eco2.toml`), the environment (`ECO2_*`), and the flags or setters of
//! the program. The origin that is closer to the one run wins: an administrator sets defaults for all users, a user for
//! all projects, a project for all its runs. A project's file comes with a folder that may have been downloaded, so it may
//! set no option that loads code, names a path or sets an address ([`super::trust`]).
//!
//! A *layer* holds the options of one origin. [`Options::resolve`] combines the layers by the strength of their origins, so
//! this module may read the files in any order.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::env::Warning;
use super::error::OptionsError;
use super::layer::{Layer, MAX_TEXT_BYTES};
use super::origin::{Distrust, Level, Origin};
use super::rows::Options;

impl Options {
    /// Loads the options that the command would use in this process: from the configuration files and the environment.
    /// Warnings are dropped; [`Options::load_with`] returns them.
    ///
    /// # Errors
    /// [`OptionsError`] naming the file and line, or the variable.
    ///
    /// ```
    /// use eco2::Options;
    /// use eco2::options::opt;
    ///
    /// let options = Options::load()?;
    /// println!("zone {:?}, set by {}", options.zone, options.origin(&opt::ZONE));
    /// # Ok::<(), eco2::options::OptionsError>(())
    /// ```
    pub fn load() -> Result<Self, OptionsError> {
        Ok(Self::load_with(Layer::default())?.0)
    }

    /// Returns the path of the user's configuration file, whether or not it exists; `None`: neither `XDG_CONFIG_HOME` nor `HOME`
    /// names a folder.
    #[must_use]
    pub fn user_file() -> Option<PathBuf> {
        Places::standard(env::vars_os()).user
    }

    /// Loads the options as [`Options::load`] does. The settings of the program, such as its flags, win over files and
    /// variables. Also returns warnings: `ECO2_*` variables that are not options, and files in folders that this user may
    /// not enter.
    ///
    /// # Errors
    /// As [`Options::load`], and those of [`Options::resolve`].
    ///
    /// ```
    /// use eco2::options::{Layer, Options, Origin, opt};
    ///
    /// let mut flags = Layer::default();
    /// flags.set(&opt::ZONE, "FR", Origin::code("--zone"))?;
    /// let (options, warnings) = Options::load_with(flags)?;
    /// assert_eq!(options.zone.as_deref(), Some("FR"), "a flag wins over files and variables");
    /// warnings.iter().for_each(|warning| eprintln!("{warning}"));
    /// # Ok::<(), eco2::options::OptionsError>(())
    /// ```
    pub fn load_with(program: Layer) -> Result<(Self, Vec<Warning>), OptionsError> {
        let files = load_files(&Places::standard(env::vars_os()))?;
        let (environment, unknown_variables) = Self::from_env(env::vars_os())?;
        let options = Self::resolve(files.layers.into_iter().chain([environment, program]))?;
        let hidden_files = files.hidden.into_iter().map(|path| Warning::HiddenFile { path });
        Ok((options, hidden_files.chain(unknown_variables).collect()))
    }
}

/// Paths of the configuration files, whether or not the files exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Places {
    /// The project's file.
    pub(super) project: PathBuf,
    /// The user's file; `None`: neither variable names a folder for it.
    pub(super) user: Option<PathBuf>,
    /// The machine's file.
    pub(super) system: PathBuf,
}

impl Places {
    /// Returns the documented paths, with the user's from `XDG_CONFIG_HOME` or `HOME`. A relative folder counts as not set, as the
    /// XDG base directory specification requires.
    pub(super) fn standard<K: AsRef<OsStr>, V: AsRef<OsStr>>(variables: impl IntoIterator<Item = (K, V)>) -> Self {
        let (mut config, mut home) = (None, None);
        for (variable, value) in variables {
            let folder = Some(PathBuf::from(value.as_ref())).filter(|folder| folder.is_absolute());
            match variable.as_ref().to_str() {
                Some("XDG_CONFIG_HOME") => config = folder,
                Some("HOME") => home = folder,
                _ => {}
            }
        }
        let config = config.or_else(|| home.map(|home| home.join(".config")));
        Self {
            project: PathBuf::from("eco2.toml"),
            user: config.map(|config| config.join("eco2/config.toml")),
            system: PathBuf::from("/etc/eco2/config.toml"),
        }
    }
}

/// The configuration files that were looked for.
#[derive(Debug, Default)]
pub(super) struct LoadedFiles {
    /// The options of each file that exists.
    pub(super) layers: Vec<Layer>,
    /// Files whose folder this user may not enter: whether they exist is not known.
    pub(super) hidden: Vec<PathBuf>,
}

/// Reads the configuration files that exist.
///
/// # Errors
/// [`OptionsError`] for a file that exists and cannot be read, or whose text [`Options::from_toml`] refuses.
pub(super) fn load_files(places: &Places) -> Result<LoadedFiles, OptionsError> {
    let files = [
        (Level::System, Some(&places.system)),
        (Level::User, places.user.as_ref()),
        (Level::Project, Some(&places.project)),
    ];
    let mut loaded = LoadedFiles::default();
    for (level, path) in files {
        let Some(path) = path else { continue };
        match read_file(path).map_err(|source| OptionsError::Unreadable { path: path.clone(), source })? {
            FileRead::Absent => {}
            FileRead::Hidden => loaded.hidden.push(path.clone()),
            FileRead::Present { bytes, distrust } => {
                let origin = Origin::at(level, path.display().to_string()).distrusted(distrust);
                loaded.layers.push(Options::from_toml(bytes, origin)?);
            }
        }
    }
    Ok(loaded)
}

/// The outcome of reading a file that need not exist.
enum FileRead {
    Absent,
    /// A folder on its path may not be entered, such as another user's home under `sudo -u` with `HOME` kept.
    Hidden,
    Present {
        /// Its first bytes: up to one more than [`MAX_TEXT_BYTES`], by which the parser sees that the file is too large.
        bytes: Vec<u8>,
        /// Why the file may not set every option, by its owner and mode; `None`: it may.
        distrust: Option<Distrust>,
    },
}

fn read_file(path: &Path) -> io::Result<FileRead> {
    // Checked before the file is opened, because opening a named pipe waits for a process that writes to it.
    if let Some(missing) = missing_file(fs::metadata(path))? {
        return Ok(missing);
    }
    // The file may have been replaced by a pipe after the check: with this flag, opening a pipe does not wait either.
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let file = File::options().read(true).custom_flags(nonblocking).open(path)?;
    // Of the opened file, because the path may name another file by now.
    let distrust = Distrust::of_file(&file.metadata()?);
    let mut bytes = Vec::new();
    file.take(MAX_TEXT_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(FileRead::Present { bytes, distrust })
}

/// Returns why there is no file to open; `None`: there is one. To read the metadata of a file only its folders must be
/// accessible, so that `PermissionDenied` is about a folder.
fn missing_file(metadata: io::Result<Metadata>) -> io::Result<Option<FileRead>> {
    match metadata {
        Ok(metadata) if metadata.is_file() => Ok(None),
        Ok(_) => Err(io::Error::other("not a regular file")),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(Some(FileRead::Absent)),
            io::ErrorKind::PermissionDenied => Ok(Some(FileRead::Hidden)),
            _ => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn folder_that_may_not_be_entered_is_a_warning_and_no_error() {
        let denied = missing_file(Err(io::ErrorKind::PermissionDenied.into())).unwrap();
        assert!(matches!(denied, Some(FileRead::Hidden)));
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("home");
        fs::create_dir(&home).unwrap();
        fs::set_permissions(&home, fs::Permissions::from_mode(0o000)).unwrap();
        let user = home.join("config.toml");
        let absent = folder.path().join("none");
        let places = Places { project: absent.clone(), user: Some(user.clone()), system: absent };
        let loaded = load_files(&places).unwrap();
        assert!(loaded.layers.is_empty());
        // Root may enter every folder, and finds no file.
        let is_root = rustix::process::geteuid().is_root();
        assert_eq!(loaded.hidden, if is_root { vec![] } else { vec![user] });
    }

    #[test]
    fn file_that_may_not_be_read_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("eco2.toml");
        fs::write(&file, "zone = \"DE\"").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
        // Root may read every file.
        assert_eq!(read_file(&file).is_ok(), rustix::process::geteuid().is_root());
    }
}
