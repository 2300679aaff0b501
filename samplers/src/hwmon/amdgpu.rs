//! Sorts out the sensors of AMD's GPUs in the kernel's `class/hwmon`: what each measures, and which of them a program
//! sees.
//!
//! A sensor shows a board, two dies of a board, or an APU (a processor that holds CPU and GPU). On an APU it shows the
//! whole socket (MangoHud issue 1874), which a package counter shows, too. A voltage named `vddnb`, or slow and fast
//! limits instead of one, are what only APUs have (Linux, `amdgpu_pm.c`). A mask is an environment variable that hides
//! GPUs.

use eco2_core::{Component, Domain, Kind};

use super::input::{Input, NAME, Value};
use crate::cpuinfo::CpuInfo;
use crate::topology::{self, AMD_SERVER_APU, AMD_TWO_DIES};
use crate::visible::{AmdMask, Chosen};
use crate::{Roots, sysfs};

/// What the name of the CPU of the processor with [`AMD_SERVER_APU`] contains.
const SERVER_APU_NAME: &str = "MI300A";

/// What a sensor of amdgpu shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// A board.
    Board,
    /// A CPU with graphics: what the package's counter shows, too.
    Package,
    /// A server's CPU, GPU and memory in one socket: more than the package's counter shows.
    Socket,
}

/// The sensors of amdgpu that are read, and what was found out about them.
#[derive(Default)]
pub(super) struct Cards {
    /// Hwmon folders of visible cards, and the addresses of further dies that each shows.
    shown: Vec<(String, Vec<String>)>,
    /// What the masks name and what is not there.
    pub(super) remarks: Vec<String>,
    /// How many cards a mask hides.
    pub(super) hidden: usize,
    server: bool,
    reach: Reach,
}

/// Which cards a program's masks leave it.
#[derive(Debug, Clone, Default)]
pub(super) struct Reach {
    /// Id by which ROCm, AMD's runtime, names each die, in the order in which it counts them.
    ids: Vec<Option<String>>,
    /// Whether the machine has a GPU of NVIDIA.
    nvidia: bool,
    /// Hwmon folder of each sensor, and the dies that it shows.
    dies: Vec<(String, Vec<usize>)>,
}

impl Reach {
    /// Whether a program with this mask may use what the sensor in a hwmon folder shows; `None` for no card of AMD's.
    pub(super) fn of(&self, hwmon: &str, mask: &AmdMask) -> Option<bool> {
        let (_, dies) = self.dies.iter().find(|(folder, _)| folder == hwmon)?;
        let chosen = mask.choose(&self.ids, self.nvidia).indices;
        Some(dies.iter().any(|die| chosen.contains(die)))
    }
}

impl Cards {
    /// Sorts out the cards among all inputs.
    pub(super) fn of(inputs: &[Input], roots: &Roots, mask: &AmdMask) -> Self {
        let mut cards: Vec<&Input> = inputs.iter().filter(|input| is_whole(input)).collect();
        // ROCm counts in the order of addresses; chips are in numeric order already.
        cards.sort_by(|a, b| a.device_name.cmp(&b.device_name));
        let ids: Vec<Option<String>> = cards.iter().map(|card| unique_id(card)).collect();
        let nvidia = topology::has_nvidia(roots);
        let Chosen { indices, remarks } = mask.choose(&ids, nvidia);
        let shows: Vec<usize> = (0..cards.len()).map(|at| shown_by(&cards, at)).collect();
        let model = CpuInfo::read(&roots.procfs).model.unwrap_or_default();
        let mut all = Self { remarks, server: model.contains(SERVER_APU_NAME), ..Self::default() };
        for (at, card) in cards.iter().enumerate().filter(|(at, _)| shows[*at] == *at) {
            let dies: Vec<usize> = (0..cards.len()).filter(|&die| shows[die] == at).collect();
            if !dies.iter().any(|die| indices.contains(die)) {
                all.hidden += 1;
                continue;
            }
            all.reach.dies.push((card.hwmon.clone(), dies.clone()));
            let others = dies.iter().filter(|&&die| die != at).map(|&die| cards[die].place().to_owned());
            all.shown.push((card.hwmon.clone(), others.collect()));
        }
        (all.reach.ids, all.reach.nvidia) = (ids, nvidia);
        all
    }

    /// Returns what decides which processes may use what the sensors show.
    pub(super) fn reach(&self) -> Reach {
        self.reach.clone()
    }

    /// Returns the domain of an input; `None` for one that is hidden, or shown by another.
    pub(super) fn domain(&self, input: &Input) -> Option<Domain> {
        let (_, dies) = self.shown.iter().find(|(hwmon, _)| *hwmon == input.hwmon).filter(|_| is_whole(input))?;
        let id = format!("amdgpu-{}", input.place());
        let mut domain = match self.scope(input) {
            Scope::Board => Domain::power(&id, Component::Gpu, "board", NAME),
            Scope::Socket => Domain::power(&id, Component::Gpu, "socket", NAME),
            Scope::Package => Domain::power(&id, Component::Cpu, "package", NAME),
        };
        domain.name = format!("amdgpu {}", input.label).trim().to_owned();
        if !dies.is_empty() {
            domain.name = format!("{} (with the die {})", domain.name, dies.join(", "));
        }
        Some(domain)
    }

    fn scope(&self, input: &Input) -> Scope {
        let number = input.device_number("device");
        if number.as_deref().map_or(self.server, |number| number == AMD_SERVER_APU) {
            return Scope::Socket;
        }
        let apu = input.label == "slowPPT" || input.chip_has_label("vddnb");
        if apu { Scope::Package } else { Scope::Board }
    }

    /// Whether an input belongs to a card that is left out on purpose.
    pub(super) fn is_left_out(&self, input: &Input) -> bool {
        input.chip == "amdgpu" && !self.shown.iter().any(|(hwmon, _)| *hwmon == input.hwmon)
    }
}

/// Whether an input is the first power input of a card; `slowPPT` is an APU's average, `fastPPT` its peaks.
fn is_whole(input: &Input) -> bool {
    let labelled = matches!(input.label.as_str(), "" | "PPT" | "slowPPT");
    input.chip == "amdgpu" && input.kind == Kind::Power && input.number == 1 && labelled
}

/// Returns the id by which ROCm names a GPU.
fn unique_id(card: &Input) -> Option<String> {
    card.device_number("unique_id").map(|id| format!("GPU-{id}"))
}

/// Returns the index of the card that shows this one: itself, or the card before it whose second die it is.
fn shown_by(cards: &[&Input], at: usize) -> usize {
    let Some(card) = cards.get(at) else { return at };
    let number = card.device_number("device");
    let second = number.as_deref().is_none_or(|number| AMD_TWO_DIES.contains(&number)) && is_dark(card);
    let lit = |&other: &usize| {
        cards.get(other).is_some_and(|other| !is_dark(other) && other.device_number("device") == number)
    };
    if second { (0..at).rev().find(lit).unwrap_or(at) } else { at }
}

/// Whether a sensor shows 0 W: no card that works draws nothing, so another sensor shows it.
fn is_dark(card: &Input) -> bool {
    let Value::File(files) = &card.value else { return false };
    let values: Vec<u64> = files.iter().filter_map(|file| sysfs::read_u64(file).ok()).collect();
    !values.is_empty() && values.iter().all(|&value| value == 0)
}
