//! Power limits are set for a while and come back whatever happens.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use eco2_samplers::Roots;
use eco2_samplers::nvml::{HeldLimits, LimitError, Visibility};
use tempfile::TempDir;

/// Two boards of 700 and 500 W, a file with every limit that is set, and the roots.
fn machine(more: &str) -> (TempDir, Roots) {
    let folder = tempfile::tempdir().unwrap();
    let limits = folder.path().join("limits");
    let boards = "[gpu 0]\nuuid=GPU-a\nlimit=700\nlimit_min=200\nlimit_max=700\n";
    let other = "[gpu 1]\nuuid=GPU-b\nlimit=450\nlimit_min=250\nlimit_max=500\n";
    let script = format!("limits={}\n{boards}{other}{more}", limits.display());
    let nvml = Some(nvidia_ml_fake::install(folder.path(), &script).unwrap());
    (folder, Roots { nvml, ..Roots::default() })
}

fn set(folder: &Path) -> Vec<String> {
    std::fs::read_to_string(folder.join("limits")).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn held(roots: &Roots) -> HeldLimits {
    HeldLimits::open(roots, &Visibility::default()).unwrap()
}

#[test]
fn limits_are_read_and_nothing_is_changed() {
    let (folder, roots) = machine("");
    let held = held(&roots);
    let limits: Vec<_> = held.boards().iter().map(|board| (board.now_mw, board.min_mw, board.max_mw)).collect();
    assert_eq!(limits, [(700_000, 200_000, 700_000), (450_000, 250_000, 500_000)]);
    assert_eq!(held.allowed_mw(), Some((250_000, 500_000)));
    drop(held);
    assert_eq!(set(folder.path()), [""; 0]);
    let visible = Visibility { devices: Some("GPU-b".into()), pci_order: true };
    assert_eq!(HeldLimits::open(&roots, &visible).unwrap().boards()[0].uuid, "GPU-b");
}

#[test]
fn what_was_set_is_put_back_once_when_it_is_dropped() {
    let (folder, roots) = machine("");
    let mut limits = held(&roots);
    limits.set(300_000).unwrap();
    assert_eq!(held(&roots).boards()[1].now_mw, 300_000);
    drop(limits);
    assert_eq!(set(folder.path()), ["GPU-a 300000", "GPU-b 300000", "GPU-a 700000", "GPU-b 450000"]);
}

#[test]
fn a_panic_puts_the_old_limits_back() {
    let (folder, roots) = machine("");
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let mut limits = held(&roots);
        limits.set(300_000).unwrap();
        panic!("a fault while a limit is held");
    }));
    assert!(outcome.is_err());
    assert_eq!(set(folder.path())[2..], ["GPU-a 700000", "GPU-b 450000"]);
}

#[test]
fn after_restoring_nothing_is_set_any_more() {
    let (folder, roots) = machine("");
    let mut limits = held(&roots);
    limits.set(300_000).unwrap();
    limits.restore().unwrap();
    assert!(matches!(limits.set(250_000), Err(LimitError::Restored)));
    drop(limits);
    assert_eq!(set(folder.path()).len(), 4, "once, and no more");
}

#[test]
fn a_user_without_root_gets_an_error() {
    let (folder, roots) = machine("fail=set_limit:4");
    let error = held(&roots).set(300_000).unwrap_err().to_string();
    // The first board took it, the second refused: the first has its own again.
    assert_eq!(error, "GPU-b: the power limit cannot be set to 300 W: permission denied; run as root (sudo)");
    assert_eq!(set(folder.path()), ["GPU-a 300000", "GPU-a 700000"]);
    let error = held(&roots).probe().unwrap_err().to_string();
    assert_eq!(error, "GPU-b: the power limit cannot be set to 450 W: permission denied; run as root (sudo)");
    assert_eq!(set(folder.path()).last().unwrap(), "GPU-a 700000", "a probe changes nothing");
}

#[test]
fn a_limit_that_a_board_accepts_and_does_not_apply_is_an_error() {
    let (_folder, roots) = machine("limit_deaf=300");
    let error = held(&roots).set(300_000).unwrap_err().to_string();
    assert!(error.starts_with("GPU-b: the power limit was set to 300 W, and the board reports 450 W"), "{error}");
    let (folder, roots) = machine("limit_deaf=450");
    let mut limits = held(&roots);
    limits.set(300_000).unwrap();
    assert!(matches!(limits.restore(), Err(LimitError::NotTaken { found: 300.0, .. })));
    assert_eq!(set(folder.path()), ["GPU-a 300000", "GPU-b 300000", "GPU-a 700000"], "the other board has its own");
}

#[test]
fn no_gpu_no_driver_and_no_limit_are_different_errors() {
    let (_folder, roots) = machine("na=limit");
    let error = HeldLimits::open(&roots, &Visibility::default()).unwrap_err();
    assert!(matches!(&error, LimitError::Unreadable { gpu, .. } if gpu == "GPU-b"), "{error}");
    let none = Visibility { devices: Some(String::new()), pci_order: true };
    assert!(matches!(HeldLimits::open(&roots, &none), Err(LimitError::NoGpu)));
    let absent = Roots { nvml: Some("/none/libnvidia-ml.so.1".into()), ..Roots::default() };
    assert!(matches!(HeldLimits::open(&absent, &none), Err(LimitError::Driver(_))));
}
