"""ESGMetrics: electricity and Scope 2 emissions by month and site, as `eco2 report --format esg` computes them."""

from __future__ import annotations

import csv
import io
import os
from dataclasses import dataclass, fields
from typing import Any, Dict, List, Optional, Sequence, Union

from .commands import command_output
from .files import write_text


@dataclass(frozen=True)
class ESGMetrics:
    """A month of a site. None is not known. Scope 1 and Scope 3 are not measured. No standard's text was checked, and no law is
    claimed to be met.

    Attributes:
        month: `2026-01`, UTC.
        site: value of the label, else the grid zone.
        runs: number of runs in the month.
        electricity_kwh: with the facility's overhead, and its bounds.
        measured_percent: part of the energy from sensors.
        scope2_location_t: location-based tonnes CO2e, and their bounds.
        location_factor_g_per_kwh: mean factor, with its sources and years.
        scope2_market_t: market-based tonnes; None unless every run has a contract.
        market_instrument, market_factor_g_per_kwh: the contracts.
        runs_without_emissions, runs_without_contract: what the tonnes do not cover.
        mapping: whether the columns were compared with the standards: `not checked`.
    """

    month: str
    site: str
    runs: int
    electricity_kwh: Optional[float]
    electricity_low_kwh: Optional[float]
    electricity_high_kwh: Optional[float]
    measured_percent: Optional[float]
    scope2_location_t: Optional[float]
    scope2_location_low_t: Optional[float]
    scope2_location_high_t: Optional[float]
    location_factor_g_per_kwh: Optional[float]
    location_factor_source: str
    location_factor_year: str
    scope2_market_t: Optional[float]
    market_instrument: str
    market_factor_g_per_kwh: Optional[float]
    runs_without_emissions: int
    runs_without_contract: int
    mapping: str

    @classmethod
    def by_site(cls, runs: Sequence[Union[str, os.PathLike]] = (), label: str = "site") -> List[ESGMetrics]:
        """The months of these runs (report files, logs, IDs), or of all stored runs.

        Args:
            runs: as `eco2 report` takes them.
            label: the label that names the site; runs without it have their grid zone.

        Raises:
            APIError: a run cannot be read.
        """
        text = command_output(["report", *(os.fspath(run) for run in runs), "--by", label, "--format", "esg"])
        return [cls._of(row) for row in csv.DictReader(io.StringIO(text))]

    @classmethod
    def _of(cls, row: dict) -> ESGMetrics:
        # A column is named `electricity_kwh (ESRS E1-5, GRI 302-1)`.
        cells = {name.split(" (")[0]: text for name, text in row.items()}
        values: Dict[str, Any] = {}
        for one in fields(cls):
            text, kind = cells[one.name], str(one.type)
            values[one.name] = text if kind == "str" else int(text) if kind == "int" else float(text) if text else None
        return cls(**values)


def write_esg_csv(path: str, runs: Sequence[Union[str, os.PathLike]] = (), label: str = "site") -> str:
    """Writes the table as `eco2 report --format esg` prints it, and returns the path. Raises as `ESGMetrics.by_site`."""
    return write_text(path, command_output(["report", *(os.fspath(run) for run in runs), "--by", label, "--format", "esg"]))
