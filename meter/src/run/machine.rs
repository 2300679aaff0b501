//! Finds the file of this machine in the state folder: its name, and the result of the self-test of `eco2 doctor` that
//! it stores.

use std::path::PathBuf;

use eco2_grid::Sha256;
use eco2_report::MachineState;
use eco2_samplers::host;

use crate::Error;
use crate::live::stored_test::StoredTest;
use crate::options::Options;
use crate::run::{open, runs};

/// Number of hexadecimal digits of the machine's hash in its name. 64 bits are unique among up to about 2^32 machines.
const DIGITS: usize = 16;

/// Returns the machine's name and its file, `<state folder>/machine/<name>.json`.
///
/// # Errors
/// As [`runs::runs_folder`].
pub(crate) fn file(options: &Options) -> Result<(String, PathBuf), Error> {
    let name = name(options);
    let path = folder(options)?.join(format!("{name}.json"));
    Ok((name, path))
}

/// Returns the stored result of the self-test; an empty one if this machine was not tested.
pub(crate) fn stored_test(options: &Options) -> StoredTest {
    // To find the machine's name takes longer than to find that there is no folder.
    if !folder(options).is_ok_and(|folder| folder.is_dir()) {
        return StoredTest::default();
    }
    match file(options).and_then(|(name, path)| Ok(MachineState::load(&path, &name)?)) {
        Ok(state) => StoredTest::of(state.counters),
        Err(error) => StoredTest { unreadable: Some(error.to_string()), ..StoredTest::default() },
    }
}

/// Returns the folder `machine` in the state folder.
fn folder(options: &Options) -> Result<PathBuf, Error> {
    Ok(runs::state_folder(options)?.join("machine"))
}

/// Returns the name of this machine: a hash, because machine-id(5) asks programs not to expose the id.
fn name(options: &Options) -> String {
    let hash = Sha256::of(host::machine(&open::roots(options)).as_bytes()).to_string();
    hash.chars().take(DIGITS).collect()
}
