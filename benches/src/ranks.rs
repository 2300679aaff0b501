//! Several ranks that measure one machine, merged: their total against the energy that was written to a fake counter.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use eco2::Options;
use eco2::options::Log;
use eco2_core::schema::Report;
use eco2_samplers::clock::{boottime_ns, monotonic_ns};

use crate::command;
use crate::measure::{Failure, Place};
use crate::table::{Limit, Row};

/// Numbers of ranks.
const WORLDS: [u32; 3] = [2, 4, 8];
/// How long each rank works, seconds.
const WORK_S: &str = "1.5";
/// The counter's updates, as RAPL's.
const UPDATE: Duration = Duration::from_millis(1);
/// The load: half a period at 150 W, half at 50 W.
const HALF_NS: u64 = 150_000_000;
const HIGH_W: u64 = 150;
const LOW_W: u64 = 50;
/// Where the counter begins: its number of digits never changes, so that it is replaced in one write.
const FIRST_UJ: u64 = 100_000_000_000;

/// The merged total of 2, 4 and 8 ranks over the energy that the counter was written with.
///
/// # Errors
/// Where the command cannot be built or a rank fails.
pub(crate) fn measure(place: &Place) -> Result<Vec<Row>, Failure> {
    let eco2 = command::build(place)?;
    WORLDS.into_iter().map(|world| measure_world(&eco2, world)).collect()
}

fn measure_world(eco2: &Path, world: u32) -> Result<Row, Failure> {
    let folder = tempfile::tempdir()?;
    let counter = Counter::start(folder.path())?;
    let ranks = (0..world).map(|rank| start(eco2, folder.path(), rank, world)).collect::<Result<Vec<Child>, _>>()?;
    for mut rank in ranks {
        if !rank.wait()?.success() {
            return Err("a rank failed".into());
        }
    }
    let options = Options { log: Log::Folder(folder.path().join("runs")), ..Options::default() };
    let merged = eco2::read_whole("job", &options, eco2::Unrelated::Refused)?;
    let truth = counter.truth(&merged)?;
    let ratio = merged.energy.total_uj.unwrap_or(0) as f64 / truth as f64;
    let name = format!("merged total of {world} ranks on one machine, off its truth");
    let parts: u64 = merged.merge.iter().flat_map(|merge| &merge.parts).filter_map(|part| part.energy.total_uj).sum();
    let note = format!("{ratio:.4} of the truth; the ranks' own totals add up to {:.2}", parts as f64 / truth as f64);
    Ok(Row::new(name, (ratio - 1.0).abs() * 100.0, "%", Limit::AtMost(1.0)).noting(note))
}

fn start(eco2: &Path, folder: &Path, rank: u32, world: u32) -> Result<Child, Failure> {
    let mut command = Command::new(eco2);
    command.args(["run", "-q", "--no-estimate", "--source", "rapl-sysfs", "--run-id", "job", "--sysfs"]);
    command.arg(folder.join("sys")).args(["--", "sleep", WORK_S]);
    command.env("ECO2_LOG", folder.join("runs")).env("RANK", rank.to_string()).env("WORLD_SIZE", world.to_string());
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command.spawn()?)
}

/// A powercap zone whose counter follows the load, until it is dropped.
struct Counter {
    begun_ns: u64,
    stop: Arc<AtomicBool>,
    writer: Option<JoinHandle<()>>,
}

impl Counter {
    fn start(folder: &Path) -> Result<Self, Failure> {
        let zone = folder.join("sys/class/powercap/intel-rapl:0");
        fs::create_dir_all(&zone)?;
        fs::write(zone.join("name"), "package-0\n")?;
        fs::write(zone.join("max_energy_range_uj"), "262143328850\n")?;
        fs::write(zone.join("energy_uj"), format!("{FIRST_UJ}\n"))?;
        let file = OpenOptions::new().write(true).open(zone.join("energy_uj"))?;
        let (begun_ns, stop) = (monotonic_ns(), Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let writer = Some(thread::spawn(move || write(&file, begun_ns, &stopped)));
        Ok(Self { begun_ns, stop, writer })
    }

    /// Energy that was written while any rank measured, microjoules.
    fn truth(&self, merged: &Report) -> Result<u64, Failure> {
        let ahead_ns = boottime_ns().saturating_sub(monotonic_ns());
        let windows = merged.merge.iter().flat_map(|merge| &merge.parts).filter_map(|part| part.run.boot_ns);
        let (from_ns, to_ns) = windows.fold((u64::MAX, 0), |all, [from, to]| (all.0.min(from), all.1.max(to)));
        if from_ns >= to_ns {
            return Err("the records have no times".into());
        }
        let at = |boot_ns: u64| drawn_uj(boot_ns.saturating_sub(ahead_ns).saturating_sub(self.begun_ns));
        Ok(at(to_ns) - at(from_ns))
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.writer.take().map(JoinHandle::join);
    }
}

fn write(file: &File, begun_ns: u64, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let uj = FIRST_UJ + drawn_uj(monotonic_ns() - begun_ns);
        // A write that fails leaves an old value, which the result will show.
        file.write_all_at(format!("{uj}\n").as_bytes(), 0).ok();
        thread::sleep(UPDATE);
    }
}

/// Energy of the load after `ns` nanoseconds, microjoules: watts × nanoseconds ÷ 1000.
fn drawn_uj(ns: u64) -> u64 {
    let (whole, rest) = (ns / (2 * HALF_NS), ns % (2 * HALF_NS));
    let high_ns = whole * HALF_NS + rest.min(HALF_NS);
    let low_ns = whole * HALF_NS + rest.saturating_sub(HALF_NS);
    (high_ns * HIGH_W + low_ns * LOW_W) / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_is_a_hundred_watts_on_average() {
        assert_eq!(drawn_uj(2 * HALF_NS), 30_000_000);
        assert_eq!(drawn_uj(HALF_NS), 22_500_000);
        assert_eq!(drawn_uj(7 * HALF_NS), 3 * 30_000_000 + 22_500_000);
    }
}
