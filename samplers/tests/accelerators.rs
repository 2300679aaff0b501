//! Accelerators that are there: read, estimated, or known to be missing.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod tree;

use std::fs;
use std::os::unix::fs::symlink;

use eco2_core::schema::Status;
use eco2_core::{Domain, Fault, Quality};
use eco2_samplers::Batch;
use eco2_samplers::discover::{Discovery, Selection, discover_visible};
use eco2_samplers::model::ModelOptions;
use eco2_samplers::visible::Visible;
use tree::Tree;

fn device(tree: &Tree, slot: &str, class: &str, vendor: &str, number: &str) {
    for (file, text) in [("class", class), ("vendor", vendor), ("device", number)] {
        tree.put(&format!("bus/pci/devices/{slot}/{file}"), &format!("0x{text}\n"));
    }
}

fn found(tree: &Tree, vars: &[(&str, &str)], options: &ModelOptions) -> Discovery {
    let mut roots = tree.roots();
    roots.nvml = Some("/nonexistent/libnvidia-ml.so".into());
    let vars = vars.iter().map(|(name, value)| (name.into(), value.into()));
    discover_visible(&roots, &Selection::All, options, &Visible::from_vars(vars))
}

fn domains(found: &Discovery) -> Vec<Domain> {
    found.sources.iter().flat_map(|source| source.domains().to_vec()).collect()
}

/// Ids of devices that are known to be missing.
fn missing(found: &Discovery) -> Vec<String> {
    let missing = domains(found).into_iter().filter(|domain| domain.quality == Quality::Missing);
    missing.map(|domain| domain.id).collect()
}

fn measure(tree: &Tree) -> Vec<String> {
    missing(&found(tree, &[], &ModelOptions::default()))
}

#[test]
fn k08_an_accelerator_that_nothing_reads_is_a_missing_device() {
    let tree = Tree::new();
    device(&tree, "0000:03:00.0", "030000", "8086", "e20b");
    device(&tree, "0000:1a:00.0", "120000", "1da3", "1020");
    device(&tree, "0000:1b:00.0", "088000", "1d0f", "7164");
    device(&tree, "0000:1c:00.0", "ff0000", "1ae0", "0027");
    let mut found = found(&tree, &[], &ModelOptions::default());
    let expected = ["gpu-0000:03:00.0", "gpu-0000:1a:00.0", "gpu-0000:1b:00.0", "gpu-0000:1c:00.0"];
    assert_eq!(missing(&found), expected);
    let status = found.statuses.iter().find(|status| status.name == "accelerators").unwrap();
    assert_eq!(status.status, Status::Absent);
    assert!(status.reason.contains("0000:03:00.0 (8086:e20b)"), "{}", status.reason);
    let source = found.sources.iter_mut().find(|source| source.name() == "accelerators").unwrap();
    let mut batch = Batch::default();
    source.read(&mut batch);
    assert!(batch.readings().iter().all(|(_, reading)| reading.value == Err(Fault::Unsupported)));
}

#[test]
fn k08_what_is_within_the_cpu_or_computes_nothing_is_none() {
    let tree = Tree::new();
    device(&tree, "0000:00:02.0", "030000", "8086", "a780");
    device(&tree, "0000:00:0b.0", "120000", "8086", "7d1d");
    device(&tree, "0000:02:00.0", "030000", "1a03", "2000");
    device(&tree, "0000:00:01.0", "030000", "1234", "1111");
    device(&tree, "0000:04:00.0", "020000", "1d0f", "ec20");
    // An APU: its graphics share a slot with the CPU's own functions, and its neural unit is AMD's as a CPU maker.
    device(&tree, "0000:c4:00.0", "030000", "1002", "15bf");
    device(&tree, "0000:c4:00.2", "108000", "1022", "15c7");
    device(&tree, "0000:c5:00.1", "118000", "1022", "1502");
    // A virtual function is a share of a card that is there as well.
    device(&tree, "0000:43:00.1", "120000", "1002", "74b5");
    fs::create_dir_all(tree.sys("bus/pci/devices/0000:43:00.1/physfn")).unwrap();
    assert_eq!(measure(&tree), Vec::<String>::new());
}

#[test]
fn k08_a_card_that_a_sensor_reads_is_not_missing_with_or_without_its_address() {
    let tree = Tree::new();
    device(&tree, "0000:03:00.0", "030000", "8086", "e20b");
    device(&tree, "0000:04:00.0", "030000", "8086", "e20b");
    tree.put("class/hwmon/hwmon3/name", "xe\n").put("class/hwmon/hwmon3/energy1_input", "5\n");
    tree.put("class/hwmon/hwmon3/energy1_label", "card\n");
    assert_eq!(measure(&tree), ["gpu-0000:04:00.0"], "one of two: it does not name which");
    symlink("../../../bus/pci/devices/0000:04:00.0", tree.sys("class/hwmon/hwmon3/device")).unwrap();
    assert_eq!(measure(&tree), ["gpu-0000:03:00.0"]);
}

#[test]
fn k08_the_kernels_classes_name_what_pci_does_not() {
    let tree = Tree::new();
    fs::create_dir_all(tree.sys("class/accel/accel0")).unwrap();
    fs::create_dir_all(tree.sys("class/neuron_device/neuron0")).unwrap();
    // A neural unit within the CPU has an entry, too.
    device(&tree, "0000:00:0b.0", "120000", "8086", "7d1d");
    fs::create_dir_all(tree.sys("class/accel/accel1")).unwrap();
    symlink("../../../bus/pci/devices/0000:00:0b.0", tree.sys("class/accel/accel1/device")).unwrap();
    assert_eq!(measure(&tree), ["gpu-accel0", "gpu-neuron0"]);
}

#[test]
fn device_nodes_and_variables_show_accelerators_that_sysfs_does_not() {
    let node = |tree: &Tree, path: &str| {
        let path = tree.sys("../dev").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    };
    let tree = Tree::new();
    for path in ["accel0", "accel/accel1", "neuron0", "hl0", "neuron", "accelerometer0", "hlog", "tty0"] {
        node(&tree, path);
    }
    assert_eq!(measure(&tree), ["gpu-accel0", "gpu-hl0", "gpu-neuron0", "gpu-accel1"]);
    // Graphics are read by other drivers, and a class of the kernel is the same device.
    device(&tree, "0000:01:00.0", "030200", "10de", "ffff");
    fs::create_dir_all(tree.sys("class/accel/accel1")).unwrap();
    assert_eq!(measure(&tree), ["gpu-0000:01:00.0", "gpu-accel1", "gpu-accel0", "gpu-hl0", "gpu-neuron0"]);
    // A listed accelerator may be the one that has the node.
    device(&tree, "0000:1b:00.0", "088000", "1d0f", "7164");
    assert_eq!(measure(&tree), ["gpu-0000:01:00.0", "gpu-0000:1b:00.0", "gpu-accel1"]);
    let tpu = |tree: &Tree, name: &str, value: &str| missing(&found(tree, &[(name, value)], &ModelOptions::default()));
    let tree = Tree::new();
    assert_eq!(tpu(&tree, "TPU_WORKER_ID", "0"), ["gpu-tpu"]);
    assert_eq!(tpu(&tree, "TPU_NAME", " "), Vec::<String>::new());
    let of_colab = found(&tree, &[("COLAB_TPU_ADDR", "10.0.0.2:8470")], &ModelOptions::default());
    let status = of_colab.statuses.iter().find(|status| status.name == "accelerators").unwrap();
    assert!(status.reason.contains("tpu (COLAB_TPU_ADDR)"), "{}", status.reason);
    node(&tree, "accel0");
    assert_eq!(tpu(&tree, "TPU_WORKER_ID", "0"), ["gpu-accel0"]);
}

#[test]
fn k05_each_gpu_is_estimated_or_missing_on_its_own() {
    let tree = Tree::new();
    device(&tree, "0000:01:00.0", "030200", "10de", "1eb8");
    device(&tree, "0000:03:00.0", "038000", "1002", "74a1");
    device(&tree, "0000:05:00.0", "030000", "1002", "744c");
    tree.put("class/hwmon/hwmon2/name", "amdgpu\n").put("class/hwmon/hwmon2/power1_average", "30000000\n");
    symlink("../../../bus/pci/devices/0000:05:00.0", tree.sys("class/hwmon/hwmon2/device")).unwrap();
    let ids =
        |options: &ModelOptions| domains(&found(&tree, &[], options)).into_iter().map(|d| d.id).collect::<Vec<_>>();
    let read = "amdgpu-0000:05:00.0";
    let estimate = "gpu-estimate-0000:01:00.0";
    assert_eq!(ids(&ModelOptions::default()), [read, "cpu-estimate", estimate, "gpu-0000:03:00.0"]);
    let given = ModelOptions { gpu_watts: Some(750.0), ..ModelOptions::default() };
    assert_eq!(ids(&given), [read, "cpu-estimate", estimate, "gpu-estimate-0000:03:00.0"]);
    let refused = ModelOptions { enabled: false, ..ModelOptions::default() };
    assert_eq!(ids(&refused), [read, "gpu-0000:01:00.0", "gpu-0000:03:00.0"]);
}

#[test]
fn k08_gpus_that_a_program_does_not_see_are_not_missing() {
    let tree = Tree::new();
    for slot in ["0000:01:00.0", "0000:02:00.0"] {
        device(&tree, slot, "030200", "10de", "ffff");
    }
    let missing = |vars: &[(&str, &str)]| missing(&found(&tree, vars, &ModelOptions::default()));
    assert_eq!(missing(&[]), ["gpu-0000:01:00.0", "gpu-0000:02:00.0"]);
    assert_eq!(missing(&[("CUDA_VISIBLE_DEVICES", "1")]), ["gpu-0000:02:00.0"]);
    assert_eq!(missing(&[("CUDA_VISIBLE_DEVICES", "")]), Vec::<String>::new());
    assert_eq!(missing(&[("CUDA_VISIBLE_DEVICES", "GPU-1234")]).len(), 2, "nothing here shows which one it is");
}
