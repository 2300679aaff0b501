"""Zones and plans by the library: JSON in and out, as the commands `eco2 grid` and `eco2 plan` print it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import partial

from . import _constants as c
from ._handles import encoded, text_of
from ._load import library
from .errors import Error


def zone(name: str) -> dict:
    """Returns the carbon intensity of electricity in a zone, from the yearly table: `g_per_kwh`, `kind`, `year`, `source`,
    `mix` and so on.

    Args:
        name: code, name or alias: "DE", "Germany", "US-CA", "aws:us-east-1".

    Raises:
        Error: ECO2_ERR_ARGUMENT for an unknown zone; the message suggests similar names.
    """
    return json.loads(text_of(library(), partial(library().zone, encoded(name, "name"))))


def plan(series: str | os.PathLike | Mapping, duration: float | None = None, within: float | None = None,
         **more: object) -> dict:
    """Finds the time, place and number of workers with the lowest emissions: `start`, `slots`, `grams`, `grams_now`,
    `saving_percent` and so on.

    Args:
        series: intensities over time: a CSV or JSON file, or a mapping of schema `eco2.series/1`. There is no default.
        duration: hours that the job runs.
        within: hours from the start to the deadline.
        more: the other flags of `eco2 plan`: `start`, `zone`, `interruptible`, `power` (watts), `pue`, `profile`,
            `whole_slots`, `start_cost`, `switch_cost`, `rank`, `transfer`, `jobs`, `machines`. None leaves one out.

    Raises:
        Error: ECO2_ERR_ARGUMENT for a request or file that cannot be used, with place and remedy.
    """
    given = {"series": series, "duration": duration, "within": within, **more}
    wanted = {name: _plain(value) for name, value in given.items() if value is not None}
    try:
        request = json.dumps(wanted)
    except (TypeError, ValueError) as error:
        raise Error(c.ECO2_ERR_ARGUMENT, f"request: {error}") from None
    return json.loads(text_of(library(), partial(library().plan, encoded(request, "request"))))


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    return os.fspath(value) if isinstance(value, os.PathLike) else value
