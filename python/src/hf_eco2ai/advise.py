"""`hf-eco2ai optimize -p PROJECT --model-size SIZE --duration MIN --format text|json`, as in HF Eco2AI, from measured runs.

The advice is that of `eco2 optimize` on the newest run of the project. A size in words has no energy, so
`--model-size` changes no value. `--duration` gives the expected energy of a run of that length at that run's mean power.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Dict, Optional

import eco2

from .batch import calculate_carbon_impact_batch
from .errors import ConfigurationError
from .optimization import CarbonOptimizer

FLAGS = ("-p", "--project", "--model-size", "--duration", "--format")
"""Flags of HF Eco2AI. With one of them the command is this one, else that of eco2."""

SIZES = ("small", "medium", "large")
"""Values of `--model-size`."""

NEWEST = 20
"""Number of the newest runs that are read."""


def is_asked(arguments: list) -> bool:
    """Whether these arguments of `optimize` are HF Eco2AI's."""
    return any(word == flag or word.startswith(flag + "=") for word in arguments for flag in FLAGS)


def advise(parsed: Any) -> int:
    """Runs the command and returns its exit code: 1 if the project has no measured run."""
    found = answer(parsed.project, parsed.model_size, parsed.duration)
    print(json.dumps(found, indent=2, ensure_ascii=False) if parsed.format == "json" else text(found))
    return 0


def answer(project: str, model_size: str, minutes: float) -> Dict[str, Any]:
    """The advice on a project's newest run as plain data.

    Raises:
        ConfigurationError: the project has no measured run here, or the duration is not valid.
    """
    if not 0 < minutes < float("inf"):
        raise ConfigurationError("--duration is a number of minutes above 0")
    run = next((run for run in _runs() if run["run"]["labels"].get("project") == project), None)
    if run is None:
        raise ConfigurationError(f"project {project!r} has no measured run here: train once with Eco2AICallback(project_name={project!r}), "
                                 f"or name a run: hf-eco2ai optimize RUN")
    optimizer = CarbonOptimizer()
    advice = [one.to_dict() for one in optimizer.analyze_training(run)]
    return {"project": project, "run": run["run"]["id"], "model_size": model_size, "duration_minutes": minutes,
            "recommendations": advice, "nothing_said_of": optimizer.counsel.get("silences", []), "expected": _expected(run, minutes)}


def _expected(run: Mapping, minutes: float) -> Dict[str, Optional[float]]:
    """Energy and carbon of `minutes` at the run's mean power and last intensity, before PUE."""
    from .report import rendered

    current = rendered(dict(run))["current"]
    watts = current.get("power_watts")
    if watts is None:
        return {"power_watts": None, "energy_kwh": None, "co2_kg": None}
    impact = calculate_carbon_impact_batch([watts], minutes * 60, current.get("grid_intensity"))
    return {"power_watts": watts, **{name: impact[name][0] for name in ("energy_kwh", "co2_kg")}}


def _runs() -> Iterator[Dict[str, Any]]:
    """Measured runs: the report in this folder, then the newest of the folder of runs."""
    here = Path("carbon_report.json")
    if here.is_file():
        try:
            inner = json.loads(here.read_text(encoding="utf-8")).get("eco2")
        except (ValueError, AttributeError):
            inner = None
        if isinstance(inner, dict):
            yield inner
    logs = sorted(_folder().glob("*.eco2log"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in logs[:NEWEST]:
        done = eco2.run_cli(["report", str(path), "--json"], capture_output=True, text=True)
        if done.returncode == 0:
            yield json.loads(done.stdout)


def _folder() -> Path:
    state = os.environ.get("ECO2_STATE_DIR")
    if not state:
        state = os.path.join(os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state"), "eco2")
    return Path(state, "runs")


def text(found: Mapping) -> str:
    """The answer for people."""
    lines = [f"Project {found['project']}, run {found['run']}"]
    for one in found["recommendations"]:
        lines += [f"- {one['title']}", f"  {one['description']}", f"  try: {one['command']}"]
    if not found["recommendations"]:
        lines.append("No suggestions.")
    expected = found["expected"]
    if expected["energy_kwh"] is not None:
        co2 = "carbon not known" if expected["co2_kg"] is None else f"{expected['co2_kg']:.3g} kg CO2e"
        lines.append(f"{found['duration_minutes']:g} min at this run's mean power of {expected['power_watts']:.4g} W: "
                     f"{expected['energy_kwh']:.3g} kWh, {co2}")
    lines.append(f"--model-size {found['model_size']} has no effect: energy is measured, not derived from a size in words.")
    return "\n".join(lines)

