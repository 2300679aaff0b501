"""Energy of SLURM jobs, Kubernetes pods and containers by the node agent (docs/node.md), under the names of HF Eco2AI. Nothing is
computed from shares of CPU or memory here: the agent divides what it measures, and a range states how certain that is."""

from __future__ import annotations

import os
import re
from importlib import import_module
from pathlib import Path
from typing import Any, Dict, List, Optional

import eco2

from .consumers import Monitored, begun, running
from .dashboard import RealTimeCarbonDashboard
from .errors import CarbonTrackingError

_ELSEWHERE = {"AccelerateIntegration": "accelerate", "CloudProviderIntegration": "cloud",
              "MLflowIntegration": "mlflow", "PyTorchLightningIntegration": "lightning"}
"""Names of other modules, each imported when it is asked for: it may import its framework."""

__all__ = ["AccelerateIntegration", "CloudProviderIntegration", "DockerIntegration", "KubernetesIntegration",
           "MLflowIntegration", "PyTorchLightningIntegration", "SLURMIntegration"]

SYSFS = "/sys"
"""Where sysfs is mounted."""

_HIERARCHIES = ("cpuacct", "cpu,cpuacct", "cpuacct,cpu", "")
"""Where CPU time is counted below the mount point of control groups: the first that there is."""

_FOLDERS = ("docker", "libpod_parent", "default", "k8s.io", "machine.slice", "system.slice", "kubepods*", "kubepods*/*", "kubepods*/*/*",
            "kubelet*/kubepods*", "kubelet*/kubepods*/*", "kubelet*/kubepods*/*/*")
"""Folders in which root alone makes control groups: a user may make any name below an own one."""


def __getattr__(name: str) -> Any:
    if name not in _ELSEWHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_ELSEWHERE[name]}", __package__), name)


def _labels(prefixes: tuple) -> Dict[str, str]:
    with eco2.Meter.apart(log=False) as meter:
        labels = meter.report_object().run.labels.to_dict() if eco2.available() else {}
    return {name: value for name, value in labels.items() if name.startswith(prefixes)}


class SLURMIntegration:
    """Jobs of SLURM on this node.

        from hf_eco2ai import SLURMIntegration

        with SLURMIntegration.monitor_slurm_job() as job:
            train()  # the training
            print(job.energy().joules)
    """

    @staticmethod
    def monitor_slurm_job(job_id: Any = None, *, folder: Optional[str] = None) -> Monitored:
        """The job that the prolog of `deploy/slurm` began, with all its processes on this node. Without that prolog, begins a job for this
        process and everything that it starts from now on, if it is a process of the job.

        Args:
            job_id: the job's number [default: `SLURM_JOB_ID`].
            folder: the agent's folder [default: `ECO2_AGENT`, else `/run/eco2`].

        Raises:
            CarbonTrackingError: there is no agent, or it has no such job.
        """
        own, host = os.environ.get("SLURM_JOB_ID"), os.environ.get("SLURMD_NODENAME")
        wanted = str(job_id or own or "")
        if not wanted:
            raise CarbonTrackingError("SLURM_JOB_ID is not set: give job_id")
        node = RealTimeCarbonDashboard(folder=folder)
        # Several nodes on one machine have one agent.
        for job in sorted(running("job", node), key=lambda job: job.id != f"{wanted}@{host}"):
            if job.id in (wanted, f"{wanted}@{host}"):
                return job
        if wanted != own:
            raise CarbonTrackingError(f"the agent of this node has no job {wanted} that you may see: set up the prolog of deploy/slurm")
        labels = {name: os.environ.get(f"SLURM_JOB_{name.upper()}", "") for name in ("account", "partition")}
        return begun(wanted, [f"--pid={os.getpid()}"], labels, node)

    @staticmethod
    def labels() -> Dict[str, str]:
        """The labels that a run in this process's job gets, such as `slurm.job_id`."""
        return _labels(("slurm.",))


class KubernetesIntegration:
    """Pods of this node, as `eco2 serve --by pod` counts them.

        from hf_eco2ai import KubernetesIntegration

        pod = KubernetesIntegration.monitor_training_job("ml/train-0")
        print(pod.energy().joules)
    """

    @staticmethod
    def monitor_training_job(name: str = "", *, folder: Optional[str] = None, url: Optional[str] = None,
                             token_file: Optional[str] = None) -> Monitored:
        """A pod, since the agent counts it.

        Args:
            name: `NAMESPACE/NAME`, the name alone or the UID [default: this process's own pod, by the downward API: `POD_NAMESPACE`,
                `POD_NAME`, else `HOSTNAME`].
            folder, url, token_file: the agent, as of `RealTimeCarbonDashboard`. A process in a pod needs `url` and `token_file`: at the
                agent's socket it sees no pods.

        Raises:
            CarbonTrackingError: there is no agent, or it has no such pod, or several.
        """
        space, own = os.environ.get("POD_NAMESPACE"), os.environ.get("POD_NAME") or os.environ.get("HOSTNAME", "")
        wanted = name or (f"{space}/{own}" if space else own)
        pods = running("pod", RealTimeCarbonDashboard(folder=folder, url=url, token_file=token_file))
        return _only([pod for pod in pods if wanted in (pod.name, pod.name.rpartition("/")[2], pod.id[len("pod:"):])], "pod", wanted)

    @staticmethod
    def labels() -> Dict[str, str]:
        """The labels that a run in this process's pod gets, such as `k8s.pod.name`."""
        return _labels(("k8s.", "container."))


class DockerIntegration:
    """Containers of Docker, Podman, containerd and CRI-O on this machine, for root and the group `eco2`.

        import time
        from hf_eco2ai import DockerIntegration

        with DockerIntegration.monitor_container("0123456789ab") as container:
            time.sleep(60)
        print(container.energy().joules)
    """

    @staticmethod
    def monitor_container(name: str, *, folder: Optional[str] = None, sysfs: Optional[str] = None) -> Monitored:
        """Begins a job on the container's control group: what all its processes use from now on. It ends by `end`, or with the container.

        Args:
            name: the container's id (12 digits or more, `docker inspect -f '{{.Id}}' NAME`), or a name that `containers` lists.
            folder: the agent's folder [default: `ECO2_AGENT`, else `/run/eco2`].
            sysfs: where sysfs is mounted [default: `/sys`].

        Raises:
            CarbonTrackingError: there is no agent, no such container, or several; or this user may not begin the job.
        """
        node, digits = RealTimeCarbonDashboard(folder=folder), name
        if not re.fullmatch(r"[0-9a-f]{12,64}", name):
            counted = [container for container in running("container", node) if container.name == name]
            digits = _only(counted, "container", name).id[len("container:"):]
        return begun(f"container-{digits[:12]}", [f"--cgroup=/{_group(digits, sysfs or SYSFS)}"], {"container": name}, node)

    @staticmethod
    def containers(*, folder: Optional[str] = None, url: Optional[str] = None, token_file: Optional[str] = None) -> List[Monitored]:
        """The containers that `eco2 serve --by container` counts, each since the agent counts it; their names are their host names."""
        return running("container", RealTimeCarbonDashboard(folder=folder, url=url, token_file=token_file))


def _only(found: List[Monitored], kind: str, name: str) -> Monitored:
    if len(found) == 1:
        return found[0]
    if found:
        raise CarbonTrackingError(f"{len(found)} of the {kind}s have the name {name}: give one of {', '.join(one.id for one in found)}")
    raise CarbonTrackingError(f"the agent counts no {kind} {name!r} that you may see: start it with eco2 serve --by {kind}, as root or in "
                              "the group eco2, or with its token")


def _group(digits: str, sysfs: str) -> Path:
    """The control group of the container whose id begins so, below the mount point."""
    mount = Path(sysfs, "fs/cgroup")
    root = next(folder for folder in (mount / name for name in _HIERARCHIES) if folder.is_dir() or folder == mount)
    # systemd writes `-` within a part of a name as `\x2d`; conmon watches a container and is none.
    form = re.compile(rf"(?:(?!.*conmon)[\w\\-]+(?:-|\\x2d))?{digits}[0-9a-f]{{{64 - len(digits)}}}(?:\.scope)?")
    named = [path.relative_to(root) for places in _FOLDERS for path in root.glob(f"{places}/*{digits}*") if form.fullmatch(path.name)]
    # What is within a container is a part of it.
    groups = [path for path in named if not re.search("[0-9a-f]{64}", str(path.parent))]
    if len(groups) == 1:
        return groups[0]
    if groups:
        raise CarbonTrackingError(f"{len(groups)} containers have an id that begins with {digits}: give more of its digits")
    raise CarbonTrackingError(f"no container {digits} in {root}: give the id of one that runs on this machine")
