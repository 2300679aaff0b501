//! The configuration files: the only part that reads any.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::env::Warning;
use super::error::OptionsError;
use super::layer::{Layer, MAX_TEXT_BYTES};
use super::origin::{Distrust, Origin};
use super::rows::Options;

impl Options {
    /// Loads the options that the command would use in this process: from the configuration files and the environment.
    /// `ECO2_*` variables that no option has are ignored; [`Options::load_with`] returns them.
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

    /// Loads the same, below the settings of a program or its flags; with the variables that look like options of eco2 and
    /// are none.
    ///
    /// # Errors
    /// As [`Options::load`], and what [`Options::resolve`] refuses.
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
    pub fn load_with(code: Layer) -> Result<(Self, Vec<Warning>), OptionsError> {
        let mut layers = load_files(&Places::standard(env::vars_os()))?;
        let (environment, warnings) = Self::from_env(env::vars_os())?;
        layers.extend([environment, code]);
        Ok((Self::resolve(layers)?, warnings))
    }
}

/// Where the configuration files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Places {
    /// The project's.
    pub(super) project: PathBuf,
    /// The user's; `None`: there is no home.
    pub(super) user: Option<PathBuf>,
    /// The machine's.
    pub(super) system: PathBuf,
}

impl Places {
    /// The documented places, from `XDG_CONFIG_HOME` and `HOME`. As the XDG base directory specification has it, a
    /// relative folder counts as not set.
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

/// Reads the files that are there.
///
/// # Errors
/// [`OptionsError`] for a file that is there and cannot be read, or that holds what [`Options::from_toml`] refuses.
pub(super) fn load_files(places: &Places) -> Result<Vec<Layer>, OptionsError> {
    let user = places.user.as_ref().map(|path| (path, Origin::user as fn(String) -> Origin));
    let files = [(&places.system, Origin::system as fn(String) -> Origin), (&places.project, Origin::project)];
    let mut layers = Vec::new();
    for (path, origin) in files.into_iter().chain(user) {
        let found = read(path).map_err(|source| OptionsError::Unreadable { path: path.clone(), source })?;
        if let Some((bytes, distrust)) = found {
            let origin = origin(path.display().to_string()).distrusted(distrust);
            layers.push(Options::from_toml(bytes, origin)?);
        }
    }
    Ok(layers)
}

/// At most one byte more than is allowed, so that the parser sees that it is too much; `None` where there is no file. Owner
/// and mode are those of the file that was opened.
fn read(path: &Path) -> io::Result<Option<(Vec<u8>, Option<Distrust>)>> {
    match fs::metadata(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
        // Before opening: to open a named pipe would wait for its writer.
        Ok(metadata) if !metadata.is_file() => return Err(io::Error::other("not a regular file")),
        Ok(_) => {}
    }
    // Without waiting, in case the file has become a pipe in between.
    let without_waiting = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(without_waiting).open(path)?;
    let distrust = Distrust::of_file(&file.metadata()?);
    let mut bytes = Vec::new();
    file.take(MAX_TEXT_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(Some((bytes, distrust)))
}
