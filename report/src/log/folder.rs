//! The size of the folder of runs: reported once when it passes a gibibyte. Nothing in it is ever deleted by eco2.

use std::fs::{self, OpenOptions};
use std::path::Path;

/// Size from which on the user is told, once.
const NOTICE_BYTES: u64 = 1 << 30;
/// Remembers in the folder that the user was told.
const MARKER: &str = ".size-noticed";
/// The most entries that are counted; a folder of more is large whatever is in it.
const MAX_ENTRIES: usize = 1_000_000;

/// What to tell the user about the folder of runs, if it has grown large and this was not told before.
pub(super) fn notice(folder: &Path) -> Option<String> {
    notice_above(folder, NOTICE_BYTES)
}

fn notice_above(folder: &Path, limit_bytes: u64) -> Option<String> {
    let (bytes, marker) = (size(folder), folder.join(MARKER));
    if bytes < limit_bytes {
        // Somebody made room: the next time counts again.
        fs::remove_file(&marker).ok();
        return None;
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&marker).ok()?;
    let gib = bytes as f64 / (1_u64 << 30) as f64;
    let folder = folder.display();
    Some(format!("the runs in {folder} take {gib:.1} GiB; eco2 deletes nothing by itself, remove runs you do not need"))
}

/// Bytes of the files in a folder and in the folders within it; links are not followed.
fn size(folder: &Path) -> u64 {
    let (mut bytes, mut entries) = (0_u64, 0);
    let mut within = vec![(folder.to_owned(), true)];
    while let Some((folder, outer)) = within.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            entries += 1;
            if entries > MAX_ENTRIES {
                return u64::MAX;
            }
            match entry.metadata() {
                Ok(meta) if meta.is_file() => bytes = bytes.saturating_add(meta.len()),
                Ok(meta) if meta.is_dir() && outer => within.push((entry.path(), false)),
                _ => {}
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_folder_is_reported_once_until_room_was_made() {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("job-1");
        fs::create_dir(&run).unwrap();
        fs::write(dir.path().join("a.eco2log"), [0; 600]).unwrap();
        assert_eq!(notice_above(dir.path(), 1_000), None);
        fs::write(run.join("b.eco2log"), [0; 600]).unwrap();
        let text = notice_above(dir.path(), 1_000).unwrap();
        assert!(text.contains("deletes nothing") && text.contains(dir.path().to_str().unwrap()), "{text}");
        assert_eq!(notice_above(dir.path(), 1_000), None, "once");
        fs::remove_file(run.join("b.eco2log")).unwrap();
        assert_eq!(notice_above(dir.path(), 1_000), None);
        fs::write(run.join("c.eco2log"), [0; 900]).unwrap();
        assert!(notice_above(dir.path(), 1_000).is_some(), "again after room was made");
        assert_eq!(notice(&dir.path().join("none")), None);
    }
}
