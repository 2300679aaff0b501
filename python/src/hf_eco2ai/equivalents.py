"""calculate_carbon_equivalents: kilometres driven, trees and coal with the same emissions, by the cited factors of `eco2`."""

from __future__ import annotations

import json
import os
import tempfile
from typing import Any, Dict

import eco2

from .errors import APIError, ConfigurationError

NAMES = {"equivalent_km_driven": "km in", "equivalent_trees_needed": "urban tree", "equivalent_coal_burned_kg": "kg of coal"}
"""Names of HF Eco2AI, and how the set begins each."""


def calculate_carbon_equivalents(co2_kg: float) -> Dict[str, Any]:
    """Everyday equivalents of an amount of emissions: `equivalent_km_driven`, `equivalent_trees_needed`, `equivalent_coal_burned_kg`, and `source`.

    Args:
        co2_kg: kilograms CO2e, 0 or more.

    Raises:
        ConfigurationError: a value that is not finite or below 0.
        APIError: the command failed.
    """
    if not 0 <= co2_kg < float("inf"):
        raise ConfigurationError("co2_kg is a finite number of kilograms, 0 or more")
    found = _asked(co2_kg * 1e3)
    figures = {name: next(one["amount"] for one in found if one["what"].startswith(what)) for name, what in NAMES.items()}
    return {**figures, "source": found[0]["source"]}


def _asked(grams: float) -> list:
    """The set for these grams, computed by the command from a report that holds nothing but them."""
    demo = eco2.run_cli(["demo", "--json"], capture_output=True, text=True, check=False)
    if demo.returncode:
        raise APIError(demo.stderr.strip())
    report = json.loads(demo.stdout)
    report["carbon"].update(grams=grams, low=grams, high=grams, segments=[])
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "grams.json")
        with open(path, "w", encoding="utf-8") as out:
            json.dump(report, out)
        done = eco2.run_cli(["report", path, "--equivalents", "--json"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise APIError(done.stderr.strip())
    return json.loads(done.stdout)["carbon"]["beside"]["equivalents"]
