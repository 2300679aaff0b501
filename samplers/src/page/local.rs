//! Finds out whether a file is on a file system of this machine ([`remote_kind`]).
//!
//! On a file system of another machine, a mapping shows changes late or never, a lock may hold here alone, and a read waits for a
//! server that may not answer.

use std::os::fd::AsFd;

/// Types of file systems whose files are, or may be, on another machine: `f_type` of statfs(2), with the kernel's names.
const REMOTE: [(u64, &str); 12] = [
    (0x6969, "NFS"),
    (0x6573_5546, "FUSE"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB"),
    (0x517b, "SMB"),
    (0x0102_1997, "9P"),
    (0x00c3_6400, "Ceph"),
    (0x0bd0_0bd0, "Lustre"),
    (0x5346_414f, "AFS"),
    (0x6b41_4653, "AFS"),
    (0x7375_7245, "Coda"),
    (0x564c, "NCP"),
];

/// Returns the kind of the file system of an open file, if its files are or may be on another machine; `None` for a local one.
///
/// ```
/// let here = std::fs::File::open("/proc/self/exe")?;
/// # let _ = eco2_samplers::page::remote_kind(&here);
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub fn remote_kind(file: impl AsFd) -> Option<&'static str> {
    kind_of(rustix::fs::fstatfs(file).ok()?.f_type as u64)
}

fn kind_of(file_system: u64) -> Option<&'static str> {
    // Some architectures have types of 32 bits with a sign.
    REMOTE.iter().find(|(number, _)| *number == file_system & 0xffff_ffff).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_systems_of_other_machines_are_known_and_those_of_this_one_are_used() {
        assert_eq!(kind_of(0x6969), Some("NFS"));
        assert_eq!(kind_of(0xffff_ffff_ff53_4d42), Some("CIFS"), "with a sign");
        // tmpfs, ext4, XFS, Btrfs, overlayfs, ZFS.
        for local in [0x0102_1994, 0xef53, 0x5846_5342, 0x9123_683e, 0x794c_7630, 0x2fc1_2fc1] {
            assert_eq!(kind_of(local), None, "{local:x}");
        }
        assert_eq!(remote_kind(std::fs::File::open("/proc/self/exe").unwrap()), None);
    }
}
