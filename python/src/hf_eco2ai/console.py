"""Lines that are shown while training, through `logging`; on standard error if logging is not set up."""

from __future__ import annotations

import logging
import sys
from typing import Any, Dict

OUT = logging.getLogger("hf_eco2ai.console")


class Console:
    """Logs a run's values where `log_to_console` is set and `console_log_level` allows it."""

    def __init__(self, config: Any) -> None:
        self.config = config

    def line(self, figures: Dict[str, Any], state: Any) -> None:
        """Logs one line with the values so far."""
        now, step = figures["current"], getattr(state, "global_step", 0)
        marks = "".join(f", {mark}" for mark in ("estimated", "synthetic") if figures["origin"].get(mark))
        self._log(f"step {step}: {_shown(now.get('energy_kwh'), 'kWh')}, {_shown(now.get('co2_kg'), 'kg CO2e')}, "
                  f"{_shown(now.get('samples_per_kwh'), 'samples/kWh')}{marks}")

    def report(self, report: Any) -> None:
        """Logs the summary of a finished run."""
        self._log(report.summary())

    def _log(self, text: str) -> None:
        if not self.config.log_to_console:
            return
        if not OUT.handlers and not logging.getLogger().handlers:
            handler = logging.StreamHandler(sys.stderr)
            handler.setFormatter(logging.Formatter("[eco2] %(message)s"))
            OUT.addHandler(handler)
        OUT.setLevel(logging.DEBUG)
        if logging.INFO >= getattr(logging, self.config.console_log_level):
            OUT.info("%s", text)


def _shown(value: Any, unit: str) -> str:
    return f"{unit} not known" if value is None else f"{value:.4g} {unit}"
