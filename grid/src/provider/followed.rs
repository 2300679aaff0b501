//! Reads a file of intensities again when it has changed ([`FollowedFile`]), for programs that run for months.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use super::offline::Stamp;
use super::{IntensityQuery, Provider, ProviderFault, Reply, SeriesFile};

/// A file of intensities as it is now. Where a new version cannot be read, the one before stays and each reply has the fault.
#[derive(Debug)]
pub(crate) struct FollowedFile {
    path: PathBuf,
    column: Option<String>,
    now: Mutex<Version>,
}

#[derive(Debug)]
struct Version {
    stamp: Option<Stamp>,
    file: SeriesFile,
    fault: Option<ProviderFault>,
}

impl FollowedFile {
    /// Follows the file that a series was read from; `None` if it is from no file.
    pub(crate) fn of(file: &SeriesFile) -> Option<Self> {
        let (path, column, stamp) = file.place()?;
        let now = Mutex::new(Version { stamp, file: file.clone(), fault: None });
        Some(Self { path: path.to_owned(), column: column.map(str::to_owned), now })
    }
}

impl Provider for FollowedFile {
    fn name(&self) -> &str {
        "series"
    }

    fn slots(&self, wanted: &IntensityQuery<'_>) -> Result<Reply, ProviderFault> {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        // Before it is read: what is written meanwhile is read the next time.
        let stamp = Stamp::of(&self.path);
        if stamp != now.stamp {
            now.stamp = stamp;
            now.fault = match SeriesFile::read(&self.path, self.column.as_deref()) {
                Ok(file) => {
                    now.file = file;
                    None
                }
                Err(fault) => Some(ProviderFault::File(fault.to_string())),
            };
        }
        let reply = now.file.slots(wanted);
        match now.fault.clone() {
            None => reply,
            Some(fault) => match reply {
                Ok(mut reply) => {
                    reply.stale = Some(fault);
                    Ok(reply)
                }
                Err(_) => Err(fault),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::provider::ProviderChain;

    const HOUR: i64 = 3_600_000_000_000;

    #[test]
    fn changed_file_is_read_again_and_a_broken_one_leaves_the_values_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("series.csv");
        let write = |text: &str| fs::write(&path, text).unwrap();
        write("time,gco2e_per_kwh\n1970-01-01T00:00Z,100\n1970-01-01T01:00Z,100\n");
        let file = SeriesFile::read(&path, None).unwrap();
        let chain = ProviderChain::new(vec![std::sync::Arc::new(FollowedFile::of(&file).unwrap())]);
        let asked = || {
            let coverage = chain.cover(&IntensityQuery { zone: "", from_ns: 0, to_ns: HOUR, now_ns: 0 });
            let values: Vec<f64> = coverage.parts.iter().map(|part| part.g_per_kwh).collect();
            let faults: Vec<String> = coverage.faults.iter().map(|(_, fault)| fault.to_string()).collect();
            (values, faults)
        };
        assert_eq!(asked(), (vec![100.0], Vec::new()));
        write("time,gco2e_per_kwh\n1970-01-01T00:00Z,2500\n1970-01-01T01:00Z,2500\n");
        assert_eq!(asked(), (vec![2500.0], Vec::new()), "read again");
        for broken in ["time,gco2e_per_kwh\n1970-01-01T00:00Z,many\n", ""] {
            write(broken);
            for _ in 0..2 {
                let (values, faults) = asked();
                assert_eq!((values, faults.len()), (vec![2500.0], 1), "the values before");
                assert!(faults[0].contains("series.csv") && faults[0].contains("the values before"), "{faults:?}");
            }
        }
        fs::remove_file(&path).unwrap();
        assert_eq!((asked().0, asked().1.len()), (vec![2500.0], 1), "no file is as a broken one");
        write("time,gco2e_per_kwh\n1970-01-01T00:00Z,30\n1970-01-01T01:00Z,30\n");
        assert_eq!(asked(), (vec![30.0], Vec::new()), "mended");
    }
}
