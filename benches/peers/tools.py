"""The tools of the arena behind one interface: open, a run or spans in it, and the joules of each by component.

Each is used as in its documentation, with its defaults unless a comment names an option. Imports are inside the classes,
because each tool has a separate environment.
"""

from __future__ import annotations

import logging
import warnings
from functools import partial
from typing import Dict, Optional

JOULES_PER_KWH = 3_600_000.0
Reading = Dict[str, Optional[float]]


class Eco2:
    """eco2 from its wheel: a run is a meter's life, a span is begin and end on it."""

    def __init__(self, **options: object) -> None:
        import eco2

        self._open, self._options, self._meter, self._spans = eco2.Meter, options, None, {}

    def warm(self) -> None:
        """Nothing is to be done before a run."""

    def run_begin(self) -> None:
        """Opens the meter."""
        self._meter = self._open(zone="DE", **self._options)

    def run_end(self) -> Reading:
        """Closes it; joules of the run, with bounds of the total."""
        self._meter.close()
        self.report = self._meter.report_object()
        uj = {device.id: device.energy_uj for device in self.report.devices if not device.overlaps}
        return self._reading(uj, self.report.energy.low_uj, self.report.energy.high_uj)

    def prepare(self) -> None:
        """Makes ready for spans."""
        self.run_begin()

    def stepper(self):  # type: ignore[no-untyped-def]
        """The one call a step, bound before the loop."""
        return self._meter.stepper()

    def begin(self, name: str) -> None:
        """Begins a span."""
        self._meter.begin(name)

    def end(self, name: str) -> None:
        """Ends it; its energy is known at `finish`."""
        self._meter.end(name)

    def finish(self) -> Dict[str, Reading]:
        """Joules of every span by its name."""
        self.run_end()
        return {span.name: self._reading(span.by_device, span.low_uj, span.high_uj) for span in self.report.spans}

    def _reading(self, by_device, low_uj, high_uj) -> Reading:  # type: ignore[no-untyped-def]
        components = {device.id: device.component for device in self.report.devices}
        joules = {kind: sum(by_device[id_] for id_ in by_device if components[id_] == kind) / 1e6 for kind in ("cpu", "gpu")}
        return {**joules, "low": low_uj / 1e6, "high": None if high_uj is None else high_uj / 1e6}


class CodeCarbon:
    """CodeCarbon's offline tracker: a run is start and stop, a span is a task. Its memory estimate is left out."""

    def __init__(self, **options: object) -> None:
        from codecarbon import OfflineEmissionsTracker

        self._readings: Dict[str, Reading] = {}
        self._new = partial(OfflineEmissionsTracker, country_iso_code="DEU", save_to_file=False, log_level="critical")
        self._tracker = self._new(**options)

    def warm(self) -> None:
        """Looks for the hardware with another tracker, which takes seconds; what it found is kept in the process."""
        first = self._new()
        first.start_task("first")
        first.stop_task()

    def run_begin(self) -> None:
        """Starts the tracker."""
        self._tracker.start()

    def run_end(self) -> Reading:
        """Stops it; joules of the run."""
        self._tracker.stop()
        return self._reading(self._tracker.final_emissions_data)

    def prepare(self) -> None:
        """Looks for the hardware, which the first task would do."""
        self.warm()

    def begin(self, name: str) -> None:
        """Begins a task."""
        self._tracker.start_task(name)

    def end(self, name: str) -> None:
        """Ends it."""
        self._readings[name] = self._reading(self._tracker.stop_task())

    def finish(self) -> Dict[str, Reading]:
        """Joules of every task by its name."""
        self._tracker.stop()
        return self._readings

    @staticmethod
    def _reading(data) -> Reading:  # type: ignore[no-untyped-def]
        return {"cpu": data.cpu_energy * JOULES_PER_KWH, "gpu": data.gpu_energy * JOULES_PER_KWH}


class Zeus:
    """Zeus' monitor: both a run and a span are a window, without synchronising a framework, of which there is none."""

    def __init__(self, **options: object) -> None:
        logging.disable(logging.CRITICAL)
        warnings.simplefilter("ignore")
        from zeus.monitor import ZeusMonitor

        self._readings: Dict[str, Reading] = {}
        self._monitor = ZeusMonitor(**options)

    def warm(self) -> None:
        """Starts the process that watches for wraps, which the first window would do."""
        self.begin("first")
        self.end("first")

    def run_begin(self) -> None:
        """Begins a window."""
        self.begin("run")

    def run_end(self) -> Reading:
        """Ends it."""
        self.end("run")
        return self._readings["run"]

    def prepare(self) -> None:
        """As for a run."""
        self.warm()

    def begin(self, name: str) -> None:
        """Begins a window."""
        self._monitor.begin_window(name, sync_execution=False)

    def end(self, name: str) -> None:
        """Ends it."""
        data = self._monitor.end_window(name, sync_execution=False)
        self._readings[name] = {"cpu": sum((data.cpu_energy or {}).values()), "gpu": sum(data.gpu_energy.values())}

    def finish(self) -> Dict[str, Reading]:
        """Joules of every window by its name."""
        return self._readings


TOOLS = {"eco2": Eco2, "codecarbon": CodeCarbon, "zeus": Zeus}
