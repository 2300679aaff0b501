"""SLURM, Kubernetes and containers, under the names of HF Eco2AI. The library finds the job's names and labels the run with
them."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Dict

import eco2

_ELSEWHERE = {"AccelerateIntegration": "accelerate", "CloudProviderIntegration": "cloud",
              "MLflowIntegration": "mlflow", "PyTorchLightningIntegration": "lightning"}
"""Names of other modules, each imported when it is asked for: it may import its framework."""

__all__ = ["AccelerateIntegration", "CloudProviderIntegration", "DockerIntegration", "KubernetesIntegration",
           "MLflowIntegration", "PyTorchLightningIntegration", "SLURMIntegration"]


def __getattr__(name: str) -> Any:
    if name not in _ELSEWHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_ELSEWHERE[name]}", __package__), name)


def _labels(prefixes: tuple) -> Dict[str, str]:
    with eco2.Meter.apart(log=False) as meter:
        labels = meter.report_object().run.labels.to_dict() if eco2.available() else {}
    return {name: value for name, value in labels.items() if name.startswith(prefixes)}


class SLURMIntegration:
    """SLURM: the labels that a run in this job gets."""

    @staticmethod
    def monitor_slurm_job(job_id: Any = None) -> Dict[str, str]:
        """Returns the labels of this process's job. Raises eco2.NotBuilt for another job: measure inside it."""
        if job_id is not None and _labels(("slurm.",)).get("slurm.job_id") != str(job_id):
            raise eco2.NotBuilt("SLURMIntegration.monitor_slurm_job of another job")
        return _labels(("slurm.",))


class KubernetesIntegration:
    """Kubernetes: the labels that a run in this pod gets."""

    @staticmethod
    def monitor_training_job(name: str = "") -> Dict[str, str]:
        """Returns the labels of this process's pod."""
        return _labels(("k8s.", "container."))


class DockerIntegration:
    """Containers: measure inside one, or use `eco2 run --pid`. The power of another container is never estimated."""

    @staticmethod
    def monitor_container(name: str) -> Dict[str, str]:
        """Raises eco2.NotBuilt."""
        raise eco2.NotBuilt("DockerIntegration.monitor_container")
