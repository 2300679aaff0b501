use proptest::prelude::*;

use super::*;
use crate::node::random_node::RandomNode;

/// Returns the journal that the next agent goes on from.
fn kept(folder: &Path) -> Option<Journal> {
    Store::new(folder, "a".into()).read().0
}

/// Writes what has changed of a node, and returns the state that the files should have.
fn write(store: &mut Store, random: &RandomNode) -> Journal {
    let change = random.node.changes(store.state(), random.now_ns, 7);
    store.write(change).unwrap();
    store.state().clone()
}

#[test]
fn journal_of_another_version_is_set_aside_and_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(NAME), "{\"version\": 1, \"other\": true}").unwrap();
    let (journal, warning) = Store::new(folder.path(), "a".into()).read();
    assert!(journal.is_none() && warning.unwrap().contains("version 1"));
    assert!(folder.path().join("journal.damaged").exists() && !folder.path().join(NAME).exists());
}

#[test]
fn changes_that_cannot_be_used_are_named_and_the_whole_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = RandomNode::new(3);
    let mut store = Store::new(folder.path(), "a".into());
    let states: Vec<Journal> = (0..4)
        .map(|_| {
            random.step();
            write(&mut store, &random)
        })
        .collect();
    let read = || Store::new(folder.path(), "a".into()).read();
    assert_eq!(read(), (Some(states[3].clone()), None));
    let path = folder.path().join(CHANGES);
    let mut lines = fs::read(&path).unwrap();
    let end = lines.iter().position(|byte| *byte == b'\n').unwrap();
    let mut later: Vec<u8> = Vec::new();
    let of_later =
        |text: &mut Vec<u8>| serde_json::to_writer(text, &(LINES + 1, states[0].generation, 2, Change::default()));
    add_line(&mut later, of_later).unwrap();
    lines.splice(end + 1.., later.repeat(2));
    fs::write(&path, lines).unwrap();
    let (journal, warning) = read();
    assert_eq!(journal.as_ref(), Some(&states[1]));
    assert!(warning.unwrap().starts_with("2 lines"));
    // Neither a file that can be read.
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let (journal, warning) = read();
    assert_eq!(journal.as_ref(), Some(&states[0]));
    assert!(warning.unwrap().contains(CHANGES));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Jobs come and go, devices appear, sensors fail; the agent is killed and starts again.
    #[test]
    fn whole_with_its_changes_is_the_state_of_the_node(seed in any::<u64>()) {
        let folder = tempfile::tempdir().unwrap();
        let mut random = RandomNode::new(seed | 1);
        let mut store = Store::new(folder.path(), "a".into());
        for step in 0..60 {
            random.step();
            write(&mut store, &random);
            let journal = kept(folder.path()).unwrap();
            let whole = Journal { generation: journal.generation, records: 7, ..random.node.journal(random.now_ns) };
            prop_assert!(journal == whole, "step {}", step);
            if step % 20 == 13 {
                random.restart(journal);
                store = Store::new(folder.path(), random.boot_id());
                store.read();
            }
        }
    }

    #[test]
    fn changes_that_were_cut_off_at_any_byte_are_the_state_of_an_earlier_second(seed in any::<u64>()) {
        let folder = tempfile::tempdir().unwrap();
        let mut random = RandomNode::new(seed | 1);
        let mut store = Store::new(folder.path(), "a".into());
        let states: Vec<Journal> = (0..4).map(|_| { random.step(); write(&mut store, &random) }).collect();
        let changes = fs::read(folder.path().join(CHANGES)).unwrap();
        let whole: Journal = serde_json::from_slice(&fs::read(folder.path().join(NAME)).unwrap()).unwrap();
        let mut seconds = 0;
        for length in 0..=changes.len() {
            let mut journal = whole.clone();
            replay(&mut journal, &changes[..length]);
            seconds += usize::from(length > 0 && changes[length - 1] == b'\n');
            prop_assert!(journal == states[seconds], "{} bytes", length);
        }
        prop_assert_eq!(seconds, 3);
    }
}

#[test]
fn line_of_another_generation_is_ignored_and_nothing_after_a_damaged_one_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = RandomNode::new(5);
    let mut store = Store::new(folder.path(), "a".into());
    let mut second = |store: &mut Store| {
        random.step();
        write(store, &random)
    };
    second(&mut store);
    second(&mut store);
    let older = fs::read(folder.path().join(CHANGES)).unwrap();
    store.close();
    let whole = second(&mut store);
    assert!(whole.generation > 0 && fs::read(folder.path().join(CHANGES)).unwrap().is_empty());
    // Killed after the whole was renamed, and before the changes were emptied.
    fs::write(folder.path().join(CHANGES), &older).unwrap();
    assert_eq!(kept(folder.path()).unwrap(), whole);
    fs::write(folder.path().join(CHANGES), "").unwrap();
    let states: Vec<Journal> = (0..3).map(|_| second(&mut store)).collect();
    let changes = fs::read(folder.path().join(CHANGES)).unwrap();
    let lines: Vec<&[u8]> = changes.split_inclusive(|byte| *byte == b'\n').collect();
    assert_eq!(lines.len(), 3);
    let without_second = [lines[0], lines[2]].concat();
    let mut damaged = changes.clone();
    damaged[lines[0].len() + 20] ^= 1;
    for bytes in [without_second, damaged] {
        fs::write(folder.path().join(CHANGES), bytes).unwrap();
        assert_eq!(kept(folder.path()).unwrap(), states[0]);
    }
    fs::write(folder.path().join(CHANGES), [&older[..], &changes].concat()).unwrap();
    assert_eq!(kept(folder.path()).unwrap(), states[2]);
}

#[test]
fn whole_is_written_seldom_and_after_a_line_that_failed() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = RandomNode::new(9);
    let mut store = Store::new(folder.path(), "a".into());
    let mut wholes = std::collections::BTreeSet::new();
    for _ in 0..400 {
        random.step();
        wholes.insert(write(&mut store, &random).generation);
        let bytes = fs::metadata(folder.path().join(CHANGES)).unwrap().len();
        assert!(bytes < 2 * MOST_BYTES, "{bytes}");
    }
    assert!((2..20).contains(&wholes.len()), "{} in 400 seconds", wholes.len());
    // A file that takes no more, as on a full disk.
    store.file = Some(OpenOptions::new().write(true).open("/dev/full").unwrap());
    random.step();
    let fault = store.write(random.node.changes(store.state(), random.now_ns, 7)).unwrap_err();
    assert_eq!(fault.kind(), io::ErrorKind::StorageFull);
    // Nor can the whole be written.
    fs::create_dir(&store.temporary).unwrap();
    random.step();
    assert!(store.write(random.node.changes(store.state(), random.now_ns, 7)).is_err());
    fs::remove_dir(&store.temporary).unwrap();
    random.step();
    let state = write(&mut store, &random);
    assert!(!wholes.contains(&state.generation));
    assert_eq!(kept(folder.path()).unwrap(), state);
}
