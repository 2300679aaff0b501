//! The lake: rows of records in Parquet files, read back by the Parquet crate's own reader.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use eco2_core::schema::Report;
use eco2_report::{Error, Exported, Lake, merge};
use parquet::basic::{Compression, Encoding};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::{Field, Row};

use super::{Seen, other, rank, report, truth};

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() { files(&entry.path(), found) } else { found.push(entry.path()) }
    }
    found.sort();
}

fn table(folder: &Path, name: &str) -> Vec<Row> {
    let mut found = Vec::new();
    files(&folder.join(name), &mut found);
    found
        .iter()
        .flat_map(|path| SerializedFileReader::try_from(path.as_path()).unwrap().into_iter().map(Result::unwrap))
        .collect()
}

fn field<'a>(row: &'a Row, name: &str) -> &'a Field {
    row.get_column_iter().find(|(column, _)| *column == name).unwrap().1
}

fn long(row: &Row, name: &str) -> i64 {
    match field(row, name) {
        Field::Long(value) => *value,
        other => panic!("{name}: {other}"),
    }
}

fn export(folder: &Path, reports: &[Report]) -> Exported {
    let lake = Lake::open(folder).unwrap().interval_seconds(10);
    let mut all = Exported::default();
    reports.iter().for_each(|report| all.add(lake.add(report).unwrap()));
    all
}

#[test]
fn intervals_of_each_counter_add_up_to_its_energy_in_the_merged_report() {
    let folder = tempfile::tempdir().unwrap();
    let seen = [rank(0, 2, 3, 104), Seen { boot: "b1", ..rank(1, 2, 3, 104) }];
    let reports: Vec<Report> = seen.iter().map(report).collect();
    export(folder.path(), &reports);
    let rows = table(folder.path(), "intervals");
    let merged = merge(&reports).unwrap();
    let sum: i64 = rows.iter().map(|row| long(row, "energy_uj")).sum();
    assert_eq!(u64::try_from(sum).ok(), merged.energy.total_uj);
    assert_eq!(merged.energy.total_uj, Some(2 * truth(101)));
    // 3 to 10, nine of ten seconds, and 100 to 104, of two counters on two machines.
    assert_eq!(rows.len(), 11 * 4);
    assert!(rows.iter().all(|row| matches!(field(row, "g_per_kwh"), Field::Double(g) if *g == 400.0)));
    let mut by_counter: BTreeMap<i64, i64> = BTreeMap::new();
    rows.iter().for_each(|row| *by_counter.entry(long(row, "counter")).or_default() += long(row, "energy_uj"));
    let counters = table(folder.path(), "counters");
    assert_eq!(counters.len(), 4);
    for counter in counters {
        assert_eq!(by_counter[&long(&counter, "counter")], long(&counter, "energy_uj"));
    }
    let days: Vec<_> =
        table(folder.path(), "days").iter().map(|row| (long(row, "counter"), long(row, "energy_uj"))).collect();
    assert_eq!(days.len(), 4, "of one day and one intensity");
    assert_eq!(days.into_iter().collect::<BTreeMap<_, _>>(), by_counter);
}

#[test]
fn exporting_again_writes_nothing_and_a_new_record_only_its_own_files() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (report(&other("a", "pa", 0, 100)), report(&other("b", "pb", 50, 150)));
    let first = export(folder.path(), std::slice::from_ref(&one));
    assert_eq!((first.written, first.present), (4, 0), "runs, counters, intervals, days; there are no spans");
    let mut before = Vec::new();
    files(folder.path(), &mut before);
    assert_eq!(
        export(folder.path(), &[one.clone(), one.clone()]),
        Exported { written: 0, present: 8, rows: 2 * first.rows, bytes: 0 }
    );
    let both = export(folder.path(), &[two, one]);
    assert_eq!((both.written, both.present), (4, 4));
    let mut after = Vec::new();
    files(folder.path(), &mut after);
    assert!(before.iter().all(|path| after.contains(path)) && after.len() == 8, "{after:?}");
    assert!(after.iter().all(|path| path.to_str().unwrap().contains("/day=2026-01-01/node=b0/")), "{after:?}");
}

#[test]
fn what_is_not_known_is_null() {
    let folder = tempfile::tempdir().unwrap();
    let mut unread = report(&other("a", "pa", 0, 100));
    unread.energy.total_uj = None;
    unread.devices.iter_mut().for_each(|device| (device.energy_uj, device.low_uj, device.high_uj) = (None, None, None));
    (unread.counters, unread.carbon, unread.run.started_at) = (Vec::new(), None, String::new());
    unread.work.tokens = None;
    export(folder.path(), &[unread]);
    let runs = table(folder.path(), "runs");
    for name in ["total_uj", "measured_uj", "tokens", "grams", "grams_low", "started_at", "rank"] {
        assert_eq!(field(&runs[0], name), &Field::Null, "{name}");
    }
    assert!(table(folder.path(), "counters").iter().all(|row| field(row, "energy_uj") == &Field::Null));
    assert!(!folder.path().join("intervals").exists());
    assert!(folder.path().join("runs/day=__HIVE_DEFAULT_PARTITION__/node=b0").is_dir());
}

#[test]
fn whole_numbers_are_stored_as_differences_and_pages_are_compressed() {
    let folder = tempfile::tempdir().unwrap();
    export(folder.path(), &[report(&other("a", "pa", 0, 100))]);
    let mut found = Vec::new();
    files(&folder.path().join("intervals"), &mut found);
    let reader = SerializedFileReader::try_from(found[0].as_path()).unwrap();
    for column in reader.metadata().row_group(0).columns() {
        let is_whole = column.column_path().string() != "g_per_kwh";
        assert_eq!(column.encodings().any(|encoding| encoding == Encoding::DELTA_BINARY_PACKED), is_whole);
        assert!(matches!(column.compression(), Compression::ZSTD(_)), "{:?}", column.compression());
    }
}

#[test]
fn a_merged_report_is_refused_because_its_records_have_the_rows() {
    let folder = tempfile::tempdir().unwrap();
    let merged = merge(&[report(&rank(0, 2, 0, 10)), report(&rank(1, 2, 0, 10))]).unwrap();
    let refusal = Lake::open(folder.path()).unwrap().add(&merged).unwrap_err();
    assert!(matches!(refusal, Error::MergedExport { .. }));
    assert!(refusal.to_string().contains("export the logs or reports it was merged from"), "{refusal}");
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let blocked = Lake::open(&file).unwrap_err().to_string();
    assert!(blocked.contains("is not a folder"), "{blocked}");
}
