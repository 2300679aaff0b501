"""Anomalies of a run (stalled steps, hot or lost GPUs) and budget events, passed on to functions and to the log.

    callback = Eco2AICallback(zone="DE", carbon_alerts=True)
    add_anomaly_callback(callback, lambda event: print(event["kind"], event["text"]))
    ...
    get_anomaly_report(callback)["anomalies"]

The library finds them. This module passes them on whenever a record is kept: when the Trainer logs, and when the run ends.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional
from urllib.parse import urlsplit

import eco2

from .errors import LOGGER, CarbonTrackingError, ConfigurationError, Faults

KINDS = ("stalled", "hot", "gpu-lost", "xid", "source-hung", "frozen")
"""Kinds of events that are anomalies."""

BUDGET = ("budget-warn", "budget-pause", "budget-stop")
"""Kinds of events of a budget, which are passed on too."""

RATES = ("co2-rate", "energy-rate", "cost-rate")
"""Kinds of events of a limit per hour: `max_co2_per_hour`, `max_energy_per_hour`, `max_cost_per_hour`."""

_FORMS = ((re.compile(r"(^|\.)hooks\.slack(-gov)?\.com$"), "slack"), (re.compile(r"(^|\.)discord(app)?\.com$"), "discord"),
          (re.compile(r"(^|\.)(webhook\.office|logic\.azure)\.com$"), "teams"))


def webhook_form(address: str) -> str:
    """Message format for a webhook's address: `slack`, `discord`, `teams`, or `json` for any other."""
    host = urlsplit(address).hostname or ""
    return next((form for pattern, form in _FORMS if pattern.search(host)), "json")


class Alerts:
    """The functions that get a run's alerts, and the alerts that they got already.

    Attributes:
        listeners: functions that get each event: a dict with `kind`, `device`, `text`, as in the report's `events`.
    """

    def __init__(self, config: Any, faults: Faults) -> None:
        self.listeners: List[Callable[[Dict[str, Any]], Any]] = []
        self.faults, self._logs = faults, config.carbon_alerts
        self._has_rates = any((config.max_co2_per_hour, config.max_energy_per_hour, config.max_cost_per_hour))
        self.begin()

    def __getstate__(self) -> Dict[str, Any]:
        # Functions that listen belong to this process.
        return {**self.__dict__, "listeners": []}

    def begin(self) -> None:
        """Starts a run, of which no alert was passed on yet."""
        self._sent: set = set()

    def look(self, report: Callable[[], Optional[Mapping]]) -> None:
        """Passes on each alert that is new.

        Args:
            report: gives the whole report; called only where a listener, `carbon_alerts` or a limit per hour needs it.
        """
        if self._logs or self.listeners or self._has_rates:
            for event in ((report() or {}).get("events") or ()):
                if event["kind"] in (*KINDS, *BUDGET, *RATES):
                    self._notify(event)

    def _notify(self, event: Dict[str, Any]) -> None:
        known = (event["kind"], event.get("device"), json.dumps(event.get("at"), default=str))
        if known in self._sent:
            return
        self._sent.add(known)
        if self._logs or event["kind"] in RATES:
            LOGGER.warning("alert: %s%s: %s", event["kind"], f" {event['device']}" if event.get("device") else "", event.get("text"))
        for listener in self.listeners:
            try:
                listener(dict(event))
            except Exception as error:
                self.faults.add("anomaly callback", error)


def add_anomaly_callback(run: Any, function: Callable[[Dict[str, Any]], Any]) -> None:
    """Calls `function` with each later anomaly and budget event of a run, once each, on the thread that trains.

    Args:
        run: a callback, a tracker, or what `track_training` gives.
        function: gets a dict with `kind`, `device`, `text`; its exceptions are counted and logged, and end nothing.

    Raises:
        CarbonTrackingError: `run` is none of these.
    """
    session = getattr(run, "session", None)
    if session is None or not hasattr(session, "alerts"):
        raise CarbonTrackingError(f"{type(run).__name__} has no run to listen to; give a callback, a tracker or track_training's run")
    session.alerts.listeners.append(function)


def get_anomaly_report(run: Any) -> Dict[str, Any]:
    """Returns the anomalies of a run that goes on or has finished.

    Args:
        run: a callback, a tracker, a CarbonReport, a report of schema eco2.report/1 as plain data, or the file of either.

    Returns:
        `anomalies` (events: `kind`, `device`, `text`, `at`), `by_kind` (the number of each), `spells` (how long steps stalled
        and GPUs were idle, hot or limited, with the energy used in that time), `known` (False: nothing was measured).

    Raises:
        ConfigurationError: it contains no run.
    """
    data = _report(run)
    events = [event for event in (data or {}).get("events") or () if event["kind"] in KINDS]
    kinds: Dict[str, int] = {}
    for event in events:
        kinds[event["kind"]] = kinds.get(event["kind"], 0) + 1
    return {"known": data is not None, "anomalies": events, "by_kind": kinds, "spells": list((data or {}).get("spells") or ())}


def _report(run: Any) -> Optional[Mapping]:
    if isinstance(run, (str, os.PathLike)):
        from .report import CarbonReport

        return CarbonReport.from_json(Path(run)).eco2
    if hasattr(run, "session"):
        return run.session.report().eco2
    if isinstance(run, Mapping) and str(run.get("schema", "")).startswith("eco2.report/"):
        return run
    if isinstance(run, eco2.Report):
        return run.to_dict()
    if hasattr(run, "eco2"):
        return run.eco2
    raise ConfigurationError(f"a {type(run).__name__} contains no run")
