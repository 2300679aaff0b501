//! Reads and writes the files from which DCGM's exporter takes the jobs of each GPU ([`JobFiles`]): its `hpc-job-mapping-dir`.
//!
//! A file is named by the number of a GPU in the order of its driver, and each line of it is the id of a job that may use this
//! GPU. Many sites have a prolog and an epilog of their scheduler that write these files. For an instance of MIG some write
//! `GPU-INSTANCE` or `GPU.INSTANCE`.
//!
//! A file is replaced in one step, so that no reader sees half of it. What is not such a file is refused, with its name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::gpu_name::MOST_GPU;
use crate::jobs::is_id;

/// Most entries of the folder that are looked at: a machine has at most some dozens of GPUs.
const MOST_FILES: usize = 256;
/// Largest file, bytes, and most jobs in it.
const MOST_BYTES: u64 = 16 << 10;
const MOST_JOBS: usize = 64;
/// Permissions by which others than the owner could write.
const OTHERS_WRITE: u32 = 0o022;

/// The folder of the files.
#[derive(Debug)]
pub(crate) struct JobFiles {
    folder: PathBuf,
}

/// What the files state.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct MappedJobs {
    /// The GPUs of each job, by its id.
    pub(crate) jobs: BTreeMap<String, BTreeSet<u32>>,
    /// GPUs of which a file was refused: which jobs they have is not known.
    pub(crate) unclear: BTreeSet<u32>,
    /// What was refused, and why.
    pub(crate) faults: Vec<String>,
}

impl JobFiles {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Returns what the files state at present.
    ///
    /// # Errors
    /// Where the folder cannot be read, or others than its owner could put files there.
    pub(crate) fn read(&self) -> io::Result<MappedJobs> {
        let about = fs::metadata(&self.folder)?;
        check(&about).map_err(io::Error::other)?;
        let mut found = MappedJobs::default();
        for (count, entry) in fs::read_dir(&self.folder)?.enumerate() {
            let name = entry?.file_name();
            let name = name.to_string_lossy();
            // Files that are being written, also by others.
            if name.starts_with('.') {
                continue;
            }
            let shown = name.escape_debug();
            let mut refuse = |why: &str| found.faults.push(format!("{}/{shown}: {why}", self.folder.display()));
            if count >= MOST_FILES {
                refuse("there are more than 256 files; the rest is not read");
                break;
            }
            let Some(gpu) = gpu(&name) else {
                refuse("its name is not the number of a GPU");
                continue;
            };
            match self.ids(&name) {
                Ok(ids) => ids.into_iter().for_each(|id| {
                    found.jobs.entry(id).or_default().insert(gpu);
                }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    refuse(&error.to_string());
                    found.unclear.insert(gpu);
                }
            }
        }
        Ok(found)
    }

    /// Adds a job to the file of a GPU.
    ///
    /// # Errors
    /// Where the file cannot be written, or what is there is no such file.
    pub(crate) fn add(&self, gpu: u32, id: &str) -> io::Result<()> {
        let mut ids = self.ids_or_none(gpu)?;
        if ids.iter().any(|own| own == id) {
            return Ok(());
        }
        ids.push(id.to_owned());
        self.write(gpu, &ids)
    }

    /// Removes a job from the file of a GPU, and the file where it was the last one.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub(crate) fn remove(&self, gpu: u32, id: &str) -> io::Result<()> {
        let mut ids = self.ids_or_none(gpu)?;
        let count = ids.len();
        ids.retain(|own| own != id);
        match ids.len() {
            rest if rest == count => Ok(()),
            0 => fs::remove_file(self.folder.join(gpu.to_string())),
            _ => self.write(gpu, &ids),
        }
    }

    fn ids_or_none(&self, gpu: u32) -> io::Result<Vec<String>> {
        match self.ids(&gpu.to_string()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            ids => ids,
        }
    }

    fn write(&self, gpu: u32, ids: &[String]) -> io::Result<()> {
        let temporary = self.folder.join(format!(".{gpu}.eco2"));
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&temporary)?;
        file.write_all(ids.iter().map(|id| format!("{id}\n")).collect::<String>().as_bytes())?;
        fs::rename(&temporary, self.folder.join(gpu.to_string()))
    }

    /// Reads the ids of a file.
    fn ids(&self, name: &str) -> io::Result<Vec<String>> {
        // No link is followed, and no pipe is waited for.
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        let opened = File::options().read(true).custom_flags(flags.bits() as i32).open(self.folder.join(name));
        let file = opened.map_err(|error| match error.raw_os_error() {
            Some(code) if code == rustix::io::Errno::LOOP.raw_os_error() => refused("it is a symbolic link"),
            _ => error,
        })?;
        let about = file.metadata()?;
        if !about.is_file() {
            return Err(refused("it is no regular file"));
        }
        check(&about).map_err(refused)?;
        let mut bytes = Vec::new();
        file.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MOST_BYTES {
            return Err(refused("it has more than 16 KiB"));
        }
        let text = String::from_utf8(bytes).map_err(|_| refused("it is not UTF-8"))?;
        let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
        let ids: Vec<(usize, &str)> = lines.filter(|(_, id)| !id.is_empty()).collect();
        if let Some((line, _)) = ids.iter().find(|(_, id)| !is_id(id)) {
            return Err(io::Error::other(format!(
                "line {line}: the id of a job has 1 to 128 letters, digits and -_.:@+="
            )));
        }
        if ids.len() > MOST_JOBS {
            return Err(refused("it has more than 64 jobs"));
        }
        Ok(ids.into_iter().map(|(_, id)| id.to_owned()).collect())
    }
}

/// Checks that only root or this user could have written it.
fn check(about: &fs::Metadata) -> Result<(), &'static str> {
    if ![0, rustix::process::geteuid().as_raw()].contains(&about.uid()) {
        return Err("another user owns it; give it to root or to the user of the agent (chown)");
    }
    if about.mode() & OTHERS_WRITE != 0 {
        return Err("other users can write to it; take that right from them (chmod go-w)");
    }
    Ok(())
}

fn refused(why: &str) -> io::Error {
    io::Error::other(why.to_owned())
}

/// Returns the number of the GPU that the file of this name is of, also of an instance of MIG.
fn gpu(name: &str) -> Option<u32> {
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    let (gpu, instance) = name.split_once(['-', '.']).map_or((name, None), |(gpu, rest)| (gpu, Some(rest)));
    let is_instance = instance.is_none_or(|rest| number(rest).is_some_and(|_: u32| true));
    number(gpu).filter(|gpu| is_instance && *gpu <= MOST_GPU)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn folder() -> (tempfile::TempDir, JobFiles) {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let files = JobFiles::new(folder.path());
        (folder, files)
    }

    fn put(folder: &tempfile::TempDir, name: &str, text: impl AsRef<[u8]>) {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    }

    #[test]
    fn files_of_a_sites_prolog_give_the_gpus_of_each_job() {
        let (folder, files) = folder();
        assert_eq!(files.read().unwrap(), MappedJobs::default());
        put(&folder, "0", "48213\n48214");
        put(&folder, "1", "48213\n\n");
        put(&folder, "2-1", "9\n");
        put(&folder, "3", "");
        put(&folder, ".4.tmp", "\u{7}");
        let found = files.read().unwrap();
        let jobs = [("48213", vec![0, 1]), ("48214", vec![0]), ("9", vec![2])];
        let jobs = jobs.map(|(id, gpus)| (id.to_owned(), gpus.into_iter().collect()));
        assert_eq!(found, MappedJobs { jobs: jobs.into(), ..MappedJobs::default() });
        assert!(JobFiles::new(&folder.path().join("none")).read().is_err());
    }

    #[test]
    fn begin_and_end_replace_files_in_one_step_and_leave_the_jobs_of_others() {
        let (folder, files) = folder();
        let text = |name: &str| fs::read_to_string(folder.path().join(name)).ok();
        put(&folder, "0", "of-the-site\n");
        files.add(0, "a").unwrap();
        files.add(0, "a").unwrap();
        files.add(1, "a").unwrap();
        assert_eq!((text("0").as_deref(), text("1").as_deref()), (Some("of-the-site\na\n"), Some("a\n")));
        // What a crash left over is replaced.
        put(&folder, ".0.eco2", "half");
        files.remove(0, "a").unwrap();
        files.remove(1, "a").unwrap();
        files.remove(7, "a").unwrap();
        assert_eq!((text("0").as_deref(), text("1")), (Some("of-the-site\n"), None));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn content_that_is_hostile_is_refused_by_name_and_the_rest_is_read() {
        let (folder, files) = folder();
        put(&folder, "0", "good\n");
        put(&folder, "1", vec![b'a'; 1 << 20]);
        put(&folder, "2", "../../etc\n");
        put(&folder, "3", "a\nb\u{1b}[2J\n");
        put(&folder, "4", [0xff, 0xfe]);
        put(&folder, "5", "a\n".repeat(65));
        symlink("/etc/passwd", folder.path().join("6")).unwrap();
        fs::create_dir(folder.path().join("7")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, folder.path().join("8"), rustix::fs::FileType::Fifo, 0o644.into(), 0)
            .unwrap();
        put(&folder, "9", "a\n");
        fs::set_permissions(folder.path().join("9"), fs::Permissions::from_mode(0o666)).unwrap();
        for name in ["x", "1x", "-1", "+1", "1-", "4294967296", "1\u{1b}[2J", "١"] {
            put(&folder, name, "a\n");
        }
        let MappedJobs { jobs, faults, .. } = files.read().unwrap();
        assert_eq!(jobs.into_keys().collect::<Vec<_>>(), ["good"]);
        let of =
            |name: &str| faults.iter().find(|text| text.contains(&format!("/{name}: "))).cloned().unwrap_or_default();
        for (name, why) in [
            ("1", "16 KiB"),
            ("2", "line 1: the id"),
            ("3", "line 2: the id"),
            ("4", "not UTF-8"),
            ("5", "more than 64 jobs"),
            ("6", "symbolic link"),
            ("7", "no regular file"),
            ("8", "no regular file"),
            ("9", "chmod go-w"),
            ("-1", "number of a GPU"),
        ] {
            assert!(of(name).contains(why), "{name}: {faults:?}");
        }
        assert_eq!(faults.len(), 17, "{faults:?}");
        assert!(!faults.iter().any(|text| text.contains('\u{1b}')), "names are shown without control characters");
        assert!(files.add(6, "a").is_err() && files.add(2, "a").is_err(), "what is not understood is not replaced");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(files.read().unwrap_err().to_string().contains("chmod go-w"));
    }
}
