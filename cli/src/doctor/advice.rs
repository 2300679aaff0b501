//! What `eco2 doctor` advises for the machine on which it runs: permissions that last, flags of containers, and on a machine that
//! has no sensor what makes the estimate better. A *guest* is a virtual machine, whose host alone can read CPU counters.

use std::path::Path;

use eco2::options::Options;
use eco2_core::schema::{SourceStatus, Status};
use eco2_samplers::Roots;
use eco2_samplers::discover::RAPL;
use eco2_samplers::hardware::Hardware;

use crate::clock_zone;

/// What kind of machine this is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Place {
    /// A virtual machine.
    pub(super) is_guest: bool,
    /// In which software environment it runs.
    pub(super) environment: Environment,
    /// Whether a grid zone is set.
    pub(super) has_zone: bool,
    /// Whether the options name a cloud provider or the watts of the CPUs.
    pub(super) has_cpu_power: bool,
    /// Time zone of the clock, and the grid zone in it.
    pub(super) clock: Option<(String, &'static str)>,
}

/// The software environment of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Environment {
    #[default]
    Plain,
    Docker,
    Kubernetes,
    /// Windows Subsystem for Linux.
    Wsl,
    Colab,
}

impl Place {
    /// Looks at this machine.
    pub(super) fn of(options: &Options) -> Self {
        let roots = Roots { sysfs: options.sysfs.clone(), procfs: options.procfs.clone(), ..Roots::default() };
        let release = std::fs::read_to_string(options.procfs.join("sys/kernel/osrelease")).unwrap_or_default();
        let is_set = |name: &str| std::env::var_os(name).is_some();
        let exists = |path: &str| Path::new(path).exists();
        let environment = match () {
            // With the folders of another machine, such as a container's host, the environment here is not that machine's.
            () if options.sysfs != Path::new("/sys") => Environment::Plain,
            () if is_set("COLAB_RELEASE_TAG") => Environment::Colab,
            () if release.to_ascii_lowercase().contains("microsoft") => Environment::Wsl,
            () if is_set("KUBERNETES_SERVICE_HOST") => Environment::Kubernetes,
            () if exists("/.dockerenv") || exists("/run/.containerenv") => Environment::Docker,
            () => Environment::Plain,
        };
        Self {
            is_guest: Hardware::read(&roots).is_guest,
            environment,
            has_zone: options.zone.is_some() || options.intensity.is_some(),
            has_cpu_power: options.cloud.is_some() || options.cpu_watts.is_some(),
            clock: clock_zone::of_this_machine(),
        }
    }
}

/// Returns the advice as paragraphs; lines that begin with four blanks are commands or lines of files.
pub(super) fn advice(place: &Place, sources: &[SourceStatus]) -> Vec<String> {
    let of_cpu = || sources.iter().filter(|source| RAPL.contains(&source.name.as_str()));
    let reads_cpu = of_cpu().any(|source| source.status == Status::Ok);
    let is_denied = of_cpu().any(|source| source.status == Status::Denied);
    let mut texts = Vec::new();
    if !reads_cpu {
        texts.extend(match place.environment {
            Environment::Docker if is_denied || !place.is_guest => in_docker(),
            Environment::Kubernetes if is_denied || !place.is_guest => in_kubernetes(),
            Environment::Wsl => in_wsl(),
            Environment::Colab => in_colab(),
            _ if is_denied => for_good(),
            _ if place.is_guest => on_guest(),
            _ => Vec::new(),
        });
        if !is_denied && !place.has_cpu_power && (place.is_guest || place.environment != Environment::Plain) {
            texts.extend(better_estimate());
        }
    }
    if !place.has_zone {
        texts.push(match &place.clock {
            Some((time_zone, zone)) => {
                format!("No grid zone is set; the clock is set to {time_zone}. To set its zone for all runs:\n    eco2 config set zone {zone}")
            }
            None => "No grid zone is set. To set one for all runs, for example:\n    eco2 config set zone DE".to_owned(),
        });
    }
    texts
}

/// Permissions for RAPL that survive a restart.
fn for_good() -> Vec<String> {
    [
        "To allow the members of a group to read the CPU's energy counters, also after a restart:\n    \
         sudo groupadd -f eco2 && sudo usermod -aG eco2 $USER\n    \
         echo 'z /sys/devices/virtual/powercap/intel-rapl/*/energy_uj 0440 root eco2' | sudo tee /etc/tmpfiles.d/eco2.conf\n    \
         echo 'z /sys/devices/virtual/powercap/intel-rapl/*/*/energy_uj 0440 root eco2' | sudo tee -a /etc/tmpfiles.d/eco2.conf\n    \
         sudo systemd-tmpfiles --create /etc/tmpfiles.d/eco2.conf\n    \
         Then log in again.",
        "To allow only the command eco2, for every user (repeat it after an update):\n    \
         sudo setcap cap_perfmon+ep $(command -v eco2)\n    \
         It covers programs that run under `eco2 run`, such as `eco2 run -- python train.py`. Programs that open a meter \
         themselves need the group above.",
    ]
    .map(str::to_owned)
    .to_vec()
}

fn in_docker() -> Vec<String> {
    vec![
        "In a container, start it with access to the counters of its host:\n    \
         docker run --cap-add PERFMON --security-opt systempaths=unconfined --gpus all IMAGE\n    \
         systempaths=unconfined shows /sys/devices/virtual/powercap, which Docker hides. Omit --gpus all without NVIDIA GPUs."
            .to_owned(),
    ]
}

fn in_kubernetes() -> Vec<String> {
    vec![
        "In a pod, add to the container and to the pod:\n    \
         securityContext: {capabilities: {add: [PERFMON]}}\n    \
         volumes: [{name: powercap, hostPath: {path: /sys/devices/virtual/powercap}}]\n    \
         Mount the volume read-only at the same path. GPUs need the device plugin of their vendor."
            .to_owned(),
    ]
}

fn in_wsl() -> Vec<String> {
    vec![
        "The Windows Subsystem for Linux has no CPU energy counters. NVIDIA GPUs are read through the driver of Windows; install \
         no NVIDIA driver inside WSL. CPU and memory are estimated."
            .to_owned(),
    ]
}

fn in_colab() -> Vec<String> {
    vec![
        "Colab has no CPU energy counters. GPUs are read through NVML (Runtime, Change runtime type); TPUs are not. CPU and memory \
         are estimated."
            .to_owned(),
    ]
}

fn on_guest() -> Vec<String> {
    vec![
        "This virtual machine has no access to CPU energy counters, and no setting inside it changes that. eco2 estimates CPU and \
         memory energy and labels it as estimated. GPUs that are passed through are measured."
            .to_owned(),
    ]
}

/// What makes an estimate of the CPUs better.
fn better_estimate() -> Vec<String> {
    vec![
        "To narrow the range of the estimate, set one of these:\n    \
         eco2 config set cloud aws        or gcp, azure: the provider's published watts\n    \
         eco2 config set cpu_watts 280    power of all CPUs under full load"
            .to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str, status: Status) -> SourceStatus {
        SourceStatus { name: name.to_owned(), status, reason: String::new(), remedy: String::new() }
    }

    fn advised(place: &Place, status: Status) -> String {
        advice(place, &[source("rapl-perf", status), source("rapl-sysfs", status)]).join("\n")
    }

    #[test]
    fn remedies_for_denied_counters_last_and_name_the_way_for_python() {
        let text = advised(&Place::default(), Status::Denied);
        for part in ["/etc/tmpfiles.d/eco2.conf", "setcap cap_perfmon+ep", "eco2 run -- python"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("set cloud"), "counters are there: no estimate to improve: {text}");
    }

    #[test]
    fn guest_is_not_advised_to_change_its_host() {
        let guest = Place { is_guest: true, ..Place::default() };
        let text = advised(&guest, Status::Absent);
        assert!(
            text.contains("config set cloud aws")
                && text.contains("config set cpu_watts")
                && text.contains("config set zone"),
            "{text}"
        );
        assert!(!text.contains("sudo") && !text.contains("run eco2 on the host"), "{text}");
        let set = Place { has_cpu_power: true, has_zone: true, ..guest };
        assert!(!advised(&set, Status::Absent).contains("config set"), "what is set is not advised");
    }

    #[test]
    fn each_environment_has_its_own_advice() {
        let of = |environment, is_guest| advised(&Place { environment, is_guest, ..Place::default() }, Status::Absent);
        assert!(of(Environment::Docker, false).contains("docker run --cap-add PERFMON"));
        assert!(of(Environment::Docker, true).contains("no access to CPU energy counters"), "its host is a guest");
        assert!(of(Environment::Kubernetes, false).contains("securityContext"));
        assert!(of(Environment::Wsl, true).contains("Windows Subsystem"));
        assert!(of(Environment::Colab, true).contains("Colab has no"));
    }

    #[test]
    fn machine_that_reads_everything_gets_the_zone_only() {
        let clock = Some(("Europe/Berlin".to_owned(), "DE"));
        let text = advised(&Place { clock, ..Place::default() }, Status::Ok);
        assert!(text.starts_with("No grid zone is set; the clock is set to Europe/Berlin"), "{text}");
        assert_eq!(advised(&Place { has_zone: true, ..Place::default() }, Status::Ok), "");
    }
}
