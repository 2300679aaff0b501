"""One measured training run: the meter, what was recorded of it, and its report. What every callback here stands on."""

from __future__ import annotations

import datetime
import json
import time
from typing import Any, Dict, List, Optional

import eco2

from .errors import warn_once
from .meter_options import opened
from .models import NOTHING, CarbonMetrics, Figures
from .report import CarbonReport

RECORDS = 4096
"""Most records that are kept; when there are more, every second one is left out. Sums do not suffer: see CarbonMetrics."""


class Session:
    """A run by the options of a CarbonConfig.

    Raises:
        eco2.Error: on `start`, if the meter cannot be opened.
    """

    def __init__(self, config: Any) -> None:
        self.config = config
        self.meter: Optional[eco2.Meter] = None
        self.records: List[CarbonMetrics] = []
        self.metadata: Dict[str, Any] = {}
        self._every, self._seen = 1, 0

    @property
    def going(self) -> bool:
        """Whether a meter of this process is open."""
        return self.meter is not None and not self.meter.closed and not self.meter.forked

    def start(self, total_steps: Optional[int] = None) -> None:
        """Opens the meter, unless it is open; with the number of steps to come its end is forecast."""
        if not self.going:
            # Where none can be opened, what is left of the run before must not stand for this one.
            self.meter, self.records, self._every, self._seen = None, [], 1, 0
            self.meter = opened(self.config, total_steps)

    def stop(self) -> None:
        """Closes the meter; it can still be read. A file that the library could not write is warned of."""
        try:
            if self.meter is not None:
                self.meter.close()
        except eco2.Error as error:
            warn_once(f"close:{error.code}", f"{error}; the figures are there all the same")

    def rank(self) -> int:
        """This process's number among those of the run, as its launcher says; 0 where there is one only."""
        try:
            return json.loads(self.meter.report("json"))["run"].get("rank") or 0 if self.meter is not None else 0
        except eco2.Error:
            return 0

    def figures(self) -> Figures:
        """The run's figures now, as the library gives them; empty where there is none. Costs what a report costs."""
        if self.meter is None:
            return Figures(NOTHING)
        try:
            return Figures(json.loads(self.meter.report("hf.json")))
        except eco2.Error as error:
            warn_once(f"figures:{error.code}", f"no figures: {error}")
            return Figures(NOTHING)

    def record(self, step: int, epoch: Optional[float] = None, **context: Any) -> Figures:
        """Keeps a record and returns the figures that stand in it."""
        figures = self.figures()
        self._seen += 1
        if self._seen % self._every == 0:
            self.records.append(record_of(figures, step, epoch, context, chosen(figures["gpu_metrics"], self.config)))
        if len(self.records) > RECORDS:
            self.records, self._every = self.records[1::2], self._every * 2
        return figures

    def report(self) -> CarbonReport:
        """The report until now; one that says that nothing was measured, where that is so."""
        whole, text = None, "nothing was measured: see the log"
        try:
            if self.meter is not None:
                whole, text = json.loads(self.meter.report("json")), self.meter.report("text")
        except eco2.Error as error:
            warn_once(f"report:{error.code}", f"no report: {error}")
        return CarbonReport(self.figures(), whole, self.records, self.config, dict(self.metadata), text)


def chosen(gpu_metrics: Dict[str, Any], config: Any) -> Dict[str, Any]:
    """The figures by GPU that records show: none with `aggregate_gpus` alone, else those that `gpu_ids` names."""
    if config.aggregate_gpus and not config.per_gpu_metrics:
        return {}
    found = list(gpu_metrics.get("name", {}))
    wanted = found if config.gpu_ids == "auto" else [found[index] for index in config.gpu_ids if index < len(found)]
    return {name: {gpu: value for gpu, value in by.items() if gpu in wanted} for name, by in gpu_metrics.items()}


def record_of(figures: Figures, step: int, epoch: Optional[float], context: Dict[str, Any],
              shown: Dict[str, Any]) -> CarbonMetrics:
    """A record of figures; `shown` are those by GPU."""
    now, current, origin = time.time(), figures["current"], figures["origin"]
    return CarbonMetrics(
        timestamp=now, datetime=datetime.datetime.fromtimestamp(now, datetime.timezone.utc).isoformat(),
        step=step, epoch=epoch, energy_uj=current.get("energy_uj"), elapsed_ns=current.get("duration_ns") or 0,
        cumulative_energy_kwh=current.get("energy_kwh"), cumulative_co2_kg=current.get("co2_kg"),
        power_watts=current.get("power_watts"), grid_intensity=current.get("grid_intensity"),
        gpu_metrics=shown, samples_processed=current.get("samples_processed"),
        samples_per_kwh=current.get("samples_per_kwh"), tokens_processed=current.get("tokens_processed"),
        tokens_per_kwh=current.get("tokens_per_kwh"), duration_seconds=current.get("duration_seconds"),
        training_context=context, quality=origin.get("quality", {}),
        environment={"location": origin.get("zone"), "weather_impact": None, "renewable_percentage": None})
