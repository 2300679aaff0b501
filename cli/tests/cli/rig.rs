//! A folder with fake hardware, and the program pointed at it with an environment of its own.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use eco2_core::schema::Report;

/// What the fake counters grow by, microjoules, and how often: 20 W.
const GROWTH_UJ: u64 = 100_000;
const EVERY: Duration = Duration::from_millis(5);
/// Where the fake counters begin: the number of digits never changes, so a writer replaces them in one write.
const FIRST_UJ: u64 = 100_000_000_000;

/// Name of the copy of the program that other users can run.
const COPY: &str = "eco2-copy";

/// The folder; gone when dropped, and its counters stand still then.
pub(crate) struct Rig {
    dir: tempfile::TempDir,
    writers: Vec<(Arc<AtomicBool>, Option<JoinHandle<()>>)>,
}

impl Drop for Rig {
    fn drop(&mut self) {
        for (stop, writer) in &mut self.writers {
            stop.store(true, Ordering::Relaxed);
            writer.take().map(JoinHandle::join);
        }
    }
}

impl Rig {
    /// A machine without any sensor, and an NVIDIA library that is not there.
    pub(crate) fn bare() -> Self {
        let rig = Self { dir: tempfile::tempdir().unwrap(), writers: Vec::new() };
        rig.put("sys/class/.keep", "");
        rig.put("proc/cpuinfo", "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Test CPU\nflags\t\t: fpu\n");
        rig.put("proc/stat", "cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 100 0 100 800 0 0 0 0 0 0\n");
        rig
    }

    /// A machine with one CPU package whose powercap counter grows by 20 W.
    pub(crate) fn measured() -> Self {
        let mut rig = Self::bare();
        rig.zone("intel-rapl:0", "package-0");
        rig
    }

    /// Adds a powercap zone with a growing counter.
    pub(crate) fn zone(&mut self, folder: &str, name: &str) {
        let path = |file: &str| format!("sys/class/powercap/{folder}/{file}");
        self.put(&path("name"), &format!("{name}\n"));
        self.put(&path("max_energy_range_uj"), "262143328850\n");
        let counter = self.put(&path("energy_uj"), &format!("{FIRST_UJ}\n"));
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        self.writers.push((stop, Some(thread::spawn(move || grow(&counter, &stopped)))));
    }

    /// A file or folder of the rig.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file with the folders above it.
    pub(crate) fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// What a file holds, once it is there and not empty.
    pub(crate) fn awaited(&self, name: &str) -> String {
        let path = self.path(name);
        await_that(&format!("{} is written", path.display()), || {
            fs::read_to_string(&path).ok().filter(|text| text.ends_with('\n'))
        })
    }

    /// The fake NVIDIA library with a script of its own; its path is for `--nvml`.
    pub(crate) fn nvml(&self, script: &str) -> String {
        let folder = self.path("nvidia");
        fs::create_dir_all(&folder).unwrap();
        nvidia_ml_fake::install(&folder, script).unwrap().display().to_string()
    }

    /// The fake AMD library with a script of its own, and its card in sysfs; its path is for `--amdsmi`.
    pub(crate) fn amdsmi(&self, address: &str) -> String {
        for (file, text) in [("class", "0x120000\n"), ("vendor", "0x1002\n"), ("device", "0x74a1\n")] {
            self.put(&format!("sys/bus/pci/devices/{address}/{file}"), text);
        }
        let folder = self.path("amd");
        fs::create_dir_all(&folder).unwrap();
        amd_smi_fake::install(&folder, &format!("[gpu {address}]\npower=300\n")).unwrap().display().to_string()
    }

    /// Opens the rig's folder for other users, with a copy of the program: the built one may lie in a folder that they may
    /// not enter.
    pub(crate) fn open_for_others(&self) {
        fs::copy(env!("CARGO_BIN_EXE_eco2"), self.path(COPY)).unwrap();
        fs::set_permissions(self.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The program, with no hardware but what its arguments name.
    /// Signals have their default effect, also where the tests were started by nohup or in the background.
    pub(crate) fn bin(&self) -> Command {
        let mut command = Command::new("env");
        let copy = self.path(COPY);
        let program = if copy.exists() { copy } else { env!("CARGO_BIN_EXE_eco2").into() };
        command.arg("--default-signal=HUP,INT,QUIT,TERM").arg(program);
        self.dress(&mut command);
        command
    }

    /// Gives a command the folder and environment of the rig, and no settings of the user who runs the tests.
    pub(crate) fn dress(&self, command: &mut Command) {
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            // Of continuous integration, notebooks and editors too: the live line is hidden where they are set.
            let foreign = [
                "ECO2_",
                "OTEL_",
                "CLICOLOR",
                "SLURM_",
                "CUDA_",
                "POD_",
                "LC_",
                "HF_",
                "CI",
                "JPY_",
                "COLAB_",
                "INSIDE_EMACS",
            ];
            if foreign.iter().any(|prefix| text.starts_with(prefix)) {
                command.env_remove(&name);
            }
        }
        command.current_dir(self.dir.path());
        command.env("XDG_STATE_HOME", self.path("state")).env("XDG_CONFIG_HOME", self.path("config"));
        command.env("HOME", self.path("home")).env("LC_ALL", "C.UTF-8").env("NO_COLOR", "1").env("COLUMNS", "100");
        command.env("TZ", "UTC").env("TERM", "xterm").stdin(Stdio::null());
    }

    /// `eco2 WORDS…`, on the rig's hardware where the command takes any.
    pub(crate) fn command(&self, words: &str) -> Command {
        let mut command = self.bin();
        let mut words = words.split(' ');
        let name = words.next().unwrap();
        command.arg(name);
        if matches!(name, "run" | "doctor") {
            command.args(self.hardware());
        }
        command.args(words);
        command
    }

    /// Flags that point at the rig's hardware. A later `--nvml` cannot replace one: the variable can be overruled.
    pub(crate) fn hardware(&self) -> [String; 4] {
        let path = |name: &str| self.path(name).display().to_string();
        ["--sysfs".into(), path("sys"), "--procfs".into(), path("proc")]
    }

    /// Runs `eco2 WORDS…`.
    pub(crate) fn eco2(&self, words: &str) -> Ran {
        ran(self.command(words).env("ECO2_NVML", self.path("no-such-library.so")))
    }

    /// Runs a command given to `sh` under `eco2 run FLAGS`.
    pub(crate) fn run(&self, flags: &str, script: &str) -> Ran {
        ran(&mut self.measuring(flags, script))
    }

    /// The same, not started.
    pub(crate) fn measuring(&self, flags: &str, script: &str) -> Command {
        let mut command = self.command(&format!("run {flags}").trim_end().replace("  ", " "));
        command.args(["--", "sh", "-c", script]).env("ECO2_NVML", self.path("no-such-library.so"));
        command
    }

    /// The report at a path.
    pub(crate) fn report(&self, name: &str) -> Report {
        serde_json::from_str(&fs::read_to_string(self.path(name)).unwrap()).unwrap()
    }

    /// The logs of the runs so far.
    pub(crate) fn logs(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path("state/eco2/runs")).into_iter().flatten();
        let is_log = |path: &PathBuf| path.is_dir() || path.extension().is_some_and(|found| found == "eco2log");
        entries.map(|entry| entry.unwrap().path()).filter(is_log).collect()
    }
}

/// What a program left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }
}

impl Ran {
    /// The report on standard output.
    pub(crate) fn report(&self) -> Report {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Code and both streams, as snapshots have them.
    pub(crate) fn shown(&self) -> String {
        let code = self.code.map_or_else(|| "signal".to_owned(), |code| code.to_string());
        format!("exit code: {code}\n--- stdout\n{}--- stderr\n{}", self.out, self.err)
    }
}

/// Runs a command to its end.
pub(crate) fn ran(command: &mut Command) -> Ran {
    command.output().unwrap().into()
}

/// Starts a command in a process group of its own, its streams kept.
pub(crate) fn started(command: &mut Command) -> Child {
    use std::os::unix::process::CommandExt as _;
    command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits for what must come within ten seconds.
pub(crate) fn await_that<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "not within ten seconds: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Checks a report against the schema that is shipped.
pub(crate) fn assert_valid(report: &Report) {
    let schema = serde_json::from_str(eco2_report::SCHEMA_JSON).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let document = serde_json::to_value(report).unwrap();
    let faults: Vec<String> = validator.iter_errors(&document).map(|fault| fault.to_string()).collect();
    assert!(faults.is_empty(), "{faults:?}");
}

/// Snapshot settings: what differs from run to run and from machine to machine is replaced.
pub(crate) fn snapshots(rig: &Rig) -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.add_filter(&regex_of(&rig.dir.path().display().to_string()), "[DIR]");
    settings.add_filter(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[TIME]");
    settings.add_filter(r"\d{8}-\d{6}-[0-9a-f]+-[0-9a-f]+", "[RUN]");
    settings.add_filter(env!("CARGO_PKG_VERSION").replace('.', r"\.").as_str(), "[VERSION]");
    settings
}

fn regex_of(text: &str) -> String {
    text.replace('.', r"\.").replace('+', r"\+")
}

fn grow(counter: &Path, stop: &AtomicBool) {
    let file: File = OpenOptions::new().write(true).open(counter).unwrap();
    let mut uj = FIRST_UJ;
    while !stop.load(Ordering::Relaxed) {
        uj += GROWTH_UJ;
        file.write_all_at(format!("{uj}\n").as_bytes(), 0).unwrap();
        thread::sleep(EVERY);
    }
}
