"""CodeCarbon's classes over eco2: `from eco2.codecarbon import EmissionsTracker` in place of `from codecarbon import ...`.

`start`, `stop`, `flush`, tasks, `final_emissions` and emissions.csv are as in CodeCarbon 3.3. Three things differ. A value that is
not known is None and an empty cell, with one warning, where CodeCarbon has 0 or a guess. The place is never asked of the
network: without `country_iso_code`, or `zone` and the other options of `eco2.Meter`, which are keywords here too, it is the
world average. Faults of measuring are warnings, and the program goes on. docs/switching.md lists the keywords.
"""

from __future__ import annotations

import contextlib
import csv
import functools
import io
import itertools
import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from . import _log
from ._names import CODECARBON, WITHOUT
from .errors import Error
from .meter import Meter
from .spans import wrapped

__all__ = ["EmissionsData", "EmissionsTracker", "OfflineEmissionsTracker", "track_emissions"]

_SAME_MEANING = {"project_name": "name", "pue": "pue", "wue": "wue", "force_carbon_intensity_g_co2e_kwh": "intensity",
                 "force_cpu_power": "cpu_watts", "default_cpu_power": "cpu_watts"}
"""Keywords whose value is that of an option of `eco2.Meter`."""

_PLACE = ("country_iso_code", "country_2letter_iso_code", "region", "cloud_provider", "cloud_region")
_FILE = ("output_dir", "output_file", "save_to_file", "output_methods", "on_csv_write")

_NEEDLESS = ("measure_power_secs", "api_call_interval", "allow_multiple_runs", "force_mode_cpu_load", "rapl_include_dram",
             "rapl_prefer_psys", "logger_preamble", "offline")
"""Keywords without an effect that no program misses: sensors are read when a value needs it, each part is counted once."""

_TEXTS = frozenset("""timestamp project_name run_id experiment_id country_name country_iso_code region cloud_provider cloud_region
os python_version codecarbon_version cpu_model gpu_model tracking_mode on_cloud""".split())
"""Columns of emissions.csv that are text; the others are numbers."""

_NOT_OF_A_TASK = ("experiment_id", "pue", "wue")
"""Columns of emissions.csv that CodeCarbon's file of tasks does not have."""


class EmissionsData:
    """A row of emissions.csv by attribute: `emissions` in kg, `energy_consumed` in kWh, and so on; None is not known."""

    def __init__(self, row: Mapping[str, str]) -> None:
        for name, cell in row.items():
            setattr(self, name, cell if name in _TEXTS else float(cell) if cell else None)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"no column {name!r}; there are {', '.join(self.__dict__)}")

    @property
    def values(self) -> dict[str, Any]:
        """The columns, in their order."""
        return dict(self.__dict__)

    def toJSON(self) -> str:  # noqa: N802
        """The columns as JSON."""
        return json.dumps(self.__dict__, sort_keys=True, indent=4)

    def __repr__(self) -> str:
        return f"EmissionsData({', '.join(f'{name}={value!r}' for name, value in self.__dict__.items())})"


class EmissionsTracker:
    """Measures from `start` to `stop`, or in a `with` block.

    Args:
        project_name: the run's name.
        options: CodeCarbon's keywords and the options of `eco2.Meter`. A keyword without a counterpart is warned of.

    Attributes:
        final_emissions: kilograms CO2e of the run that was stopped; None before, and where they are not known.
        final_emissions_data: all values of that run.

    Raises:
        Error: ECO2_ERR_OPTIONS for an option that does not exist or cannot be used, from `start` on.
    """

    def __init__(self, project_name: str | None = None, **options: Any) -> None:
        given = {key: value for key, value in {"project_name": project_name, **options}.items() if value is not None}
        self._file = _Csv(given)
        self._experiment = str(given.get("experiment_name", "base"))
        self._options = _understood(given)
        self._meter: Meter | None = None
        self._task: tuple[str, Meter] | None = None
        self._tasks: dict[str, EmissionsData] = {}
        self.final_emissions: float | None = None
        self.final_emissions_data: EmissionsData | None = None

    def start(self) -> None:
        """Starts a run."""
        if self._meter is not None:
            return _warn("the tracker was started already")
        self._tasks, self._meter = {}, self._opened({})
        unknown = None if self._meter is None else _unknown_zone(self._meter)
        if unknown is not None:
            _warn(f"the grid zone {unknown!r} is not known, the world average is used; `eco2 grid` lists all zones")

    def stop(self) -> float | None:
        """Ends the run, writes its row into emissions.csv, and returns kilograms CO2e; None where they are not known."""
        if self._meter is None:
            _warn("the tracker was stopped already, or never started")
            return self.final_emissions
        if self._task is not None:
            self.stop_task()
        self._meter.stop()
        data = self.final_emissions_data = self._written(self._meter)
        self._meter = None
        self.final_emissions = None if data is None else _known(data)
        return self.final_emissions

    def flush(self) -> float | None:
        """Writes the row until now and returns kilograms CO2e; the run goes on."""
        if self._meter is None:
            return _warn("the tracker was not started")
        data = self._written(self._meter)
        return None if data is None else _known(data)

    def start_task(self, task_name: str | None = None) -> None:
        """Starts a task, and a run if there is none. A task is measured by a meter of its own."""
        if self._task is not None:
            return _warn(f"the task {self._task[0]!r} is still measured")
        if self._meter is None:
            self.start()
        wanted = task_name or f"task {len(self._tasks) + 1}"
        name = wanted if wanted not in self._tasks else f"{wanted} {len(self._tasks) + 1}"
        meter = self._opened({"log": False})
        if meter is not None:
            self._task = name, meter

    def stop_task(self, task_name: str | None = None) -> EmissionsData | None:
        """Ends the task and returns its values; None where there is no such task."""
        if self._task is None or task_name not in (None, self._task[0]):
            return _warn("there is no such task to stop")
        (name, meter), self._task = self._task, None
        meter.stop()
        data = _values(meter)
        if data is not None:
            self._tasks[name] = data
        return data

    def __enter__(self) -> EmissionsTracker:
        self.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.stop()

    def _opened(self, more: Mapping) -> Meter | None:
        try:
            return Meter.apart(self._options, **more)
        except Error as error:
            if error.name == "ECO2_ERR_OPTIONS":
                raise
            return _warn(f"nothing is measured: {error}")

    def _written(self, meter: Meter) -> EmissionsData | None:
        data = _values(meter)
        try:
            if data is not None:
                self._file.write(data)
                if self._tasks:
                    self._file.write_tasks(self._tasks, f"emissions_{self._experiment}_{data.run_id}.csv")
        except (OSError, ValueError, csv.Error) as error:
            _warn(f"the emissions were not written: {error}")
        return data


class OfflineEmissionsTracker(EmissionsTracker):
    """As `EmissionsTracker`, which does not ask the network for the place either."""


def track_emissions(fn: Callable | None = None, project_name: str | None = None, **options: Any) -> Callable:
    """Measures every call of a function as a run: `@track_emissions` or `@track_emissions(country_iso_code="DEU", ...)`.

    Raises:
        TypeError: at decoration, for a generator function.
    """
    if fn is None:
        return functools.partial(track_emissions, project_name=project_name, **options)
    return wrapped(fn, lambda: EmissionsTracker(project_name, **options))


class _Csv:
    """emissions.csv: where it is, and what becomes of the rows that it has."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        methods = given.get("output_methods")
        if methods is None:
            self.wanted = given.get("save_to_file", True) is not False
        else:
            names = methods.split(",") if isinstance(methods, str) else [getattr(each, "value", each) for each in methods]
            self.wanted = "csv" in [str(name).strip().lower() for name in names]
        self.folder = str(given.get("output_dir", "."))
        self.path = os.path.join(self.folder, str(given.get("output_file", "emissions.csv")))
        self.updates = given.get("on_csv_write") == "update"

    def write(self, data: EmissionsData) -> None:
        """Appends a row, or with `on_csv_write="update"` replaces that of the run. A file with other columns is kept as .bak."""
        if not self.wanted:
            return
        columns, row = list(data.values), list(data.values.values())
        header = self._header()
        if header not in (None, columns):
            kept = _free(f"{self.path}.bak")
            os.replace(self.path, kept)
            _warn(f"{self.path} had other columns, and is now {kept}")
            header = None
        if header is None:
            _append(self.path, [columns, row])
        elif not self.updates:
            _append(self.path, [row])
        else:
            at = columns.index("run_id")
            with _reader(self.path) as file:
                others = [cells for cells in csv.reader(file) if cells[at:at + 1] != [data.run_id]]
            _replace(self.path, [*others, row])

    def write_tasks(self, tasks: Mapping[str, EmissionsData], name: str) -> None:
        """The rows of a run's tasks, in a file of their own."""
        if self.wanted:
            rows = [{"task_name": task, **data.values} for task, data in tasks.items()]
            columns = [column for column in rows[0] if column not in _NOT_OF_A_TASK]
            _replace(os.path.join(self.folder, name), [columns, *([row[column] for column in columns] for row in rows)])

    def _header(self) -> list[str] | None:
        """The columns that the file has; None where there is no file, or an empty one."""
        try:
            with _reader(self.path) as file:
                return next(csv.reader(file), None)
        except FileNotFoundError:
            return None


def _reader(path: str) -> io.TextIOWrapper:
    """A file to read. Bytes that are not UTF-8 stay as they are when a row is written again."""
    return open(path, encoding="utf-8", errors="surrogateescape", newline="")


def _lines(rows: Iterable[list]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode("utf-8", "surrogateescape")


def _append(path: str, rows: list[list]) -> None:
    """Adds rows after the last one. If its write was cut off, its quoted cell and its line are closed first."""
    with open(path, "ab+") as file:
        file.seek(0)
        before = file.read()
        # Quotes within a cell are doubled, so that their number is odd only in an open cell.
        closing = b'"' * (before.count(b'"') % 2)
        closing += b"\n" * bool(closing or (before and not before.endswith(b"\n")))
        file.write(closing + _lines(rows))


def _replace(path: str, rows: list[list]) -> None:
    """Writes a file with these rows, and puts it in place when it is complete: a crash leaves the old file or the new one."""
    path = os.path.realpath(path)
    part = f"{path}.{os.getpid()}.part"
    try:
        with open(part, "wb") as file:
            file.write(_lines(rows))
            file.flush()
            os.fsync(file.fileno())
        if os.path.exists(path):
            shutil.copymode(path, part)
        os.replace(part, path)
    finally:
        with contextlib.suppress(OSError):
            os.remove(part)


def _free(path: str) -> str:
    """The path, or the first of path.2, path.3, ... that does not exist."""
    names = itertools.chain([path], (f"{path}.{number}" for number in itertools.count(2)))
    return next(name for name in names if not os.path.lexists(name))


def _unknown_zone(meter: Meter) -> str | None:
    """The grid zone that was asked for and is not known, if any."""
    try:
        carbon = json.loads(meter.report("json")).get("carbon") or {}
    except Error:
        return None
    return str(carbon["terms"]["zone"]) if carbon.get("zone_source") == "unknown" else None


def _values(meter: Meter) -> EmissionsData | None:
    try:
        return EmissionsData(next(csv.DictReader(meter.report("codecarbon").splitlines())))
    except Error as error:
        return _warn(f"nothing is known: {error}")


def _known(data: EmissionsData) -> float | None:
    if data.emissions is None:
        _warn("the emissions are not known: no sensor was read and nothing was estimated; the value is None")
    return data.emissions


def _understood(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a meter for CodeCarbon's keywords. What is neither a keyword nor an option is left to the meter."""
    options: dict[str, Any] = {"zone": given.get("zone") or _zone(given), "zone_fallback": True}
    labels = {name: str(given[name]) for name in ("experiment_id", "experiment_name") if name in given}
    for name, value in given.items():
        if name in _SAME_MEANING:
            options[_SAME_MEANING[name]] = value
        elif name == "gpu_ids":
            options["gpus"] = [_number(part) for part in (value.split(",") if isinstance(value, str) else value)]
        elif name == "tracking_mode":
            options["scope"] = "command" if value == "process" else "machine"
        elif name == "log_level":
            _set_level(value)
        elif name in _NEEDLESS:
            _log.emit("debug", f"CodeCarbon's {name} has no effect and needs none")
        elif name in WITHOUT or (name in CODECARBON and name not in (*_PLACE, *_FILE, *labels)):
            why = WITHOUT.get(name) or f"see the option {CODECARBON[name]!r} of eco2.Meter"
            _warn(f"CodeCarbon's {name} has no effect: {why}")
        elif name not in (*_PLACE, *_FILE, *labels, "zone"):
            options[name] = value
    if labels:
        options["labels"] = {**labels, **(options.get("labels") or {})}
    return options


def _zone(given: Mapping[str, Any]) -> str | None:
    """The zone of CodeCarbon's place: a cloud region, a state or province of the country, or the country."""
    if given.get("cloud_provider") and given.get("cloud_region"):
        return f"{given['cloud_provider']}:{given['cloud_region']}"
    country = given.get("country_iso_code") or given.get("country_2letter_iso_code")
    if country and given.get("region"):
        from ._grid import zone

        try:
            part, whole = zone(str(given["region"]))["zone"], zone(str(country))["zone"]
        except Error:
            part = whole = ""
        if part.startswith(f"{whole}-"):
            return str(part)
        _warn(f"the region {given['region']!r} has no carbon intensity of its own, the average of {country!r} is used")
    return None if country is None else str(country)


def _number(part: Any) -> Any:
    text = str(part).strip()
    return int(text) if text.isdigit() else text


def _set_level(level: Any) -> None:
    import logging

    try:
        logging.getLogger(_log.LOGGER).setLevel(level.upper() if isinstance(level, str) else level)
    except (TypeError, ValueError) as error:
        _warn(f"log_level: {error}")


def _warn(text: str) -> None:
    warnings.warn(f"eco2: {text}", RuntimeWarning, stacklevel=4)
