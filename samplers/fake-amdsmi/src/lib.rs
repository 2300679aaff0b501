//! A scripted `libamd_smi.so`, for tests without a GPU of AMD.
//!
//! The shared library reads `fake-amdsmi.conf` next to itself in every call, so a test changes what the library shows by
//! writing the file again ([`write()`]). [`install`] makes a copy of the library in a folder, with a script of its own. The
//! script is made of `key=value` lines. These come first:
//!
//! | key | meaning |
//! |---|---|
//! | `version` | numbers of the library's version (26.1.0); four of them up to version 25 |
//! | `init` | `amdsmi_status_t` of `amdsmi_init` (0) |
//! | `hang` | function that does not return while the script has this line |
//!
//! Then, after each `[gpu ADDRESS]`, where the address is the PCI address `0000:c1:00.0`:
//!
//! | key | meaning |
//! |---|---|
//! | `name` | the name under which it is sold |
//! | `energy` | value of the counter; without it the counter counts `power` |
//! | `resolution` | microjoules in a unit of the counter (15.3) |
//! | `busy` | utilisation, percent (4294967295: not known) |
//! | `edge`, `hotspot` | temperatures, degrees Celsius (none) |
//! | `power`, `average` | current and averaged power, watts (300, and 4294967295: not known) |
//! | `stamp_ms` | added to the timestamp of the counter, which is `CLOCK_BOOTTIME` (0) |
//! | `slow_ms` | how long a call goes on after it has taken value and timestamp (0) |
//! | `fail` | `amdsmi_status_t` of the counter and the power (0) |

mod exports;

use std::ffi::{CStr, OsStr, c_void};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const SCRIPT: &str = "fake-amdsmi.conf";

/// What the library shows at a moment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Script {
    pub(crate) version: Vec<u32>,
    pub(crate) init: u32,
    pub(crate) hang: String,
    pub(crate) gpus: Vec<Gpu>,
}

/// One GPU of the script.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Gpu {
    /// As `amdsmi_bdf_t`.
    pub(crate) address: u64,
    pub(crate) name: String,
    pub(crate) energy: Option<u64>,
    pub(crate) resolution_uj: f32,
    pub(crate) busy: u32,
    pub(crate) edge: Option<i64>,
    pub(crate) hotspot: Option<i64>,
    pub(crate) power: u32,
    pub(crate) average: u32,
    pub(crate) stamp_ms: i64,
    pub(crate) slow_ms: u64,
    pub(crate) fail: u32,
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// The line that is none.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut script = Self { version: vec![26, 1, 0], init: 0, hang: String::new(), gpus: Vec::new() };
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            script.line(line).ok_or_else(|| line.to_owned())?;
        }
        Ok(script)
    }

    fn line(&mut self, line: &str) -> Option<()> {
        if let Some(address) = line.strip_prefix("[gpu ") {
            self.gpus.push(Gpu::at(address.strip_suffix(']')?)?);
            return Some(());
        }
        let (key, value) = line.split_once('=')?;
        if let Some(gpu) = self.gpus.last_mut() {
            return gpu.set(key, value);
        }
        match key {
            "version" => self.version = value.split('.').map(|number| number.parse().ok()).collect::<Option<_>>()?,
            "init" => self.init = value.parse().ok()?,
            "hang" => value.clone_into(&mut self.hang),
            _ => return None,
        }
        Some(())
    }
}

impl Gpu {
    fn at(address: &str) -> Option<Self> {
        let (rest, function) = address.rsplit_once('.')?;
        let numbers: Vec<u64> = rest.split(':').filter_map(|part| u64::from_str_radix(part, 16).ok()).collect();
        let [domain, bus, device] = numbers[..] else { return None };
        Some(Self {
            address: domain << 16 | bus << 8 | device << 3 | function.parse::<u64>().ok()?,
            name: "AMD Instinct MI300X".into(),
            energy: None,
            resolution_uj: 15.3,
            busy: u32::MAX,
            edge: None,
            hotspot: None,
            power: 300,
            average: u32::MAX,
            stamp_ms: 0,
            slow_ms: 0,
            fail: 0,
        })
    }

    fn set(&mut self, key: &str, value: &str) -> Option<()> {
        match key {
            "name" => value.clone_into(&mut self.name),
            "energy" => self.energy = Some(value.parse().ok()?),
            "resolution" => self.resolution_uj = value.parse().ok()?,
            "busy" => self.busy = value.parse().ok()?,
            "edge" => self.edge = Some(value.parse().ok()?),
            "hotspot" => self.hotspot = Some(value.parse().ok()?),
            "power" => self.power = value.parse().ok()?,
            "average" => self.average = value.parse().ok()?,
            "stamp_ms" => self.stamp_ms = value.parse().ok()?,
            "slow_ms" => self.slow_ms = value.parse().ok()?,
            "fail" => self.fail = value.parse().ok()?,
            _ => return None,
        }
        Some(())
    }
}

/// The script of the loaded library, as it is now. Without a script there is no GPU.
pub(crate) fn script() -> Script {
    let text = std::fs::read_to_string(own_path().with_file_name(SCRIPT)).unwrap_or_default();
    #[expect(clippy::expect_used, reason = "a wrong script has no other way to be seen")]
    Script::parse(&text).expect("a line of fake-amdsmi.conf cannot be read")
}

fn own_path() -> PathBuf {
    // SAFETY: all-zero is a valid `Dl_info`.
    let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
    let here = own_path as fn() -> PathBuf as *const c_void;
    // SAFETY: `info` is writable and `here` is an address; dladdr only looks it up.
    let found = unsafe { libc::dladdr(here, &raw mut info) };
    if found == 0 || info.dli_fname.is_null() {
        return PathBuf::new();
    }
    // SAFETY: dladdr set `dli_fname` to a NUL-terminated string that lives as long as the library.
    let name = unsafe { CStr::from_ptr(info.dli_fname) };
    PathBuf::from(OsStr::from_bytes(name.to_bytes()))
}

/// Copies the library to `folder/libamd_smi.so.26` with `script` next to it; returns the library's path.
///
/// # Errors
/// When the folder cannot be written.
pub fn install(folder: &Path, script: &str) -> io::Result<PathBuf> {
    let exe = std::env::current_exe()?;
    // Cargo puts the shared library next to the running test (`deps/`), or one folder up from there.
    let folders = exe.ancestors().skip(1).take(3).flat_map(|above| [above.to_path_buf(), above.join("deps")]);
    let built = folders.map(|above| above.join("libamd_smi_fake.so")).find(|path| path.exists());
    let library = folder.join("libamd_smi.so.26");
    std::fs::copy(built.ok_or(io::ErrorKind::NotFound)?, &library)?;
    write(folder, script)?;
    Ok(library)
}

/// Changes the script of the library in `folder`; a call that is under way sees the old one or the new one.
///
/// # Errors
/// When the folder cannot be written, and when a line is none of a script.
pub fn write(folder: &Path, script: &str) -> io::Result<()> {
    Script::parse(script).map_err(io::Error::other)?;
    let new = folder.join("fake-amdsmi.new");
    std::fs::write(&new, script)?;
    std::fs::rename(new, folder.join(SCRIPT))
}
