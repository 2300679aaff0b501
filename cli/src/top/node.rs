//! Turns the agent's document of the node (`/api/v1/node`) into the values of a screen. What a document lacks is not known; documents of
//! a newer agent have more.

use eco2_core::Spent;
use eco2_core::schema::{SourceStatus, Status};
use eco2_core::{Bounded, Quality, RangeKind, units};
use eco2_report::{TopDevice, TopFrame, TopLimit, TopUse};
use serde_json::Value;

/// The documents so far, as far as the next needs them: the power of a job is the difference of two.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    at_ns: Option<u64>,
    /// Energies of jobs and of the rest by their name.
    energies: Vec<(String, u64)>,
}

impl Nodes {
    /// Returns the values of a screen.
    pub(super) fn frame(&mut self, document: &Value) -> TopFrame {
        let at_ns = document["at_ns"].as_u64();
        let since_ns = at_ns.zip(self.at_ns).map(|(now, before)| now.saturating_sub(before)).filter(|ns| *ns > 0);
        let mut energies = Vec::new();
        let mut power = |key: String, uj: u64| {
            let before = self.energies.iter().find(|(other, _)| *other == key).map(|(_, uj)| *uj);
            energies.push((key, uj));
            units::watts(uj.checked_sub(before?)?, since_ns?)
        };
        let mut uses: Vec<TopUse> = Vec::new();
        for job in list(document, "consumers") {
            let energy = bounded(job, "");
            let key = format!("{}\n{}", text(job, "id"), job["began_wall_ns"]);
            let is_running = job["ended_wall_ns"].is_null();
            let power_w = power(key, energy.value.unwrap_or(0)).filter(|_| is_running);
            let is_job = text(job, "kind") != "others";
            let (grams, steps) = (job["grams"].as_f64(), job["steps"].as_u64());
            uses.push(TopUse { name: text(job, "name"), is_job, is_running, power_w, energy, grams, steps });
        }
        let is_known = !document["total_uj"].is_null();
        for (name, key) in
            [("Other jobs", "forgotten_uj"), ("Idle devices", "idle_uj"), ("Not attributed", "not_attributed_uj")]
        {
            let uj = document[key].as_u64().filter(|uj| is_known && (key != "forgotten_uj" || *uj > 0));
            let Some(uj) = uj else { continue };
            let (power_w, energy) = (power(key.to_owned(), uj), Bounded::exact(uj));
            let name = name.to_owned();
            uses.push(TopUse { name, is_job: false, is_running: true, power_w, energy, grams: None, steps: None });
        }
        (self.at_ns, self.energies) = (at_ns, energies);
        let mut devices: Vec<TopDevice> = list(document, "devices").iter().map(device).collect();
        number_alike(&mut devices);
        let summed = || devices.iter().filter(|device| device.is_summed);
        let power_w = summed().filter_map(|device| device.power_w).reduce(|sum, watts| sum + watts);
        let largest = summed().max_by_key(|device| device.energy.value);
        let node = &document["node"];
        TopFrame {
            name: text(node, "hostname"),
            power_w,
            energy: bounded(document, "total_"),
            quality: largest.map_or(Quality::Missing, |device| device.quality),
            since_ns: at_ns.zip(document["began_ns"].as_u64()).map_or(0, |(now, began)| now.saturating_sub(began)),
            emissions: emissions(&document["emissions"]),
            intensity: intensity(&document["emissions"]),
            uses,
            limits: list(document, "consumers").iter().flat_map(limits).collect(),
            sources: list(document, "sources").iter().map(source).collect(),
            is_restricted: document["resolution"]["step_uj"].as_u64().is_some_and(|step| step > 1),
            devices,
            ..TopFrame::default()
        }
    }
}

fn list<'a>(document: &'a Value, key: &str) -> &'a [Value] {
    document[key].as_array().map_or(&[], Vec::as_slice)
}

fn text(document: &Value, key: &str) -> String {
    document[key].as_str().unwrap_or_default().to_owned()
}

/// Returns an energy with its bounds; the names of its keys start with `prefix`.
fn bounded(document: &Value, prefix: &str) -> Bounded<u64> {
    let value = if prefix.is_empty() { &document["energy_uj"] } else { &document[format!("{prefix}uj")] };
    let bound = |name: &str| document[format!("{prefix}{name}_uj")].as_u64();
    let is_hard = document[format!("{prefix}range_kind")] == "hard";
    let kind = if is_hard { RangeKind::Hard } else { RangeKind::Plausible };
    Bounded { value: value.as_u64(), low: bound("low").unwrap_or(0), high: bound("high"), kind }
}

fn device(document: &Value) -> TopDevice {
    let quality: Option<Quality> = serde_json::from_value(document["quality"].clone()).ok();
    let (domain, model) = (text(document, "domain"), text(document, "model"));
    TopDevice {
        name: text(document, "name"),
        kind: if model.is_empty() { domain } else { format!("{model} {domain}") },
        power_w: document["power_w"].as_f64(),
        energy: bounded(document, ""),
        quality: quality.unwrap_or(Quality::Missing),
        celsius: document["temperature_c"].as_f64(),
        is_summed: document["is_summed"].as_bool().unwrap_or(false),
    }
}

/// Returns the limits of a job.
fn limits(job: &Value) -> impl Iterator<Item = TopLimit> {
    let (name, is_running) = (text(job, "name"), job["ended_wall_ns"].is_null());
    let limits =
        list(&job["budget"], "limits").iter().filter_map(|spent| serde_json::from_value::<Spent>(spent.clone()).ok());
    limits.map(move |spent| TopLimit { name: name.clone(), is_running, spent })
}

/// Numbers devices of one name, so that no two look alike.
fn number_alike(devices: &mut [TopDevice]) {
    let names: Vec<String> = devices.iter().map(|device| device.name.clone()).collect();
    for (at, device) in devices.iter_mut().enumerate() {
        let is_alike = |other: &&String| **other == names[at];
        if names.iter().filter(is_alike).count() > 1 {
            let before = names[..at].iter().filter(is_alike).count();
            device.name = format!("{before} {}", names[at]);
        }
    }
}

fn emissions(document: &Value) -> Option<Bounded<f64>> {
    let value = document["grams"].as_f64();
    let low = document["low"].as_f64().unwrap_or(0.0);
    value.map(|value| Bounded { value: Some(value), low, high: document["high"].as_f64(), kind: RangeKind::Plausible })
}

fn intensity(document: &Value) -> String {
    match (document["zone"].as_str(), document["g_per_kwh"].as_f64()) {
        (Some(zone), Some(g_per_kwh)) => format!("{zone}, {g_per_kwh:.0} g/kWh"),
        (zone, _) => zone.unwrap_or_default().to_owned(),
    }
}

fn source(document: &Value) -> SourceStatus {
    let status: Option<Status> = serde_json::from_value(document["status"].clone()).ok();
    SourceStatus {
        name: text(document, "name"),
        status: status.unwrap_or(Status::Lost),
        reason: text(document, "reason"),
        remedy: text(document, "remedy"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(seconds: u64) -> Value {
        let uj = 5_000_000 * seconds;
        json!({
            "node": {"hostname": "n"}, "sequence": seconds, "at_ns": seconds * 1_000_000_000, "began_ns": 0,
            "resolution": {"step_uj": 100_000},
            "devices": [{"name": "p", "domain": "package", "model": null, "power_w": 5.0, "quality": "measured", "is_summed": true,
                "energy_uj": uj, "low_uj": uj - 1, "high_uj": null, "range_kind": "hard"}],
            "consumers": [{"id": "a", "name": "train", "kind": "job", "energy_uj": 3_000_000 * seconds, "low_uj": 0, "high_uj": uj,
                "began_wall_ns": 1, "ended_wall_ns": null, "steps": 10}],
            "total_uj": uj, "total_low_uj": uj - 1, "total_high_uj": null, "total_range_kind": "hard",
            "idle_uj": seconds * 1_000_000, "not_attributed_uj": seconds * 1_000_000, "forgotten_uj": 0,
            "sources": [{"name": "rapl-sysfs", "status": "ok", "reason": "", "remedy": ""}],
        })
    }

    #[test]
    fn power_of_jobs_and_of_the_rest_is_that_between_two_documents() {
        let mut nodes = Nodes::default();
        let first = nodes.frame(&document(10));
        assert!(first.uses.iter().all(|one| one.power_w.is_none()) && first.power_w == Some(5.0));
        let second = nodes.frame(&document(12));
        let powers: Vec<(String, Option<f64>)> = second.uses.into_iter().map(|one| (one.name, one.power_w)).collect();
        let expected = [("train", Some(3.0)), ("Idle devices", Some(1.0)), ("Not attributed", Some(1.0))];
        assert_eq!(powers, expected.map(|(name, watts)| (name.to_owned(), watts)));
        assert_eq!((second.energy.value, second.energy.high), (Some(60_000_000), None));
        assert!(second.is_restricted && second.emissions.is_none());
    }

    #[test]
    fn devices_of_one_name_are_numbered() {
        let gpu = json!({"name": "H100", "is_summed": true});
        let frame = Nodes::default().frame(&json!({"devices": [gpu, {"name": "package-0"}, gpu]}));
        let names: Vec<&str> = frame.devices.iter().map(|device| device.name.as_str()).collect();
        assert_eq!(names, ["0 H100", "package-0", "1 H100"]);
    }

    #[test]
    fn document_of_another_version_is_shown_as_far_as_it_is_understood() {
        let frame = Nodes::default().frame(&json!({"devices": [{"quality": "new", "energy_uj": "x"}], "consumers": 5}));
        assert_eq!((frame.devices[0].quality, frame.devices[0].energy.value), (Quality::Missing, None));
        assert!(frame.energy.value.is_none() && frame.uses.is_empty());
        assert_eq!(Nodes::default().frame(&Value::Null).name, "");
    }
}
