//! The script: what the fake driver and its GPUs do, and when. The crate's page documents the keys.

use std::path::PathBuf;

use crate::curve::{Curve, MS, milli};
use crate::gpu::Gpu;

/// A stretch of script time, in nanoseconds: `3000` (from then on) or `3000..5000` milliseconds in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// First nanosecond.
    pub from_ns: u64,
    /// First nanosecond after it.
    pub to_ns: u64,
}

impl Window {
    /// All of time.
    pub const ALWAYS: Self = Self { from_ns: 0, to_ns: u64::MAX };

    /// Whether a time lies in it.
    #[must_use]
    pub fn contains(self, at_ns: u64) -> bool {
        (self.from_ns..self.to_ns).contains(&at_ns)
    }

    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (from, to) = text.split_once("..").map_or((text, None), |(from, to)| (from, Some(to)));
        let to_ns = to.map_or(Ok(u64::MAX), |to| milli(to).map(|us| us * 1_000))?;
        Ok(Self { from_ns: milli(from)? * 1_000, to_ns })
    }
}

/// Everything the fake library does.
#[derive(Debug, Clone)]
pub struct Script {
    /// The result of `nvmlSystemGetDriverVersion`.
    pub driver: String,
    /// Codes that `nvmlInit` returns, and when; success otherwise.
    pub init: Vec<(u32, Window)>,
    /// File with the script's time in nanoseconds; without it time runs from the first `nvmlInit`.
    pub clock_file: Option<PathBuf>,
    /// Reading of `CLOCK_MONOTONIC` at script time 0, where several processes share the script's time.
    pub origin_ns: Option<u64>,
    /// File to which the name of every called function is appended.
    pub calls: Option<PathBuf>,
    /// File to which every power limit that is set is appended, as `UUID milliwatts`; the last one holds.
    pub limits: Option<PathBuf>,
    /// Functions that return FUNCTION_NOT_FOUND.
    pub missing: Vec<String>,
    /// Functions that do not return during a window.
    pub hang: Vec<(String, Window)>,
    /// Functions that take this many milliseconds.
    pub slow: Vec<(String, u64)>,
    /// Microseconds added to the timestamps of samples when there is a clock file, and when; the last that fits.
    pub epoch_us: Vec<(u64, Window)>,
    /// Order of the GPUs by index from a time on.
    pub order: Option<(Vec<usize>, u64)>,
    /// The GPUs.
    pub gpus: Vec<Gpu>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            driver: "570.86.15".into(),
            init: Vec::new(),
            clock_file: None,
            origin_ns: None,
            calls: None,
            limits: None,
            missing: Vec::new(),
            hang: Vec::new(),
            slow: Vec::new(),
            epoch_us: Vec::new(),
            order: None,
            gpus: Vec::new(),
        }
    }
}

impl Script {
    /// Reads a script. One without any `[gpu N]` section has one healthy GPU at a constant 100 W.
    ///
    /// # Errors
    /// A message with the line's number.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut script = Self::default();
        for (number, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            script.line(line).map_err(|why| format!("line {}: {why}", number + 1))?;
        }
        if script.gpus.is_empty() {
            script.gpus.push(Gpu::healthy(0));
        }
        Ok(script)
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        if line.is_empty() {
            return Ok(());
        }
        if line.starts_with("[gpu") {
            self.gpus.push(Gpu::healthy(self.gpus.len()));
            return Ok(());
        }
        let (key, value) = line.split_once('=').ok_or_else(|| format!("not key=value: {line}"))?;
        let (key, value) = (key.trim(), value.trim());
        match self.gpus.last_mut() {
            Some(gpu) => gpu.set(key, value),
            None => self.set(key, value),
        }
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "driver" => self.driver = value.into(),
            "init" => self.init = list(value, |code, when| Ok((number(code)?, when)))?,
            "clock_file" => self.clock_file = Some(value.into()),
            "origin_ns" => self.origin_ns = Some(number(value)?),
            "calls" => self.calls = Some(value.into()),
            "limits" => self.limits = Some(value.into()),
            "missing" => self.missing = value.split(',').map(str::to_owned).collect(),
            "hang" => self.hang = list(value, |name, when| Ok((name.to_owned(), when)))?,
            "slow" => self.slow = list(value, |name, ms| Ok((name.to_owned(), ms.from_ns / MS)))?,
            "epoch_us" => self.epoch_us = list(value, |us, when| Ok((number(us)?, when)))?,
            "order" => self.order = Some(order(value)?),
            _ => return Err(format!("unknown key {key}")),
        }
        Ok(())
    }
}

fn order(value: &str) -> Result<(Vec<usize>, u64), String> {
    let (indices, when) = value.split_once('@').unwrap_or((value, "0"));
    let indices = indices.split(',').map(number).collect::<Result<_, _>>()?;
    Ok((indices, Window::parse(when)?.from_ns))
}

/// `what@window,…`; no window means always.
pub(crate) fn list<T>(value: &str, make: impl Fn(&str, Window) -> Result<T, String>) -> Result<Vec<T>, String> {
    let one = |item: &str| match item.split_once('@') {
        Some((what, when)) => make(what, Window::parse(when)?),
        None => make(item, Window::ALWAYS),
    };
    value.split(',').map(one).collect()
}

/// A whole number, decimal or `0x…`.
pub(crate) fn number<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    parsed.ok().and_then(|value| T::try_from(value).ok()).ok_or_else(|| format!("not a number: {text:?}"))
}

/// Watts, constant or a curve.
pub(crate) fn curve(text: &str) -> Result<Curve, String> {
    Curve::parse(text)
}
