//! Fuzz target `page`: the file of a page with any content, read as a program reads it that has mapped it.
#![no_main]

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

use eco2_core::{Energies, Snapshot, TimelineLine, TimelineReader};
use eco2_samplers::agent::PagePoint;
use eco2_samplers::clock::{Clock, monotonic_ns};
use eco2_samplers::discover::{Selection, discover};
use eco2_samplers::model::ModelOptions;
use eco2_samplers::page::{Header, PUBLIC};
use eco2_samplers::{Batch, Roots};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(header) = Header::parse(data, data.len() as u64) else { return };
    read_in_memory(&header, data);
    read_as_source(&header, data);
});

/// The timeline in memory of the process.
fn read_in_memory(header: &Header, data: &[u8]) {
    let lines: Vec<TimelineLine> = data[header.bytes..].chunks_exact(TimelineLine::BYTES).map(line).collect();
    let lines: std::sync::Arc<[TimelineLine]> = lines.into();
    let reader = TimelineReader::over(lines, header.domains.len(), header.slots).expect("the header was checked");
    let (mut snapshot, mut energies) = (Snapshot::default(), Energies::default());
    let points = reader.latest(&mut snapshot).then(|| snapshot.points().len());
    assert!(points.is_none_or(|points| points == header.domains.len()));
    snapshot.points().iter().for_each(|point| _ = PagePoint::load(point));
    for now_ns in [0, 5, u64::MAX] {
        reader.now(now_ns, &mut energies);
        reader.at(now_ns, &mut energies);
        reader.each_now(now_ns, header.domains.len() + 1, |_, _| {});
    }
    let total = reader.total_bounded();
    assert!(total.value.is_none_or(|value| total.low <= value && total.high.is_none_or(|high| high >= value)));
}

fn line(bytes: &[u8]) -> TimelineLine {
    let line = TimelineLine::default();
    for (index, word) in bytes.chunks_exact(8).enumerate() {
        let word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
        line.word(index).expect("sixteen words").store(word, Ordering::Relaxed);
    }
    line
}

/// The file, mapped by the source that a run reads. Heartbeat, state and boot are set, so that it is not refused because of them.
fn read_as_source(header: &Header, data: &[u8]) {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("eco2-fuzz-page-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("proc/sys/kernel/random")).expect("a folder for the page");
        folder
    });
    let boot_id = folder.join("proc/sys/kernel/random/boot_id");
    std::fs::write(boot_id, &header.boot_id).expect("room for the boot id");
    let mut page = data.to_vec();
    page[24..32].copy_from_slice(&monotonic_ns().to_le_bytes());
    page[32..40].copy_from_slice(&1_u64.to_le_bytes());
    std::fs::write(folder.join(PUBLIC), page).expect("room for the page");
    let (sysfs, procfs, agent) = (folder.join("sys"), folder.join("proc"), vec![folder.clone()]);
    let roots = Roots { sysfs, procfs, agent, nvml: Some(folder.join("none")), ..Roots::default() };
    let selection = Selection::parse("agent").expect("its name");
    for mut source in discover(&roots, &selection, &ModelOptions::default()).sources {
        let mut batch = Batch::new(Clock::Monotonic);
        (0..2).for_each(|_| source.read(&mut batch));
        assert!(batch.readings().iter().all(|(domain, _)| *domain < source.domains().len()));
    }
}
