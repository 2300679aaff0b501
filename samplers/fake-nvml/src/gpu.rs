//! One scripted GPU: what it answers at a time.

use crate::code;
use crate::curve::{Curve, MS, milli};
use crate::script::{Window, curve, list, number};

/// One GPU of the script. Times are nanoseconds of script time.
#[derive(Debug, Clone)]
pub struct Gpu {
    /// Board name.
    pub name: String,
    /// `GPU-…`.
    pub uuid: String,
    /// Bus number of its PCI address `00000000:BB:00.0`.
    pub bus: u32,
    /// `NVML_DEVICE_ARCH_*`.
    pub arch: u32,
    /// What it really draws.
    pub power: Curve,
    /// The power that the whole module draws (Grace superchips); scope 1.
    pub module: Option<Curve>,
    /// The power of its memory; scope 2.
    pub memory_power: Option<Curve>,
    /// The plain energy counter counts the module, as seen on GH200.
    pub counter_is_module: bool,
    /// The scoped energy field (191) works.
    pub scoped_energy: bool,
    /// Window of the moving average that `nvmlDeviceGetPowerUsage` returns; 0: instantaneous.
    pub average_ns: u64,
    /// The counter changes only at multiples of this.
    pub energy_period_ns: u64,
    /// Where the counter starts, millijoules.
    pub energy_offset_mj: u64,
    /// Percent of the truth that the counter shows.
    pub energy_gain: u64,
    /// The counter starts again from 0 at this time.
    pub energy_reset_ns: Option<u64>,
    /// The counter is taken modulo this.
    pub energy_wrap_mj: Option<u64>,
    /// Period of the driver's power samples.
    pub samples_period_ns: u64,
    /// How many samples the driver keeps.
    pub samples_ring: u64,
    /// Utilisation in percent over time.
    pub utilization: Curve,
    /// Memory used and in total, bytes.
    pub memory: (u64, u64),
    /// Degrees Celsius.
    pub temperature: u32,
    /// Degrees Celsius from which it may slow down.
    pub temperature_max: u32,
    /// Megahertz.
    pub sm_clock: u32,
    /// Power limit: enforced, least, most; milliwatts.
    pub limits: (u32, u32, u32),
    /// A limit that is answered with success and not taken, milliwatts.
    pub deaf_limit: Option<u32>,
    /// Bits of `nvmlDeviceGetCurrentClocksThrottleReasons`.
    pub throttle: u64,
    /// XID events: code and time.
    pub xids: Vec<(u64, Window)>,
    /// Processes (a pid, `self`, `parent` or `child`) and their SM utilisation in percent.
    pub processes: Vec<(String, u32)>,
    /// UUIDs of MIG devices; MIG is on when there are any.
    pub mig: Vec<String>,
    /// Slices of each MIG device; 1 where there is none.
    pub mig_slices: Vec<u32>,
    /// Processes of MIG devices, each with the index of its device.
    pub mig_present: Vec<(String, u32)>,
    /// Processes that are listed as running, without a statement of their use.
    pub present: Vec<String>,
    /// Processes that are listed as clients of MPS.
    pub mps: Vec<String>,
    /// Quantities that answer with an error code.
    pub fail: Vec<(String, u32, Window)>,
    /// Quantities that answer "not available" (all bits set).
    pub not_available: Vec<(String, Window)>,
    /// When every call answers GPU_IS_LOST.
    pub lost: Option<Window>,
    /// When it is not enumerated.
    pub gone: Option<Window>,
}

impl Gpu {
    /// The default: an H100-like board at a constant 100 W whose counter changes every 100 ms.
    #[must_use]
    pub fn healthy(index: usize) -> Self {
        Self {
            name: "NVIDIA H100 80GB HBM3".into(),
            uuid: format!("GPU-{index:08x}-0000-4000-8000-00000000000{index:x}"),
            bus: 0x10 + u32::try_from(index).unwrap_or_default(),
            arch: 9,
            power: Curve::constant(100_000),
            module: None,
            memory_power: None,
            counter_is_module: false,
            scoped_energy: false,
            average_ns: 1_000 * MS,
            energy_period_ns: 100 * MS,
            energy_offset_mj: 0,
            energy_gain: 100,
            energy_reset_ns: None,
            energy_wrap_mj: None,
            samples_period_ns: 20 * MS,
            samples_ring: 120,
            utilization: Curve::constant(50_000),
            memory: (8 << 30, 80 << 30),
            temperature: 45,
            temperature_max: 87,
            sm_clock: 1_980,
            limits: (700_000, 200_000, 700_000),
            deaf_limit: None,
            throttle: 0,
            xids: Vec::new(),
            processes: Vec::new(),
            mig: Vec::new(),
            mig_slices: Vec::new(),
            mig_present: Vec::new(),
            present: Vec::new(),
            mps: Vec::new(),
            fail: Vec::new(),
            not_available: Vec::new(),
            lost: None,
            gone: None,
        }
    }

    /// What the energy counter shows at a time, in millijoules: a staircase with exact heights.
    #[must_use]
    pub fn counter_mj(&self, at_ns: u64) -> u64 {
        let of = if self.counter_is_module { self.module.as_ref().unwrap_or(&self.power) } else { &self.power };
        self.staircase_mj(of, at_ns)
    }

    /// What a scoped counter of `curve` shows: same steps, same resets.
    #[must_use]
    pub fn staircase_mj(&self, curve: &Curve, at_ns: u64) -> u64 {
        let update = at_ns - at_ns % self.energy_period_ns.max(1);
        let reset = self.energy_reset_ns.filter(|reset| *reset <= at_ns);
        let (update, base, offset) = match reset {
            Some(reset) => (update.max(reset), curve.picojoules(reset), 0),
            None => (update, 0, self.energy_offset_mj),
        };
        let picojoules = (curve.picojoules(update) - base) * u128::from(self.energy_gain) / 100;
        let total = u64::try_from(picojoules / 1_000_000_000).unwrap_or(u64::MAX).wrapping_add(offset);
        self.energy_wrap_mj.map_or(total, |wrap| total % wrap)
    }

    /// Whether a quantity answers at all: its scripted error, or whether its value is "not available".
    pub(crate) fn check(&self, what: &str, at_ns: u64) -> Result<bool, u32> {
        if self.lost.is_some_and(|window| window.contains(at_ns)) {
            return Err(code::GPU_IS_LOST);
        }
        let failing = self.fail.iter().find(|(name, _, when)| name == what && when.contains(at_ns));
        if let Some((_, code, _)) = failing {
            return Err(*code);
        }
        Ok(self.not_available.iter().any(|(name, when)| name == what && when.contains(at_ns)))
    }

    pub(crate) fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let ms = |text: &str| milli(text).map(|us| us * 1_000);
        match key {
            "name" => self.name = value.into(),
            "uuid" => self.uuid = value.into(),
            "bus" => self.bus = number(value)?,
            "arch" => self.arch = number(value)?,
            "power" => self.power = curve(value)?,
            "module" => self.module = Some(curve(value)?),
            "memory_power" => self.memory_power = Some(curve(value)?),
            "counter_is_module" => self.counter_is_module = value == "yes",
            "scoped_energy" => self.scoped_energy = value == "yes",
            "average_ms" => self.average_ns = ms(value)?,
            "energy" if value == "off" => self.fail.push(("energy".into(), code::NOT_SUPPORTED, Window::ALWAYS)),
            "energy_period_ms" => self.energy_period_ns = ms(value)?,
            "energy_offset_mj" => self.energy_offset_mj = number(value)?,
            "energy_gain" => self.energy_gain = number(value)?,
            "energy_reset_ms" => self.energy_reset_ns = Some(ms(value)?),
            "energy_wrap_mj" => self.energy_wrap_mj = Some(number::<u64>(value)?.max(1)),
            "samples_period_ms" => self.samples_period_ns = ms(value)?.max(1),
            "samples_ring" => self.samples_ring = number(value)?,
            _ => return self.set_rest(key, value),
        }
        Ok(())
    }

    fn set_rest(&mut self, key: &str, value: &str) -> Result<(), String> {
        let watts =
            |text: &str| milli(text).and_then(|mw| u32::try_from(mw).map_err(|_| format!("too many watts: {text}")));
        match key {
            "utilization" => self.utilization = curve(value)?,
            "memory_used" => self.memory.0 = number(value)?,
            "memory_total" => self.memory.1 = number(value)?,
            "temperature" => self.temperature = number(value)?,
            "temperature_max" => self.temperature_max = number(value)?,
            "sm_clock" => self.sm_clock = number(value)?,
            "limit" => self.limits.0 = watts(value)?,
            "limit_min" => self.limits.1 = watts(value)?,
            "limit_max" => self.limits.2 = watts(value)?,
            "limit_deaf" => self.deaf_limit = Some(watts(value)?),
            "throttle" => self.throttle = number(value)?,
            "xid" => self.xids = list(value, |code, when| Ok((number(code)?, when)))?,
            "process" => self.processes = value.split(',').map(pair).collect::<Result<_, _>>()?,
            "mig_slices" => self.mig_slices = value.split(',').map(number).collect::<Result<_, _>>()?,
            "mig_present" => self.mig_present = value.split(',').map(pair).collect::<Result<_, _>>()?,
            "present" => self.present = value.split(',').map(str::to_owned).collect(),
            "mps" => self.mps = value.split(',').map(str::to_owned).collect(),
            "mig" => self.mig = value.split(',').map(str::to_owned).collect(),
            "fail" => self.fail.extend(list(value, |item, when| pair(item).map(|(what, code)| (what, code, when)))?),
            "na" => self.not_available = list(value, |what, when| Ok((what.to_owned(), when)))?,
            "lost_ms" => self.lost = Some(Window::parse(value)?),
            "gone_ms" => self.gone = Some(Window::parse(value)?),
            _ => return Err(format!("unknown key {key}")),
        }
        Ok(())
    }
}

/// `what:number`.
fn pair(item: &str) -> Result<(String, u32), String> {
    let (what, value) = item.split_once(':').ok_or_else(|| format!("not name:number: {item}"))?;
    Ok((what.to_owned(), number(value)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Script;

    #[test]
    fn the_counter_is_a_staircase_with_a_reset() {
        let script = "[gpu 0]\npower=0:100,150:300\nenergy_offset_mj=7\nenergy_reset_ms=450";
        let gpu = &Script::parse(script).unwrap().gpus[0];
        assert_eq!(gpu.counter_mj(99 * MS), 7);
        // 150 ms at 100 W and 50 ms at 300 W: 15 J + 15 J.
        assert_eq!(gpu.counter_mj(299 * MS), 7 + 30_000);
        assert_eq!(gpu.counter_mj(449 * MS), 7 + 90_000);
        assert_eq!(gpu.counter_mj(450 * MS), 0);
        assert_eq!(gpu.counter_mj(500 * MS), 15_000);
    }

    #[test]
    fn a_script_that_cannot_be_read_names_its_line() {
        assert!(Script::parse("driver=1\n[gpu 0]\nfoo=1").unwrap_err().starts_with("line 3"));
        assert_eq!(Script::parse("").unwrap().gpus.len(), 1);
    }
}
