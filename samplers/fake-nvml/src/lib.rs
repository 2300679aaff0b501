//! A scripted `libnvidia-ml.so.1`, for tests without a GPU.
//!
//! The shared library reads its script from `fake-nvml.conf` next to itself, else from the file that the environment
//! variable `ECO2_FAKE_NVML` names, else plays one healthy GPU at a constant 100 W. A copy of the library in another
//! folder is another instance with a script of its own ([`install`] makes one). The Rust library reads the same script,
//! so a test knows the truth: [`Curve::microjoules`] is the exact integral of the power, [`Gpu::counter_mj`] what the
//! counter shows.
//!
//! A script is made of `key=value` lines; `#` begins a comment. A window is `from` or `from..to` in milliseconds of
//! script time. General keys come first:
//!
//! | key | meaning |
//! |---|---|
//! | `driver` | driver version |
//! | `init=9@0..5000` | code of `nvmlInit` in a window (9 driver not loaded, 18 version mismatch) |
//! | `clock_file` | file with the time in nanoseconds; else `CLOCK_MONOTONIC` since the first `nvmlInit` |
//! | `origin_ns` | reading of `CLOCK_MONOTONIC` at script time 0, so that several processes see one GPU |
//! | `calls` | file to which the name of every called function is appended |
//! | `limits` | file to which every limit that is set is appended as `UUID milliwatts`; the last one holds, for all processes |
//! | `missing` | functions that answer FUNCTION_NOT_FOUND |
//! | `hang=NAME@window` | functions that do not return in a window |
//! | `slow=NAME@ms` | functions, and the milliseconds that each call takes |
//! | `epoch_us=N@window,…` | added to sample timestamps under a clock file (without one they are Unix time) |
//! | `order=1,0@ms` | order of the GPUs from a time on |
//!
//! Then, after each `[gpu N]`:
//!
//! | key | meaning |
//! |---|---|
//! | `name`, `uuid`, `bus`, `arch` | identity |
//! | `power`, `module`, `memory_power` | watts, a [`Curve`] |
//! | `average_ms` | window of `nvmlDeviceGetPowerUsage` (1000; 0 is instantaneous) |
//! | `energy=off`, `energy_period_ms`, `energy_offset_mj`, `energy_gain` (%), `energy_reset_ms`, `energy_wrap_mj` | counter |
//! | `counter_is_module=yes`, `scoped_energy=yes` | what a superchip counts |
//! | `samples_period_ms`, `samples_ring` | `nvmlDeviceGetSamples` |
//! | `utilization` (%), `memory_used`, `memory_total`, `temperature`, `temperature_max`, `sm_clock` (MHz), `limit`, `limit_min`, `limit_max` (W), `throttle` | gauges |
//! | `limit_deaf` (W) | a limit that is answered with success and not taken |
//! | `xid=79@ms`, `process=self:60,1234:20`, `mig=MIG-…` | events, processes (`self`, `parent`, `child` or a pid), MIG devices |
//! | `mig_slices=3,4`, `mig_present=self:0,1234:1` | slices of the MIG devices (of 7), and processes with the index of theirs |
//! | `present=self,1234`, `mps=1234` | processes that are listed as running, and as clients of MPS, without their use |
//! | `fail=WHAT:code@window`, `na=WHAT@window` | errors and sentinels for `handle`, `uuid`, `name`, `energy`, `power`, `instant`, `module`, `samples`, `utilization`, `memory`, `temperature`, `temperature_max`, `clock`, `limit`, `set_limit`, `throttle`, `events`, `processes`, `present`, `mig`, `mig_present` |
//! | `lost_ms`, `gone_ms` | windows in which the GPU is lost, or not enumerated |

mod code;
mod curve;
mod exports;
mod gpu;
mod install;
mod script;
mod state;

pub use curve::Curve;
pub use gpu::Gpu;
pub use install::{install, library_path};
pub use script::{Script, Window};
