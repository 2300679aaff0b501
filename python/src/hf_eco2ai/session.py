"""One measured training run: the meter, what was recorded of it, and its report. Every callback uses it."""

from __future__ import annotations

import datetime
import itertools
import json
import time
from typing import Any, Dict, List, NamedTuple, Optional

import eco2

from .alerts import Alerts
from .errors import LOGGER, Faults
from .meter_options import opened
from .models import NOTHING, CarbonMetrics, Figures
from .report import CarbonReport

RECORDS = 4096
"""Most records that are kept; when there are more, every second one is left out. Sums do not suffer: see CarbonMetrics."""

TEXTS = ("hf-json", "json", "text")
"""Formats of a report that a copy of a finished session keeps."""

LOGGED_ONCE = ("loss", "learning_rate")
"""What belongs to the record at whose time it was logged, and not to the last one."""

_NUMBERS = itertools.count(1)
"""Numbers of this process's runs."""


class Session:
    """A run by the options of a CarbonConfig.

    A copy (pickle, deepcopy) leaves the meter behind: of a run that is over it keeps the figures, else it has none.

    Args:
        config: the options.
        faults: where what goes wrong is counted.

    Attributes:
        meter: the run's meter; None before the first run, and where none could be opened.
        records: what was kept at log time.
        metadata: the report's metadata of the training.

    Raises:
        eco2.Error: on `start`, if the meter cannot be opened.
    """

    def __init__(self, config: Any, faults: Optional[Faults] = None) -> None:
        self.config, self.faults = config, faults or Faults()
        self.meter: Optional[eco2.Meter] = None
        self.metadata: Dict[str, Any] = {}
        self.number = 0
        self._kept: Dict[str, str] = {}
        self.alerts = Alerts(config, self.faults)
        self._reset()

    def _reset(self) -> None:
        self.records: List[CarbonMetrics] = []
        self._every, self._seen = 1, 0
        self._attempts: List[Attempt] = []
        self.alerts.begin()

    def _look_for_alerts(self) -> None:
        self.alerts.look(lambda: json.loads(self._text("json") or "{}"))

    def __getstate__(self) -> Dict[str, Any]:
        kept = self._kept
        if self.meter is not None and self.meter.closed and not self.meter.forked:
            kept = {name: text for name, text in ((name, self._text(name)) for name in TEXTS) if text is not None}
        return {**self.__dict__, "meter": None, "_kept": kept}

    @property
    def going(self) -> bool:
        """Whether a meter of this process is open."""
        return self.meter is not None and not self.meter.closed and not self.meter.forked

    def start(self, total_steps: Optional[int] = None, **about: Any) -> bool:
        """Opens the meter; while it is open, begins a further attempt of the same run.

        Args:
            total_steps: the number of steps to come: with it the end is forecast.
            about: what distinguishes this attempt, for the report.

        Returns:
            Whether a run began; False for a further attempt.
        """
        began = not self.going
        if began:
            # If none can be opened, what is left of the run before must not be taken for this one.
            self.meter, self._kept = None, {}
            self._reset()
            self.number = next(_NUMBERS)
            self.meter = opened(self.config, total_steps, self.number)
        energy_uj, elapsed_ns = (0, 0) if began else self._until_now()
        self._attempts.append(Attempt(now_utc(), energy_uj, elapsed_ns, about))
        if not began:
            LOGGER.warning("training begins again before it has ended: this is attempt %d of one run", len(self._attempts))
        return began

    def _until_now(self) -> tuple:
        """Energy and time of the attempts so far; the energy since the last record becomes a record."""
        before = self.records[-1] if self.records else None
        current = self.record(before.step if before else 0, before.epoch if before else None)["current"]
        return current.get("energy_uj"), current.get("duration_ns") or 0

    def attempts(self, figures: Figures) -> List[Dict[str, Any]]:
        """The run's attempts with their shares of these figures; empty where it was begun once."""
        current = figures["current"]
        ends = [*((one.energy_uj, one.elapsed_ns) for one in self._attempts[1:]),
                (current.get("energy_uj"), current.get("duration_ns") or 0)]
        if len(ends) < 2:
            return []
        found = []
        for number, (one, (energy_uj, elapsed_ns)) in enumerate(zip(self._attempts, ends)):
            known = energy_uj is not None and one.energy_uj is not None
            found.append({"number": number, "started_at": one.started_at, "duration_ns": elapsed_ns - one.elapsed_ns,
                          "energy_uj": max(energy_uj - one.energy_uj, 0) if known else None,
                          "outcome": "restarted" if number + 1 < len(ends) else "last", **one.about})
        return found

    def stop(self) -> None:
        """Closes the meter; it can still be read. A file that the library could not write is a fault."""
        try:
            if self.meter is not None:
                self.meter.close()
        except eco2.Error as error:
            self.faults.add("close", error, f"{error}; the figures are there all the same")

    def rank(self) -> int:
        """This process's rank, as its launcher set it; 0 without a launcher."""
        try:
            return (self.meter.rank or 0) if self.meter is not None else 0
        except eco2.Error:
            return 0

    def _text(self, name: str) -> Optional[str]:
        """The report in a format; None where there is none."""
        if self.meter is None:
            return self._kept.get(name)
        try:
            return self.meter.report(name)
        except eco2.Error as error:
            self.faults.add("figures", error, f"no values: {error}")
            return None

    def figures(self) -> Figures:
        """The run's figures now, as the library gives them; empty where there is none. Costs what a report costs."""
        text = self._text("hf-json")
        return Figures(NOTHING if text is None else json.loads(text))

    def record(self, step: int, epoch: Optional[float] = None, **context: Any) -> Figures:
        """Keeps a record and returns the figures in it."""
        figures = self.figures()
        self._look_for_alerts()
        self._seen += 1
        if self._seen % self._every == 0:
            self._keep(figures, step, epoch, context)
        return figures

    def _keep(self, figures: Figures, step: int, epoch: Optional[float], context: Dict[str, Any]) -> None:
        if len(self.records) >= RECORDS:
            self.records, self._every = self.records[1::2], self._every * 2
        self.records.append(record_of(figures, step, epoch, context, chosen(figures["gpu_metrics"], self.config)))

    def finish(self, step: Optional[int] = None, epoch: Optional[float] = None) -> None:
        """Closes the meter, and keeps what was used since the last record as a last one: the records add up to the total."""
        self.stop()
        if self.meter is None:
            return
        figures, last = self.figures(), self.records[-1] if self.records else None
        self._look_for_alerts()
        if last is None or last.energy_uj != figures["current"].get("energy_uj") or step not in (None, last.step):
            last = last or CarbonMetrics()
            context = {name: value for name, value in last.training_context.items() if name not in LOGGED_ONCE}
            self._keep(figures, last.step if step is None else step, last.epoch if epoch is None else epoch, context)

    def report(self) -> CarbonReport:
        """The report until now; where nothing was measured, one without values and with the reason."""
        whole, text, figures = self._text("json"), self._text("text"), self.figures()
        metadata, attempts = dict(self.metadata), self.attempts(figures)
        if attempts:
            metadata["attempts"] = attempts
        if self.config.tracking_mode == "process" and whole is not None:
            metadata["process"] = share(json.loads(whole).get("attribution"))
        return CarbonReport(figures, None if whole is None else json.loads(whole), self.records, self.config, metadata,
                            text or "nothing was measured: see the log")


def share(attribution: Optional[Dict[str, Any]]) -> Dict[str, Any]:
    """This process's share of the machine's energy, with its bounds and how it was attributed; None is not known."""
    found = attribution or {}
    return {"energy_uj": found.get("command_uj"), **{name: found.get(name) for name in ("low_uj", "high_uj", "method")}}


class Attempt(NamedTuple):
    """A start of a training: when, the run's energy and time by then, and what is particular to it."""

    started_at: str
    energy_uj: Optional[int]
    elapsed_ns: int
    about: Dict[str, Any]


def now_utc() -> str:
    """The time now, RFC 3339 UTC."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def chosen(gpu_metrics: Dict[str, Any], config: Any) -> Dict[str, Any]:
    """The values by GPU that records show: none with `aggregate_gpus` alone. Only GPUs of `gpu_ids` are measured at all."""
    return {} if config.aggregate_gpus and not config.per_gpu_metrics else gpu_metrics


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
        environment={"location": origin.get("zone"), "weather_impact": None,
                     "renewable_percentage": figures.get("environmental_impact", {}).get("renewable_percentage")})
