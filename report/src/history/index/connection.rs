//! Opens the file of the history index, and creates it again if it is damaged or of another version.

use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use eco2_core::Quality;
use rusqlite::{Connection, ErrorCode, OpenFlags};

/// Name of the file in the folder of runs.
const FILE: &str = ".history.sqlite";
/// `application_id` of the file (<https://sqlite.org/pragma.html>): "eco2".
const APPLICATION: i32 = 0x6563_6f32;
/// Version of the tables. An index of another version is built again.
const VERSION: i32 = 2;
/// How long another process may hold the lock before the index is not used.
const LOCK_WAIT: Duration = Duration::from_millis(250);

const TABLES: &str = "
CREATE TABLE runs (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    started_ms INTEGER NOT NULL,
    day INTEGER NOT NULL,
    name TEXT NOT NULL,
    quality INTEGER NOT NULL,
    is_open INTEGER NOT NULL,
    overlaps INTEGER NOT NULL DEFAULT 0,
    part TEXT NOT NULL,
    content TEXT NOT NULL
);
CREATE INDEX runs_by_start ON runs (started_ms DESC, id DESC);
CREATE INDEX runs_by_name ON runs (name, started_ms DESC, id DESC);
CREATE INDEX runs_by_quality ON runs (quality, started_ms DESC, id DESC);
CREATE INDEX runs_by_day ON runs (day);
CREATE INDEX runs_open ON runs (number) WHERE is_open;
CREATE TABLE labels (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    run INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
    PRIMARY KEY (name, value, run)
) WITHOUT ROWID;
CREATE INDEX labels_by_run ON labels (run);
CREATE TABLE records (
    path TEXT NOT NULL,
    run INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
    bytes INTEGER NOT NULL,
    modified_ns INTEGER NOT NULL,
    PRIMARY KEY (run, path)
) WITHOUT ROWID;
CREATE TABLE times (
    boot_id TEXT NOT NULL,
    from_ms INTEGER NOT NULL,
    to_ms INTEGER NOT NULL,
    run INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
    PRIMARY KEY (boot_id, from_ms, to_ms, run)
) WITHOUT ROWID;
CREATE INDEX times_by_run ON times (run);
CREATE TABLE machines (
    boot_id TEXT PRIMARY KEY,
    longest_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE day_sums (
    day INTEGER NOT NULL,
    quality INTEGER NOT NULL,
    sums TEXT NOT NULL,
    PRIMARY KEY (day, quality)
) WITHOUT ROWID;
";

/// Why the index is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexFault {
    /// Another process has locked it.
    #[error("another process has locked it")]
    Locked,
    /// It is damaged or was written by another version.
    #[error("it is damaged or of another version ({0})")]
    Damaged(String),
    /// The system refused, such as for a folder that cannot be written.
    #[error("{0}")]
    Refused(String),
}

impl From<rusqlite::Error> for IndexFault {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked,
            Some(
                ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::OutOfMemory
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::NoLargeFileSupport,
            ) => Self::Refused(error.to_string()),
            _ => Self::Damaged(error.to_string()),
        }
    }
}

impl From<serde_json::Error> for IndexFault {
    fn from(error: serde_json::Error) -> Self {
        Self::Damaged(error.to_string())
    }
}

/// Returns the number that the index has for a quality.
pub(super) fn quality_code(quality: Quality) -> i64 {
    match quality {
        Quality::Measured => 0,
        Quality::Derived => 1,
        Quality::Estimated => 2,
        Quality::Synthetic => 3,
        Quality::Missing => 4,
    }
}

/// An open index.
pub(super) struct Index {
    pub(super) db: Connection,
}

impl Index {
    /// Opens the index of a folder, and creates it if there is none. Returns also whether it replaces a damaged one.
    pub(super) fn open(folder: &Path) -> Result<(Self, bool), IndexFault> {
        match Self::open_file(folder) {
            Err(IndexFault::Damaged(_)) => Ok((Self::create_again(folder)?, true)),
            other => Ok((other?, false)),
        }
    }

    /// Removes the index of a folder, and creates an empty one.
    pub(super) fn create_again(folder: &Path) -> Result<Self, IndexFault> {
        // A process that holds the lock is writing the file: it must not lose it.
        if let Err(IndexFault::Locked) = Self::open_file(folder) {
            return Err(IndexFault::Locked);
        }
        for suffix in ["", "-journal"] {
            let file = folder.join(format!("{FILE}{suffix}"));
            let gone = fs::remove_file(&file);
            let is_gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
            gone.or_else(|error| if is_gone(&error) { Ok(()) } else { Err(refused(&file, &error)) })?;
        }
        Self::open_file(folder)
    }

    fn open_file(folder: &Path) -> Result<Self, IndexFault> {
        let file = folder.join(FILE);
        // Mode 0600 as all files of runs: SQLite would create it as the umask allows.
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(no_follow());
        options.open(&file).map_err(|error| refused(&file, &error))?;
        let flags =
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let db = Connection::open_with_flags(canonical(&file), flags)?;
        db.busy_timeout(LOCK_WAIT)?;
        db.execute_batch("PRAGMA foreign_keys = ON; PRAGMA synchronous = NORMAL; PRAGMA trusted_schema = OFF;")?;
        let mut index = Self { db };
        // The file may be empty only now: SQLite takes back what a process left that was killed while it made the tables.
        if index.version()? == [0, 0] {
            index.create_tables()?;
        }
        let found = index.version()?;
        if found != [APPLICATION, VERSION] {
            return Err(IndexFault::Damaged(format!("version {found:?}, this is {:?}", [APPLICATION, VERSION])));
        }
        Ok(index)
    }

    fn create_tables(&mut self) -> Result<(), IndexFault> {
        let change = self.db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        // Another process may have been first.
        let is_empty = change.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))? == 0;
        if is_empty {
            change.execute_batch(TABLES)?;
            change.pragma_update(None, "application_id", APPLICATION)?;
            change.pragma_update(None, "user_version", VERSION)?;
        }
        Ok(change.commit()?)
    }

    /// Returns the application and the version of the tables; zeros before there are any.
    fn version(&self) -> Result<[i32; 2], IndexFault> {
        let pragma = |name: &str| self.db.pragma_query_value(None, name, |row| row.get(0));
        Ok([pragma("application_id")?, pragma("user_version")?])
    }
}

fn refused(file: &Path, error: &io::Error) -> IndexFault {
    IndexFault::Refused(format!("{}: {error}", file.display()))
}

/// Flag of `open` that refuses links: the folder may be one that others can write.
fn no_follow() -> i32 {
    i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0)
}

/// Returns the file with the links of its folder resolved: SQLite refuses any link in the path.
fn canonical(file: &Path) -> PathBuf {
    let folder = file.parent().and_then(|folder| fs::canonicalize(folder).ok());
    folder.map_or_else(|| file.to_owned(), |folder| folder.join(FILE))
}
