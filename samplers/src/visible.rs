//! Which GPUs a program sees, from its environment variables: `CUDA_VISIBLE_DEVICES` for NVIDIA,
//! `ROCR_VISIBLE_DEVICES`, `HIP_VISIBLE_DEVICES` and `GPU_DEVICE_ORDINAL` for AMD, `ZE_AFFINITY_MASK` for Intel; and whether it has a
//! TPU.
//!
//! Sources: CUDA C++ Programming Guide, table of environment variables; ROCm documentation, "GPU isolation techniques";
//! oneAPI Level Zero specification, "Environment Variables". In every list but Intel's an invalid entry ends the list, and an empty value hides all GPUs.

use std::ffi::OsString;

/// The masks of one program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Visible {
    /// What CUDA shows.
    pub cuda: CudaMask,
    /// What ROCm shows.
    pub amd: AmdMask,
    /// What Level Zero shows.
    pub intel: IntelMask,
    /// The first variable that names a TPU; `None`: none does.
    pub tpu: Option<&'static str>,
}

/// Variables that TPU machines, Kubernetes and Colab set where a program has a TPU (Cloud TPU documentation; libtpu; Colab).
const TPU_VARIABLES: [&str; 6] =
    ["TPU_ACCELERATOR_TYPE", "TPU_NAME", "TPU_WORKER_ID", "TPU_WORKER_HOSTNAMES", "COLAB_TPU_ADDR", "XRT_TPU_CONFIG"];

/// The mask of CUDA programs.
///
/// ```
/// use eco2_samplers::visible::CudaMask;
///
/// let none = CudaMask { devices: Some(String::new()), ..CudaMask::default() }; // set, but empty: no GPU
/// assert_ne!(none, CudaMask::default()); // unset: every GPU
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CudaMask {
    /// The value of `CUDA_VISIBLE_DEVICES`; `None` when unset: all GPUs. Empty: none.
    pub devices: Option<String>,
    /// `CUDA_DEVICE_ORDER` is `PCI_BUS_ID`.
    pub pci_order: bool,
}

/// The masks of HIP programs: the runtime below filters first, HIP counts within what is left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AmdMask {
    /// The value of `ROCR_VISIBLE_DEVICES`: indices and `GPU-<unique id>`.
    pub rocr: Option<String>,
    /// The name and value of the first variable that is set of `HIP_VISIBLE_DEVICES` and `GPU_DEVICE_ORDINAL`.
    pub hip: Option<(&'static str, String)>,
    /// The value of `CUDA_VISIBLE_DEVICES`, which HIP reads where neither of the two is set.
    pub cuda: Option<String>,
}

/// The mask of Level Zero, the runtime of Intel's GPUs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IntelMask {
    /// The value of `ZE_AFFINITY_MASK`: numbers, each with the parts of a device after points. Unset or empty: every GPU.
    pub devices: Option<String>,
    /// Whether numbers are those of cards and not of tiles: `ZE_FLAT_DEVICE_HIERARCHY` is `COMPOSITE` or `COMBINED`.
    pub counts_cards: bool,
}

/// The GPUs of a machine that a mask leaves visible.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// Indices into the machine's GPUs, in the order of the list.
    pub(crate) indices: Vec<usize>,
    /// What in the variables names no GPU.
    pub(crate) remarks: Vec<String>,
}

impl Visible {
    /// From the environment of this process.
    #[must_use]
    pub fn from_env() -> Self {
        Self::from_vars(std::env::vars_os())
    }

    /// From the variables of some process.
    ///
    /// ```
    /// use eco2_samplers::visible::Visible;
    ///
    /// let visible = Visible::from_vars([("CUDA_VISIBLE_DEVICES".into(), "0,2".into())]);
    /// assert_eq!(visible.cuda.devices.as_deref(), Some("0,2"));
    /// ```
    #[must_use]
    pub fn from_vars(vars: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut visible = Self::default();
        let mut ordinal = None;
        for (name, value) in vars {
            let value = || value.to_string_lossy().into_owned();
            match name.to_str() {
                Some("CUDA_VISIBLE_DEVICES") => visible.cuda.devices = Some(value()),
                Some("CUDA_DEVICE_ORDER") => visible.cuda.pci_order = value() == "PCI_BUS_ID",
                Some("ROCR_VISIBLE_DEVICES") => visible.amd.rocr = Some(value()),
                Some("HIP_VISIBLE_DEVICES") => visible.amd.hip = Some(("HIP_VISIBLE_DEVICES", value())),
                Some("ZE_AFFINITY_MASK") => visible.intel.devices = Some(value()),
                Some("ZE_FLAT_DEVICE_HIERARCHY") => {
                    visible.intel.counts_cards = matches!(value().as_str(), "COMPOSITE" | "COMBINED");
                }
                Some("GPU_DEVICE_ORDINAL") => ordinal = Some(("GPU_DEVICE_ORDINAL", value())),
                Some(name) if !value().trim().is_empty() => {
                    let tpu = TPU_VARIABLES.iter().find(|variable| **variable == name).copied();
                    visible.tpu = visible.tpu.or(tpu);
                }
                _ => {}
            }
        }
        visible.amd.hip = visible.amd.hip.or(ordinal);
        visible.amd.cuda.clone_from(&visible.cuda.devices);
        visible
    }
}

impl Visible {
    /// Keeps those of the visible GPUs that `gpus` names: by number, counted within what the masks show, or by UUID.
    ///
    /// ```
    /// use eco2_samplers::visible::Visible;
    ///
    /// let visible = Visible::from_vars([("CUDA_VISIBLE_DEVICES".into(), "4,5".into())]);
    /// let narrowed = visible.narrowed(&["1".to_owned()]); // the second of the visible GPUs
    /// assert_eq!(narrowed.cuda.devices.as_deref(), Some("5"));
    /// ```
    #[must_use]
    pub fn narrowed(mut self, gpus: &[String]) -> Self {
        let all = gpus.join(",");
        match (&mut self.amd.hip, &mut self.amd.cuda) {
            (Some((_, list)), _) | (None, Some(list)) => *list = kept(list, gpus),
            (hip @ None, None) => *hip = Some(("gpus", all.clone())),
        }
        self.cuda.devices = Some(self.cuda.devices.map_or(all, |list| kept(&list, gpus)));
        self
    }
}

/// The entries of a list that `gpus` names. A UUID stays also where the list has numbers: which of them it is, is not
/// known.
fn kept(list: &str, gpus: &[String]) -> String {
    let shown: Vec<&str> = entries(list).collect();
    let numbers = shown.iter().any(|entry| entry.parse::<usize>().is_ok());
    let kept = gpus.iter().filter_map(|gpu| match gpu.parse::<usize>() {
        Ok(number) => shown.get(number).copied(),
        Err(_) => (numbers || shown.contains(&gpu.as_str())).then_some(gpu.as_str()),
    });
    kept.collect::<Vec<_>>().join(",")
}

impl CudaMask {
    /// From the environment of this process.
    #[must_use]
    pub fn from_env() -> Self {
        Visible::from_env().cuda
    }

    /// Which of `count` GPUs, in the order of PCI addresses, are visible; all where the variable names them by id.
    pub(crate) fn indices(&self, count: usize) -> Vec<usize> {
        let all = (0..count).collect();
        let Some(list) = &self.devices else { return all };
        if entries(list).any(|entry| entry.starts_with("GPU-") || entry.starts_with("MIG-")) {
            return all;
        }
        let valid = entries(list).map_while(|entry| entry.parse().ok().filter(|index| *index < count));
        let mut indices: Vec<usize> = valid.collect();
        indices.sort_unstable();
        indices.dedup();
        indices
    }
}

impl IntelMask {
    /// Which cards are visible, given the number of tiles of each, in the order in which Level Zero counts them.
    pub(crate) fn cards(&self, tiles: &[usize]) -> Vec<usize> {
        let all = (0..tiles.len()).collect();
        let Some(list) = self.devices.as_ref().filter(|list| !list.trim().is_empty()) else { return all };
        let numbered: Vec<usize> = match self.counts_cards {
            true => all,
            false => tiles.iter().enumerate().flat_map(|(card, tiles)| std::iter::repeat_n(card, *tiles)).collect(),
        };
        let number = |entry: &str| entry.split('.').next().and_then(|number| number.parse::<usize>().ok());
        let mut cards: Vec<usize> = entries(list).filter_map(|entry| numbered.get(number(entry)?).copied()).collect();
        cards.sort_unstable();
        cards.dedup();
        cards
    }
}

impl AmdMask {
    /// Which GPUs are visible, given the `GPU-…` id of each (where known) in the order in which ROCm counts them.
    ///
    /// `CUDA_VISIBLE_DEVICES` counts only where it cannot mean an NVIDIA GPU of this machine.
    pub(crate) fn choose(&self, ids: &[Option<String>], has_nvidia: bool) -> Chosen {
        let mut chosen = Chosen { indices: (0..ids.len()).collect(), remarks: Vec::new() };
        if let Some(list) = &self.rocr {
            chosen.keep("ROCR_VISIBLE_DEVICES", list, ids);
        }
        let cuda = self.cuda.as_ref().filter(|_| !has_nvidia).map(|list| ("CUDA_VISIBLE_DEVICES", list));
        let hip = self.hip.as_ref().map(|(name, list)| (*name, list));
        if let Some((name, list)) = hip.or(cuda) {
            chosen.keep(name, list, ids);
        }
        chosen
    }
}

impl Chosen {
    /// Keeps the GPUs that `list` names, where an index counts within those left so far.
    fn keep(&mut self, variable: &str, list: &str, ids: &[Option<String>]) {
        let before = std::mem::take(&mut self.indices);
        for entry in entries(list) {
            let index = match entry.parse::<usize>() {
                Ok(index) => before.get(index).copied(),
                Err(_) => before.iter().copied().find(|&at| ids.get(at).is_some_and(|id| id.as_deref() == Some(entry))),
            };
            let Some(index) = index else {
                self.remarks.push(format!("{variable}: no GPU is {entry:?}; this entry and what follows are ignored"));
                return;
            };
            if !self.indices.contains(&index) {
                self.indices.push(index);
            }
        }
    }
}

/// Returns the entries of a list of devices; none for an empty list.
pub(crate) fn entries(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|_| !list.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(vars: &[(&str, &str)]) -> AmdMask {
        Visible::from_vars(vars.iter().map(|(name, value)| (name.into(), value.into()))).amd
    }

    fn ids() -> Vec<Option<String>> {
        ["GPU-11", "GPU-22", "GPU-33", "GPU-44"].map(|id| Some(id.to_owned())).to_vec()
    }

    #[test]
    fn k08_amd_masks_choose_by_index_and_by_id() {
        for (vars, expected) in [
            (vec![], vec![0, 1, 2, 3]),
            (vec![("HIP_VISIBLE_DEVICES", "0"), ("ROCR_VISIBLE_DEVICES", "0")], vec![0]),
            (vec![("ROCR_VISIBLE_DEVICES", "GPU-33, 1")], vec![2, 1]),
            // HIP counts within what ROCr shows.
            (vec![("ROCR_VISIBLE_DEVICES", "2,3"), ("HIP_VISIBLE_DEVICES", "1")], vec![3]),
            (vec![("GPU_DEVICE_ORDINAL", "1")], vec![1]),
            (vec![("HIP_VISIBLE_DEVICES", "2"), ("GPU_DEVICE_ORDINAL", "1")], vec![2]),
            (vec![("CUDA_VISIBLE_DEVICES", "3")], vec![3]),
            (vec![("HIP_VISIBLE_DEVICES", "")], vec![]),
            (vec![("HIP_VISIBLE_DEVICES", "1,-1,0")], vec![1]),
        ] {
            assert_eq!(mask(&vars).choose(&ids(), false).indices, expected, "{vars:?}");
        }
        assert_eq!(
            mask(&[("CUDA_VISIBLE_DEVICES", "0")]).choose(&ids(), true).indices.len(),
            4,
            "means the other maker"
        );
        assert_eq!(mask(&[("HIP_VISIBLE_DEVICES", "7")]).choose(&ids(), false).remarks.len(), 1);
    }

    #[test]
    fn k08_mask_of_level_zero_counts_tiles_or_cards() {
        let cards = |vars: &[(&str, &str)], tiles: &[usize]| {
            let visible = Visible::from_vars(vars.iter().map(|(name, value)| (name.into(), value.into())));
            visible.intel.cards(tiles)
        };
        let mask = |value| [("ZE_AFFINITY_MASK", value)];
        assert_eq!(cards(&[], &[1, 1]), [0, 1]);
        assert_eq!(cards(&mask(""), &[1, 1]), [0, 1]);
        assert_eq!(cards(&mask("1"), &[1, 1, 1]), [1]);
        assert_eq!(cards(&mask("2,0,7"), &[1, 1, 1]), [0, 2]);
        // Tiles 2 and 3 are those of the second card.
        assert_eq!(cards(&mask("2,3"), &[2, 2]), [1]);
        let composite = [("ZE_AFFINITY_MASK", "0.1"), ("ZE_FLAT_DEVICE_HIERARCHY", "COMPOSITE")];
        assert_eq!(cards(&composite, &[2, 2]), [0]);
    }

    #[test]
    fn k08_chosen_gpus_are_counted_within_the_visible_ones() {
        let narrowed = |vars: &[(&str, &str)], gpus: &[&str]| {
            let visible = Visible::from_vars(vars.iter().map(|(name, value)| (name.into(), value.into())));
            visible.narrowed(&gpus.iter().map(|&gpu| gpu.to_owned()).collect::<Vec<_>>())
        };
        let cuda = |vars: &[(&str, &str)], gpus: &[&str]| narrowed(vars, gpus).cuda.devices.unwrap();
        assert_eq!(cuda(&[], &["1"]), "1");
        assert_eq!(cuda(&[("CUDA_VISIBLE_DEVICES", "4,5,6")], &["2", "0"]), "6,4");
        assert_eq!(cuda(&[("CUDA_VISIBLE_DEVICES", "4,5")], &["2"]), "", "there is no third one");
        assert_eq!(cuda(&[("CUDA_VISIBLE_DEVICES", "")], &["0"]), "");
        assert_eq!(cuda(&[("CUDA_VISIBLE_DEVICES", "GPU-a,GPU-b")], &["GPU-b", "GPU-c"]), "GPU-b");
        for (vars, gpus, expected) in [
            (vec![], ["1"], vec![1]),
            (vec![("ROCR_VISIBLE_DEVICES", "2,3")], ["1"], vec![3]),
            (vec![("HIP_VISIBLE_DEVICES", "3,0")], ["1"], vec![0]),
            (vec![("CUDA_VISIBLE_DEVICES", "3,0")], ["0"], vec![3]),
            (vec![("HIP_VISIBLE_DEVICES", "3")], ["1"], vec![]),
        ] {
            assert_eq!(narrowed(&vars, &gpus).amd.choose(&ids(), false).indices, expected, "{vars:?}");
        }
    }
}
