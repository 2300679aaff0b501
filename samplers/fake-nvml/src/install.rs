//! Finding the built library, and making an instance of it with a script of its own.

use std::io;
use std::path::{Path, PathBuf};

/// Where cargo put the shared library: next to the running test (`deps/`), or one folder up from there.
///
/// # Panics
/// If it was not built; a dev-dependency on this crate builds it.
#[must_use]
pub fn library_path() -> PathBuf {
    let exe = std::env::current_exe().unwrap_or_default();
    let folders = exe.ancestors().skip(1).take(3).flat_map(|folder| [folder.to_path_buf(), folder.join("deps")]);
    let found = folders.map(|folder| folder.join("libnvidia_ml_fake.so")).find(|path| path.exists());
    #[expect(clippy::expect_used, reason = "only tests call this, and nothing works without the library")]
    found.expect("libnvidia_ml_fake.so was not built")
}

/// Copies the library to `folder/libnvidia-ml.so.1` with `script` next to it; returns the library's path.
///
/// # Errors
/// When the folder cannot be written.
pub fn install(folder: &Path, script: &str) -> io::Result<PathBuf> {
    let library = folder.join("libnvidia-ml.so.1");
    std::fs::copy(library_path(), &library)?;
    std::fs::write(folder.join("fake-nvml.conf"), script)?;
    Ok(library)
}
