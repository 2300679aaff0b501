"""Energy of a job, a container or a pod of a machine, as its node agent (`eco2 serve`) counts it: `Monitored`, `MonitoredEnergy`.
The commands `eco2 top --json` and `eco2 job` ask the agent."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, Dict, List, Optional

from .dashboard import RealTimeCarbonDashboard, answer
from .errors import CarbonTrackingError, ConfigurationError

JOULE_UJ = 1e6
SECOND_NS = 1e9
LEAST_CERTAIN_LAST = ("measured", "derived", "estimated", "synthetic")
"""Qualities of devices in the order of their certainty."""


@dataclass(frozen=True)
class MonitoredEnergy:
    """Energy with its range, joules.

    `joules` is None where none has been attributed: in the first second, where nothing is measured, where the driver does not list the
    users of a device, and of a container that rests. What it may have used is then between `low_joules` and `high_joules`.
    """

    joules: Optional[float] = None
    low_joules: float = 0.0
    high_joules: Optional[float] = None
    """None: no upper bound is known."""
    seconds: float = 0.0
    """Time in which the agent has counted it."""
    quality: str = "missing"
    """The least certain one among the machine's devices, whose energy is divided among their users."""
    is_running: bool = True


class Monitored:
    """A job, a container or a pod. As a context manager, it ends at the end of the block if it was begun here.

    `kind` is "job", "container" or "pod", `id` and `name` are those of the agent, `labels` those of its job.
    """

    def __init__(self, node: RealTimeCarbonDashboard, row: Dict[str, Any], *, is_own: bool = False) -> None:
        self._node, self._row, self._is_open = node, row, is_own
        self.kind, self.id, self.name = str(row["kind"]), str(row["id"]), str(row["name"])
        self.labels: Dict[str, str] = dict(row["labels"])

    def energy(self) -> MonitoredEnergy:
        """What it and everything within it have used since the agent counts it, which the agent sums up once a second.

        Raises:
            CarbonTrackingError: no agent answers.
        """
        values = self._node.get_live_metrics()
        # A key is never used again, unlike an id. A job that was just begun has none yet, and an id that no other job has.
        name = "key" if "key" in self._row else "id"
        rows = [row for row in (*values["consumers"], *values["past"]) if row[name] == self._row[name]]
        if rows:
            self._row = rows[0]
        is_running = (rows[0]["ended_wall_ns"] is None) if rows else name == "id"
        qualities = [device["quality"] for device in values["devices"] if device["is_summed"] and device["quality"] != "missing"]
        if "key" not in self._row or not qualities:
            return MonitoredEnergy(is_running=is_running)
        used, high = self._row["total_uj"], self._row["total_high_uj"]
        return MonitoredEnergy(
            joules=used / JOULE_UJ if used else None,
            low_joules=self._row["total_low_uj"] / JOULE_UJ,
            # Both are 0 only before the first sum.
            high_joules=high / JOULE_UJ if high else None,
            seconds=self._row["duration_ns"] / SECOND_NS,
            quality=max(qualities, key=LEAST_CERTAIN_LAST.index),
            is_running=is_running,
        )

    def end(self, steps: Optional[int] = None) -> MonitoredEnergy:
        """Ends a job that was begun here, with the steps that it did, waits for its last second, and gives its energy. Containers, pods and
        the scheduler's jobs go on.

        Raises:
            CarbonTrackingError: the job has been ended by another program, or no agent answers.
        """
        if self._is_open:
            self._is_open = False
            answer(["job", "end", self.id, "--wait", *([] if steps is None else [f"--steps={steps}"]), *self._node.place])
        return self.energy()

    def __enter__(self) -> Monitored:
        return self

    def __exit__(self, error: Any, *more: Any) -> None:
        try:
            self.end()
        except CarbonTrackingError:
            # The error of the block is the one to show.
            if error is None:
                raise


def begun(name: str, processes: List[str], labels: Dict[str, str], node: RealTimeCarbonDashboard) -> Monitored:
    """Begins a job on processes (`--pid=…` or `--cgroup=…`); its id is the name with a unique ending."""
    if "--url" in node.place:
        raise ConfigurationError("url: jobs are begun through the agent's socket on its machine; give folder, or nothing")
    job = f"{name}-{uuid.uuid4().hex[:12]}"
    labels = {key: value for key, value in labels.items() if value}
    more = [f"--label={key}={value}" for key, value in labels.items()]
    answer(["job", "begin", job, f"--name={name}", *processes, *more, *node.place])
    return Monitored(node, {"kind": "job", "id": job, "name": name, "labels": labels}, is_own=True)


def running(kind: str, node: RealTimeCarbonDashboard) -> List[Monitored]:
    """The consumers of a kind that go on and that the caller may see: root and the group `eco2` all, others their own jobs."""
    rows = node.get_live_metrics()["consumers"]
    return [Monitored(node, row) for row in rows if row["kind"] == kind and row["ended_wall_ns"] is None]
