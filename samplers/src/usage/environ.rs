//! Reads from the environment variables of a command's processes which GPUs they can see.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;

use super::stat::ProcessKey;
use crate::visible::Visible;

/// Most environments read in one look; a look at a command with more new processes gives no answer.
const READ_AT_ONCE: usize = 64;
/// Looks for which a process's environment is read: it changes when the process is replaced by another program, mostly
/// right after its start.
const LOOKS: u32 = 2;

/// What each of a command's processes sees, and in how many looks its environment was read.
#[derive(Debug, Default)]
pub(super) struct Environments(BTreeMap<ProcessKey, (Visible, u32)>);

impl Environments {
    /// Returns what any of the processes sees; empty where that is not known. The first process, `root`, is read every
    /// time.
    pub(super) fn visible(&mut self, procfs: &Path, processes: &[ProcessKey], root: u32) -> Vec<Visible> {
        self.0.retain(|key, _| processes.contains(key));
        let mut left = READ_AT_ONCE;
        let mut visible: Vec<Visible> = Vec::new();
        for key in processes {
            let known = self.0.get(key).filter(|(_, looks)| *looks >= LOOKS && key.pid != root);
            let seen = match known {
                Some((seen, _)) => seen.clone(),
                None if left == 0 => return Vec::new(),
                None => {
                    left -= 1;
                    let Some(seen) = visible_to(procfs, key.pid) else { return Vec::new() };
                    let looks = self.0.get(key).map_or(1, |(_, looks)| looks + 1);
                    self.0.insert(*key, (seen.clone(), looks));
                    seen
                }
            };
            if !visible.contains(&seen) {
                visible.push(seen);
            }
        }
        visible
    }
}

/// Returns what the environment of a process lets it see; `None` where it cannot be read: of another user, or ended.
#[must_use]
pub fn visible_to(procfs: &Path, pid: u32) -> Option<Visible> {
    let bytes = fs::read(procfs.join(pid.to_string()).join("environ")).ok()?;
    let variable = |entry: &[u8]| {
        let equals = entry.iter().position(|byte| *byte == b'=')?;
        let (name, value) = entry.split_at(equals);
        Some((OsString::from_vec(name.to_vec()), OsString::from_vec(value[1..].to_vec())))
    };
    Some(Visible::from_vars(bytes.split(|byte| *byte == 0).filter_map(variable)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(procfs: &Path, pid: u32, environ: &str) {
        let folder = procfs.join(pid.to_string());
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("environ"), environ).unwrap();
    }

    #[test]
    fn k08_a_commands_own_variables_are_read_again_after_it_became_another_program() {
        let procfs = tempfile::tempdir().unwrap();
        let key = |pid| ProcessKey { pid, started: 1 };
        let mut environments = Environments::default();
        let mut cuda = |pids: &[u32]| -> Vec<Option<String>> {
            let keys: Vec<ProcessKey> = pids.iter().map(|pid| key(*pid)).collect();
            let visible = environments.visible(procfs.path(), &keys, 10);
            visible.into_iter().map(|visible| visible.cuda.devices).collect()
        };
        write(procfs.path(), 10, "PATH=/bin\0");
        assert_eq!(cuda(&[10]), [None]);
        // `env CUDA_VISIBLE_DEVICES=1 python train.py`
        write(procfs.path(), 10, "PATH=/bin\0CUDA_VISIBLE_DEVICES=1\0NO_VALUE\0");
        write(procfs.path(), 11, "CUDA_VISIBLE_DEVICES=0,1\0");
        assert_eq!(cuda(&[10, 11]), [Some("1".to_owned()), Some("0,1".to_owned())]);
        assert!(cuda(&[10, 12]).is_empty(), "one that cannot be read may see everything");
    }
}
