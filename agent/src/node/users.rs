//! Finds out which jobs used a GPU, from the processes that its driver listed.

use eco2_core::attribution::Use;

use super::{Listed, Node};
use crate::jobs::JobState;
use crate::shares::Present;

/// The use of a device by processes is carried on for this long: drivers are asked at least every ten seconds.
const USE_HOLDS_NS: u64 = 11_000_000_000;

impl Node {
    /// Returns what the driver of a device listed last; `None` where that is too long ago.
    fn listed_at(&self, index: usize, now_ns: u64) -> Option<&Listed> {
        self.listed.get(&index).filter(|listed| now_ns.saturating_sub(listed.at_ns) < USE_HOLDS_NS)
    }

    /// Returns the use of a device by the present jobs, as its driver listed it last; `None` where that is too long ago.
    ///
    /// What was used by unknown processes is the jobs' that may use the GPU, in equal parts; without such jobs it is not known.
    /// Processes that are known and of no job are others.
    pub(super) fn listed_use(&self, index: usize, now_ns: u64, present: &[Present]) -> Option<Use> {
        let listed = self.listed_at(index, now_ns)?;
        let of_job = |job: &Present| {
            let own = listed.processes.iter().filter(|(pid, _)| self.owners.get(pid) == Some(&job.key));
            own.map(|(_, fraction)| fraction).sum::<f64>()
        };
        let mut consumers: Vec<f64> = present.iter().map(of_job).collect();
        let known: f64 = listed.processes.iter().map(|(_, fraction)| fraction).sum();
        let others = (known - consumers.iter().sum::<f64>()).max(0.0);
        let (others, mut unknown) =
            if self.are_foreign { (0.0, listed.unknown + others) } else { (others, listed.unknown) };
        let may_use: Vec<bool> =
            present.iter().map(|job| self.may_use(self.jobs.get(&job.key), index, listed)).collect();
        let count = may_use.iter().filter(|may| **may).count();
        let is_divided = count > 0 && unknown > 0.0;
        if is_divided {
            let part = unknown / count as f64;
            consumers.iter_mut().zip(may_use).filter(|(_, may)| *may).for_each(|(own, _)| *own += part);
            unknown = 0.0;
        }
        let used = Use::from_fractions(&consumers, others, unknown)?;
        Some(Use { is_assumed: listed.is_assumed || is_divided, ..used })
    }

    /// Whether the energy of a device is divided by assumption at present, because its driver does not measure who uses it.
    pub(super) fn is_shared(&self, index: usize, now_ns: u64) -> bool {
        self.listed_at(index, now_ns).is_some_and(|listed| listed.is_assumed)
    }

    /// Whether a job was given the GPU of a domain, by the number that its driver gave it or by a UUID.
    fn may_use(&self, job: Option<&JobState>, index: usize, listed: &Listed) -> bool {
        let uuid = &self.ledger.tracks()[index].domain().id;
        job.is_some_and(|job| job.terms.gpus.iter().any(|gpu| gpu.is_of(uuid, listed.number, &listed.instances)))
    }
}

#[cfg(test)]
mod tests {
    use eco2_core::{Component, Domain, Ranged as _, Reading};
    use eco2_samplers::DeviceUse;

    use super::super::tests::{S, assert_whole, at, job, node};
    use super::super::{Input, IntervalUse};
    use crate::jobs::JobTerms;
    use crate::shares::JobKey;
    use crate::snapshot::Snapshot;

    /// Returns the account of two GPUs at 70 W each after some seconds, of which the first was used so by processes 71 to 73; the
    /// processes 71 and 72 are those of two jobs.
    fn gpus(used: DeviceUse, terms: &dyn Fn(usize) -> JobTerms, seconds: u64) -> (Snapshot, [JobKey; 2]) {
        let mut node = node("a", 0);
        let board = |id: &str| Domain::counter(id, Component::Gpu, "board", "nvml");
        node.take(Input::Domains { source: 0, domains: vec![board("GPU-a"), board("GPU-b")] });
        let keys = [0, 1].map(|index: usize| {
            let key = node.begin_job(job(["a", "b"][index]), at(0), None);
            node.set_terms(key, terms(index));
            key
        });
        let mut shown = None;
        for second in 0..=seconds {
            let reading = Reading { before_ns: second * S, after_ns: second * S, value: Ok(second * 70_000_000) };
            node.take(Input::Readings { source: 0, readings: vec![(0, reading), (1, reading)] });
            node.take(Input::Tick { now_ns: second * S });
            node.take(Input::Users { source: 0, uses: vec![used.clone()] });
            let owners = || IntervalUse { owners: [(71, keys[0]), (72, keys[1])].into(), ..IntervalUse::default() };
            let full = node.account(at(second * S), owners).full;
            assert_whole(&full);
            shown = Some((*full).clone());
        }
        (shown.unwrap(), keys)
    }

    fn of_job(snapshot: &Snapshot, key: JobKey) -> (u64, u64, Option<u64>) {
        let consumer = snapshot.consumers.iter().find(|consumer| consumer.key == key).unwrap();
        (consumer.energy_uj, consumer.bounded().low, consumer.bounded().high)
    }

    #[test]
    fn m26_jobs_on_a_gpu_that_mig_divides_get_their_slices_between_nothing_and_the_board() {
        // Slices of 7: three of job a, two of job b, one of a process of no job; the last one is idle.
        let slices = vec![(71, 3.0 / 7.0), (72, 2.0 / 7.0), (73, 1.0 / 7.0)];
        let used = DeviceUse { reachable: true, processes: slices, is_assumed: true, ..DeviceUse::default() };
        let (full, [a, b]) = gpus(used.clone(), &|_| JobTerms::default(), 4);
        let whole = 4 * 70_000_000;
        assert_eq!(of_job(&full, a).0, 4 * 30_000_000);
        assert_eq!(of_job(&full, b).0, 4 * 20_000_000);
        for (_, low, high) in [a, b].map(|key| of_job(&full, key)) {
            assert!(low == 0 && high.is_none_or(|high| high >= whole), "{low} to {high:?}");
        }
        assert_eq!(full.idle_uj, 4 * 10_000_000);
        assert_eq!(full.not_attributed_uj, 4 * 10_000_000 + whole, "the users of the second GPU were not listed");
        assert_eq!(full.devices.iter().map(|device| device.is_shared).collect::<Vec<_>>(), [true, false]);
        // The driver measures the same: it is not shared.
        let (full, [a, _]) = gpus(DeviceUse { is_assumed: false, ..used }, &|_| JobTerms::default(), 4);
        assert_eq!((of_job(&full, a).0, full.devices[0].is_shared), (4 * 30_000_000, false));
    }

    #[test]
    fn sensor_that_is_read_every_five_seconds_is_attributed_by_the_use_of_all_five() {
        use eco2_samplers::usage::JobTimes;

        let mut node = node("a", 0);
        node.take(Input::Domains {
            source: 0,
            domains: vec![Domain::counter("package-0", Component::Cpu, "package", "hwmon")],
        });
        let key = node.begin_job(job("a"), at(0), None);
        let mut shown = None;
        for second in 0..=20 {
            if second % 5 == 0 {
                let reading = Reading { before_ns: second * S, after_ns: second * S, value: Ok(second * 10_000_000) };
                node.take(Input::Readings { source: 0, readings: vec![(0, reading)] });
            }
            node.take(Input::Tick { now_ns: second * S });
            // The job works in the first two of five seconds: 40 % of the time, half of the CPUs.
            let busy_ns = if (1..=2).contains(&(second % 5)) { S } else { 0 };
            let cpu = JobTimes { busy_ns, idle_ns: 2 * S - busy_ns, jobs: [(key, busy_ns)].into() };
            let full = node.account(at(second * S), || cpu.into()).full;
            assert_whole(&full);
            shown = Some((*full).clone());
        }
        let full = shown.unwrap();
        assert_eq!(of_job(&full, key).0, 40_000_000, "a fifth of 200 J");
        assert_eq!((full.idle_uj, full.not_attributed_uj), (160_000_000, 0));
    }

    #[test]
    fn what_is_used_by_no_known_process_is_that_of_the_jobs_which_may_use_the_gpu() {
        // The second GPU of the list has number 1 although it is the first that answers: number 0 is lost.
        let instances = vec!["MIG-7".to_owned()];
        let unknown = DeviceUse { reachable: true, unknown: 1.0, number: Some(1), instances, ..DeviceUse::default() };
        let gpus_of = |names: &[&str]| JobTerms {
            gpus: names.iter().map(|name| name.parse().unwrap()).collect(),
            ..JobTerms::default()
        };
        let whole = 3 * 70_000_000;
        for own in ["1", "GPU-a", "MIG-7"] {
            let (full, [a, b]) = gpus(unknown.clone(), &|index| gpus_of([&[own][..], &["0"][..]][index]), 3);
            assert_eq!([of_job(&full, a).0, of_job(&full, b).0], [whole, 0], "{own}; the second GPU has no list");
            assert_eq!((of_job(&full, a).1, full.not_attributed_uj), (0, whole), "it may have used nothing");
        }
        let (full, keys) = gpus(unknown.clone(), &|_| gpus_of(&["1"]), 3);
        assert_eq!(keys.map(|key| of_job(&full, key).0), [whole / 2, whole / 2]);
        let (full, keys) = gpus(unknown, &|_| gpus_of(&["7", "GPU-b"]), 3);
        assert_eq!(keys.map(|key| of_job(&full, key).0), [0, 0]);
    }
}
