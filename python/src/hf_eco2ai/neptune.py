"""NeptuneExporter: figures at log time and the report as a file in a Neptune run; offline with `NEPTUNE_MODE=offline`."""

from __future__ import annotations

import json
from typing import Any, Dict

ARTIFACT = "carbon_report"
"""The report's name in the run; Neptune adds the ending."""


class NeptuneExporter:
    """Logs to a Neptune run of its own, or to that of `NEPTUNE_CUSTOM_RUN_ID`. The client reads `NEPTUNE_PROJECT`,
    `NEPTUNE_API_TOKEN` and `NEPTUNE_MODE` itself.

    A copy (pickle, deepcopy) ends no run of the original's and logs nothing.

    Raises:
        ImportError: neptune is not installed.
    """

    def __init__(self, config: Any = None) -> None:
        import neptune

        # The energy of the machine is measured by eco2: Neptune's own monitoring of hardware and output stays off.
        self._run: Any = neptune.init_run(
            name=getattr(config, "experiment_name", None), capture_hardware_metrics=False, capture_stdout=False,
            capture_stderr=False, capture_traceback=False)

    def log_metrics(self, figures: Dict[str, float], step: int) -> None:
        """Figures at a step."""
        for name, value in figures.items() if self._run is not None else ():
            self._run[name].append(float(value), step=step)

    def log_report(self, report: Any) -> None:
        """The report as a file, the totals as values; ends the run."""
        if self._run is None:
            return
        from neptune.types import File

        run, self._run = self._run, None
        try:
            totals = {name: value for name, value in report.summary.items() if value is not None}
            run["carbon/summary"] = {name: value if isinstance(value, (int, float)) else str(value)
                                     for name, value in totals.items()}
            run[ARTIFACT].upload(File.from_content(json.dumps(json.loads(report.to_json()), indent=2), extension="json"))
        finally:
            run.stop()

    def __getstate__(self) -> Dict[str, Any]:
        return {**self.__dict__, "_run": None}
