//! Loads `libamd_smi`, the library of AMD's GPUs, checks its version and makes its calls.
//!
//! Only functions are used whose arguments are the same in every version from 24 (ROCm 6.1) to 27 (ROCm 10), and of
//! their results only the fields whose place is known (AMD, `include/amd_smi/amdsmi.h`). Version 23 has another layout
//! of the power, and what follows 27 is not known: such a library is not used.
//!
//! The library stays loaded and is never shut down. It counts no users before version 26: a shutdown would close it for
//! the program that is measured as well.

use std::ffi::{CStr, CString, c_char, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use eco2_core::Fault;

/// The source's name.
pub(crate) const NAME: &str = "amdsmi";
/// Versions whose layouts are known: the number in the library's name.
const VERSIONS: std::ops::RangeInclusive<u32> = 24..=27;
/// Where ROCm installs the library, newest version first; the last is found without an entry in the loader's cache.
const NAMES: [&str; 6] = [
    "libamd_smi.so.27",
    "libamd_smi.so.26",
    "libamd_smi.so.25",
    "libamd_smi.so.24",
    "libamd_smi.so",
    "/opt/rocm/lib/libamd_smi.so",
];
/// `AMDSMI_INIT_AMD_GPUS`.
const AMD_GPUS: u64 = 1 << 1;
/// More sockets or processors than any machine has; a larger count is garbage.
const MOST_HANDLES: u32 = 1_024;
/// More bytes than any version writes for a card's description (below 1 KiB) or power (below 256 bytes).
const RESULT_WORDS: usize = 512;

type Handle = *mut c_void;
type Code = u32;
type ResultBuffer = [u64; RESULT_WORDS];

/// `AMDSMI_TEMPERATURE_TYPE_EDGE`, `AMDSMI_TEMPERATURE_TYPE_HOTSPOT`, `AMDSMI_TEMP_CURRENT` and `AMDSMI_MEM_TYPE_VRAM`.
const EDGE: u32 = 0;
const HOTSPOT: u32 = 1;
const TEMPERATURE_NOW: u32 = 0;
const VRAM: u32 = 0;
/// Temperatures that a card can have; a larger number is one in thousandths of a degree, or none.
const PLAUSIBLE_CELSIUS: std::ops::RangeInclusive<i64> = -40..=200;
/// `amdsmi_status_t`, of which these codes mean something here.
const SUCCESS: Code = 0;
const NOT_SUPPORTED: Code = 2;
const NOT_YET_IMPLEMENTED: Code = 3;
const NO_PERMISSION: Code = 10;
const NOT_FOUND: Code = 31;
const NOT_INITIALIZED: Code = 32;
const NO_DATA: Code = 40;

/// Why the library is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LibraryError {
    /// It cannot be loaded.
    Absent(String),
    /// It lacks this function.
    Symbol(&'static str),
    /// Its version, whose layouts are not known.
    Version(String),
    /// It does not start, with this `amdsmi_status_t`.
    Start(Code),
}

/// A GPU as the library names it, as long as the library stays initialised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Processor(Handle);

// SAFETY: the handle is a key that the library looks up under a lock of its own; it is never dereferenced here.
unsafe impl Send for Processor {}

/// One reading of a card's energy counter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct EnergyCount {
    /// Units since the driver was loaded.
    pub(super) count: u64,
    /// Microjoules in a unit, as the library states it.
    pub(super) resolution_uj: f32,
    /// When the driver read it, nanoseconds of `CLOCK_BOOTTIME`.
    pub(super) stamp_ns: u64,
}

/// The loaded library.
#[derive(Debug, Clone)]
pub(super) struct Library {
    /// `26.1.0`.
    pub(super) version: String,
    /// 26.
    major: u32,
    init: unsafe extern "C" fn(u64) -> Code,
    sockets: unsafe extern "C" fn(*mut u32, *mut Handle) -> Code,
    processors: unsafe extern "C" fn(Handle, *mut u32, *mut Handle) -> Code,
    address: unsafe extern "C" fn(Handle, *mut u64) -> Code,
    description: unsafe extern "C" fn(Handle, *mut ResultBuffer) -> Code,
    energy: unsafe extern "C" fn(Handle, *mut u64, *mut f32, *mut u64) -> Code,
    power: unsafe extern "C" fn(Handle, *mut ResultBuffer) -> Code,
    /// Functions for gauges, without which a library is used all the same.
    activity: Option<unsafe extern "C" fn(Handle, *mut ResultBuffer) -> Code>,
    temperature: Option<unsafe extern "C" fn(Handle, u32, u32, *mut i64) -> Code>,
    memory_used: Option<unsafe extern "C" fn(Handle, u32, *mut u64) -> Code>,
    memory_total: Option<unsafe extern "C" fn(Handle, u32, *mut u64) -> Code>,
}

impl Library {
    /// Loads and initialises the library at `path`, or the system's. May hang as long as the driver does.
    ///
    /// # Errors
    /// Where there is none, or it is none that is known.
    pub(super) fn load(path: Option<&Path>) -> Result<Self, LibraryError> {
        let file = match path {
            Some(path) => open(path, libc::RTLD_NOW),
            // Two instances in a process see no GPU: what the program has loaded goes first.
            None => {
                let names = || NAMES.iter().map(Path::new);
                names()
                    .find_map(|name| open(name, libc::RTLD_NOW | libc::RTLD_NOLOAD).ok())
                    .or_else(|| names().find_map(|name| open(name, libc::RTLD_NOW).ok()))
                    .ok_or_else(|| LibraryError::Absent("it is not installed".into()))
            }
        }?;
        // SAFETY: of each function the type is the one of AMD's header.
        unsafe {
            let version: unsafe extern "C" fn(*mut ResultBuffer) -> Code = symbol(file, c"amdsmi_get_lib_version")?;
            let mut library = Self {
                version: String::new(),
                major: 0,
                init: symbol(file, c"amdsmi_init")?,
                sockets: symbol(file, c"amdsmi_get_socket_handles")?,
                processors: symbol(file, c"amdsmi_get_processor_handles")?,
                address: symbol(file, c"amdsmi_get_gpu_device_bdf")?,
                description: symbol(file, c"amdsmi_get_gpu_asic_info")?,
                energy: symbol(file, c"amdsmi_get_energy_count")?,
                power: symbol(file, c"amdsmi_get_power_info")?,
                activity: symbol(file, c"amdsmi_get_gpu_activity").ok(),
                temperature: symbol(file, c"amdsmi_get_temp_metric").ok(),
                memory_used: symbol(file, c"amdsmi_get_gpu_memory_usage").ok(),
                memory_total: symbol(file, c"amdsmi_get_gpu_memory_total").ok(),
            };
            // The version can be asked for only after this in version 24.
            started((library.init)(AMD_GPUS))?;
            let mut result: ResultBuffer = [0; RESULT_WORDS];
            started(version(&raw mut result))?;
            // Up to version 25 the first number is called the year; the library's name has it as its version anyway.
            let numbers = words(&result);
            library.major = numbers[0];
            library.version = format!("{}.{}.{}", numbers[0], numbers[1], numbers[2]);
            if VERSIONS.contains(&library.major) { Ok(library) } else { Err(LibraryError::Version(library.version)) }
        }
    }

    /// Initialises the library again after another user in this process has shut it down; returns every GPU, as the
    /// handles of before do not hold.
    ///
    /// # Errors
    /// Where it does not start, or does not list them.
    pub(super) fn restart(&self) -> Result<Vec<Processor>, Fault> {
        // SAFETY: the function is called as the header has it.
        answered(unsafe { (self.init)(AMD_GPUS) })?;
        self.gpus()
    }

    /// Every GPU, in the library's order.
    ///
    /// # Errors
    /// Where the library does not list them.
    pub(super) fn gpus(&self) -> Result<Vec<Processor>, Fault> {
        // SAFETY: the function is called as the header has it, with space for as many handles as the count states.
        let sockets = handles(|count, list| unsafe { (self.sockets)(count, list) })?;
        let mut gpus = Vec::new();
        for socket in sockets {
            // SAFETY: as above, and the socket is one that the library has just listed.
            gpus.extend(
                handles(|count, list| unsafe { (self.processors)(socket, count, list) })?.into_iter().map(Processor),
            );
        }
        Ok(gpus)
    }

    /// PCI address of a GPU, `0000:c1:00.0`.
    ///
    /// # Errors
    /// What the library's code means; processors that are no GPU have no address here.
    pub(super) fn address(&self, gpu: Processor) -> Result<String, Fault> {
        let mut bits = 0;
        // SAFETY: the handle is one that the library listed, and `bits` is as large as its `amdsmi_bdf_t`.
        answered(unsafe { (self.address)(gpu.0, &raw mut bits) })?;
        // From the lowest bit: 3 bits of the function, 5 of the device, 8 of the bus, 48 of the domain.
        let (function, device, bus, domain) = (bits & 7, (bits >> 3) & 31, (bits >> 8) & 255, bits >> 16);
        Ok(format!("{domain:04x}:{bus:02x}:{device:02x}.{function}"))
    }

    /// The name under which a GPU is sold; `None` where it is not known. It is the first field in every version.
    pub(super) fn market_name(&self, gpu: Processor) -> Option<String> {
        let mut result: ResultBuffer = [0; RESULT_WORDS];
        // SAFETY: the handle is one that the library listed, and the buffer is larger than any version's result.
        answered(unsafe { (self.description)(gpu.0, &raw mut result) }).ok()?;
        let bytes: Vec<u8> = result.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let name = CStr::from_bytes_until_nul(&bytes).ok()?.to_string_lossy();
        let name: String = name.chars().filter(|c| !c.is_control()).take(256).collect();
        Some(name.trim().to_owned()).filter(|name| !name.is_empty() && name != "N/A")
    }

    /// The energy counter of a GPU.
    ///
    /// # Errors
    /// What the library's code means; [`Fault::NotAvailable`] for a counter of ones only, which is none.
    pub(super) fn energy(&self, gpu: Processor) -> Result<EnergyCount, Fault> {
        let mut energy = EnergyCount { count: u64::MAX, resolution_uj: 0.0, stamp_ns: 0 };
        let EnergyCount { count, resolution_uj, stamp_ns } = &mut energy;
        // SAFETY: the handle is one that the library listed, and the three are writable.
        answered(unsafe { (self.energy)(gpu.0, &raw mut *count, &raw mut *resolution_uj, &raw mut *stamp_ns) })?;
        if energy.count == u64::MAX { Err(Fault::NotAvailable) } else { Ok(energy) }
    }

    /// The power of a GPU, watts: averaged where the card reports that (up to MI200), else current.
    ///
    /// # Errors
    /// What the library's code means; [`Fault::Unsupported`] in version 25, whose layout is not known;
    /// [`Fault::NotAvailable`] for 0, which no card that works draws.
    pub(super) fn power(&self, gpu: Processor) -> Result<u64, Fault> {
        // Version 26 put a field of 64 bits before the two.
        let first = match self.major {
            24 => 0,
            26.. => 2,
            _ => return Err(Fault::Unsupported),
        };
        let mut result: ResultBuffer = [0; RESULT_WORDS];
        // SAFETY: the handle is one that the library listed, and the buffer is larger than any version's result.
        answered(unsafe { (self.power)(gpu.0, &raw mut result) })?;
        let numbers = words(&result);
        let (current, average) = (numbers[first], numbers[first + 1]);
        // Values that are not known have all bits set, of 32 or of the driver's 16.
        let known = |watts: &u32| *watts != 0 && *watts != u32::MAX && *watts != u32::from(u16::MAX);
        [average, current].into_iter().find(known).map(u64::from).ok_or(Fault::NotAvailable)
    }
}

impl Library {
    /// Utilisation of a GPU's shaders, 0 to 1; `None`: not known. It is the first field in every version, in percent.
    pub(super) fn utilization(&self, gpu: Processor) -> Option<f64> {
        let mut result: ResultBuffer = [u64::MAX; RESULT_WORDS];
        // SAFETY: the handle is one that the library listed, and the buffer is larger than any version's result.
        answered(unsafe { (self.activity?)(gpu.0, &raw mut result) }).ok()?;
        Some(words(&result)[0]).filter(|percent| *percent <= 100).map(|percent| f64::from(percent) / 100.0)
    }

    /// Temperature of a GPU at its edge, or, where it has no sensor there, at its hottest place, degrees Celsius.
    pub(super) fn celsius(&self, gpu: Processor) -> Option<f64> {
        let read = |place: u32| {
            let mut celsius = i64::MAX;
            // SAFETY: the handle is one that the library listed, and the temperature is writable.
            answered(unsafe { (self.temperature?)(gpu.0, place, TEMPERATURE_NOW, &raw mut celsius) }).ok()?;
            PLAUSIBLE_CELSIUS.contains(&celsius).then_some(celsius as f64)
        };
        [EDGE, HOTSPOT].into_iter().find_map(read)
    }

    /// Memory of a GPU: bytes in use, and all bytes.
    pub(super) fn memory(&self, gpu: Processor) -> [Option<f64>; 2] {
        [self.memory_used, self.memory_total].map(|function| {
            let mut bytes = u64::MAX;
            // SAFETY: the handle is one that the library listed, and the count is writable.
            answered(unsafe { function?(gpu.0, VRAM, &raw mut bytes) }).ok()?;
            Some(bytes).filter(|bytes| *bytes < u64::MAX).map(|bytes| bytes as f64)
        })
    }
}

/// Opens a library by path or name.
fn open(name: &Path, flags: i32) -> Result<*mut c_void, LibraryError> {
    let refused = |text: &str| LibraryError::Absent(text.to_owned());
    let c_name = CString::new(name.as_os_str().as_bytes()).map_err(|_| refused("its path has a NUL byte"))?;
    // SAFETY: the name ends with NUL; loading runs the library's own initialisers, which is what the user asked for.
    let file = unsafe { libc::dlopen(c_name.as_ptr(), flags) };
    if !file.is_null() {
        return Ok(file);
    }
    // SAFETY: after a failure it returns a text that ends with NUL and lives until this thread's next call.
    let text = unsafe { libc::dlerror() };
    if text.is_null() {
        return Err(refused("the loader gives no reason"));
    }
    // SAFETY: not null; see above.
    Err(refused(&unsafe { CStr::from_ptr(text) }.to_string_lossy()))
}

/// A function of the library.
///
/// # Safety
/// `F` is the type of a pointer to that function.
unsafe fn symbol<F: Copy>(file: *mut c_void, name: &'static CStr) -> Result<F, LibraryError> {
    // SAFETY: the file is open and stays open, and the name ends with NUL.
    let address = unsafe { libc::dlsym(file, name.as_ptr()) };
    if address.is_null() {
        return Err(LibraryError::Symbol(name.to_str().unwrap_or_default()));
    }
    // SAFETY: `F` is a pointer to a function by the caller's promise, and the address is the function's.
    Ok(unsafe { std::mem::transmute_copy::<*mut c_void, F>(&address) })
}

/// A list of handles: its length first, then its content.
fn handles(call: impl Fn(*mut u32, *mut Handle) -> Code) -> Result<Vec<Handle>, Fault> {
    let mut count = 0;
    answered(call(&raw mut count, std::ptr::null_mut()))?;
    if count > MOST_HANDLES {
        return Err(Fault::Failed);
    }
    let mut list = vec![std::ptr::null_mut(); count as usize];
    if count > 0 {
        answered(call(&raw mut count, list.as_mut_ptr()))?;
        list.truncate(count as usize);
    }
    Ok(list)
}

/// The first numbers of 32 bits in a result.
fn words(result: &ResultBuffer) -> [u32; 4] {
    let halves = |word: u64| {
        let [a, b, c, d, e, f, g, h] = word.to_ne_bytes();
        [u32::from_ne_bytes([a, b, c, d]), u32::from_ne_bytes([e, f, g, h])]
    };
    let ([a, b], [c, d]) = (halves(result[0]), halves(result[1]));
    [a, b, c, d]
}

fn started(code: Code) -> Result<(), LibraryError> {
    if code == SUCCESS { Ok(()) } else { Err(LibraryError::Start(code)) }
}

/// What a code means for a reading.
fn answered(code: Code) -> Result<(), Fault> {
    match code {
        SUCCESS => Ok(()),
        NOT_SUPPORTED | NOT_YET_IMPLEMENTED => Err(Fault::Unsupported),
        NO_PERMISSION => Err(Fault::Denied),
        NOT_FOUND => Err(Fault::Lost),
        NOT_INITIALIZED => Err(Fault::Gone),
        NO_DATA => Err(Fault::NotAvailable),
        _ => Err(Fault::Failed),
    }
}

const _: () = {
    // Results are read as whole words.
    assert!(size_of::<ResultBuffer>() == 4_096 && size_of::<c_char>() == 1);
};
