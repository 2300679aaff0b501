"""Stored records and reports in SQLite (CarbonDataStorage), their sums (CarbonDataAggregator), and budgets of projects
(CarbonBudgetAlert).

Sums over reports are those of `eco2 report --by` and `--period`: a counter that two runs read at the same time counts once. The
energy of records is the sum of the differences between them, as integers, so that records of a total are not added up.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
import sqlite3
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from .commands import command_output
from .errors import CarbonTrackingError, ConfigurationError
from .files import write_text
from .models import CarbonMetrics
from .report import CarbonReport

VERSION = 1
"""Version of the tables; a file of another version is refused."""

DAY_MS = 86_400_000
"""Milliseconds of a day."""

KWH_UJ = 3_600_000_000_000
"""Microjoules of a kilowatt-hour."""

RETENTION = "DATA_RETENTION_DAYS"
"""Variable with the age of records and reports to keep, in days."""

PERIODS = ("hour", "day", "week", "month")
"""Periods of `aggregate_by_time`, in UTC; weeks begin on Monday."""

_TABLES = f"""
CREATE TABLE carbon_metrics (
    id INTEGER PRIMARY KEY, project TEXT NOT NULL, run_id TEXT NOT NULL, at_ms INTEGER NOT NULL, step INTEGER, epoch REAL,
    energy_uj INTEGER, delta_uj INTEGER, co2_kg REAL, samples INTEGER, record TEXT NOT NULL,
    UNIQUE (run_id, at_ms, step, energy_uj));
CREATE INDEX carbon_metrics_by_project ON carbon_metrics (project, at_ms);
CREATE TABLE carbon_reports (
    run_id TEXT PRIMARY KEY, project TEXT NOT NULL, started_ms INTEGER NOT NULL, energy_kwh REAL, co2_kg REAL,
    samples_per_kwh REAL, report TEXT NOT NULL);
CREATE INDEX carbon_reports_by_project ON carbon_reports (project, started_ms);
PRAGMA user_version = {VERSION};
"""


class CarbonDataStorage:
    """Records and reports by project, in one SQLite file.

    Args:
        db_path: the file; created with mode 0600 if it is not there.

    Raises:
        ConfigurationError: the file is no database, is damaged, or was written by another version.
        CarbonTrackingError: another process has locked it for 5 s, or the disk is full; also of every method.
        OSError: the file cannot be created.

    ```
    storage = CarbonDataStorage("carbon.db")
    storage.store_report(trainer.carbon_report, project="bert")
    storage.get_project_summary("bert")["total_energy_kwh"]
    ```
    """

    def __init__(self, db_path: Union[str, os.PathLike] = "carbon_data.db") -> None:
        self.path = os.fspath(db_path)
        if os.path.dirname(self.path):
            os.makedirs(os.path.dirname(self.path), exist_ok=True)
        # SQLite would create it as the umask allows.
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        with self._open() as db, db:
            version = self._asked(db, "PRAGMA user_version").fetchone()[0]
            tables = self._asked(db, "SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
            if version == 0 and tables == 0:
                db.executescript(_TABLES)
            elif version != VERSION:
                raise ConfigurationError(f"{self.path}: tables of version {version}, this is {VERSION}: choose another file")

    def store_metric(self, metric: Union[CarbonMetrics, Mapping[str, Any]], project: str = "default", run_id: str = "") -> bool:
        """Adds a record of a run that goes on.

        Args:
            metric: a record with `energy_uj` or `cumulative_energy_kwh` (energy since the start of the run), or with `energy_kwh`
                alone (energy since the record before).
            project: name of the project.
            run_id: the run; records of one run are compared with each other.

        Returns:
            Whether the record is new: the same record again changes nothing.

        Raises:
            ConfigurationError: an energy is negative or no number.
        """
        record = metric.to_dict() if isinstance(metric, CarbonMetrics) else dict(metric)
        flat = dataclasses.asdict(metric) if isinstance(metric, CarbonMetrics) else record
        total_uj, part_uj = _energy_uj(flat)
        at_ms = int(float(flat.get("timestamp") or time.time()) * 1000)
        values = {"project": project, "run_id": run_id, "at_ms": at_ms, "step": flat.get("step"), "epoch": flat.get("epoch"),
                  "total": total_uj, "part": part_uj, "co2": flat.get("co2_kg"), "samples": flat.get("samples_processed"),
                  "record": json.dumps(record, default=str)}
        # A total that fell belongs to a run that was started again.
        statement = """
            WITH last AS (SELECT energy_uj FROM carbon_metrics WHERE run_id = :run_id AND energy_uj IS NOT NULL
                          ORDER BY at_ms DESC, id DESC LIMIT 1)
            INSERT OR IGNORE INTO carbon_metrics
                (project, run_id, at_ms, step, epoch, energy_uj, delta_uj, co2_kg, samples, record)
            SELECT :project, :run_id, :at_ms, :step, :epoch, :total,
                CASE WHEN :total IS NULL THEN :part
                     WHEN :total >= (SELECT energy_uj FROM last) THEN :total - (SELECT energy_uj FROM last)
                     ELSE :total END,
                :co2, :samples, :record
            WHERE NOT EXISTS (SELECT 1 FROM carbon_metrics WHERE run_id = :run_id AND at_ms = :at_ms AND step IS :step
                              AND energy_uj IS :total)"""
        with self._open() as db, db:
            return self._asked(db, statement, values).rowcount > 0

    def store_report(self, report: Union[CarbonReport, Mapping[str, Any], str, os.PathLike], project: Optional[str] = None) -> str:
        """Adds the report of a run, or replaces the one that is stored of the same run; returns the run's id.

        Args:
            report: a report, a document of schema eco2.report/1, or the file of either.
            project: name of the project; by default the label `project` of the run, else `default`.

        Raises:
            ConfigurationError: the report has no document of schema eco2.report/1.
        """
        if isinstance(report, (str, os.PathLike)):
            report = CarbonReport.from_json(report)
        document = report.eco2 if isinstance(report, CarbonReport) else dict(report)
        if not document or not str(document.get("schema", "")).startswith("eco2.report/"):
            raise ConfigurationError("a report of eco2 is needed: nothing was measured, or another program wrote it")
        run = document["run"]
        project = project or run.get("labels", {}).get("project") or "default"
        document = {**document, "run": {**run, "labels": {**run.get("labels", {}), "project": project}}}
        row = self._rows([document], ["--by", "project", "--format", "csv"])[0]
        samples = (document.get("work") or {}).get("samples")
        kwh = _number(row["energy_kwh"])
        per_kwh = samples / kwh if samples and kwh else None
        values = (run["id"], project, _milliseconds(run.get("started_at")), kwh, _number(row["co2_kg"]), per_kwh, json.dumps(document))
        with self._open() as db, db:
            self._asked(db, "INSERT OR REPLACE INTO carbon_reports VALUES (?, ?, ?, ?, ?, ?, ?)", values)
        return run["id"]

    def get_metrics(self, project: Optional[str] = None, run_id: Optional[str] = None, start: Any = None, end: Any = None,
                    limit: Optional[int] = None) -> List[Dict[str, Any]]:
        """The records in the order of time, each with `project`, `run_id` and `delta_uj`, its energy since the one before.

        Args:
            start, end: seconds since 1970, or a datetime; from `start` until before `end`.
            limit: most records, the newest.
        """
        columns = "project, run_id, at_ms, step, epoch, energy_uj, delta_uj, co2_kg, samples, record"
        rows = self._select("carbon_metrics", columns, "at_ms", {"project": project, "run_id": run_id}, start, end, limit)
        return [{**json.loads(row.pop("record")), **row} for row in rows]

    def get_reports(self, project: Optional[str] = None, start: Any = None, end: Any = None,
                    limit: Optional[int] = None) -> List[CarbonReport]:
        """The reports in the order of their start; arguments as of `get_metrics`."""
        from .report import rendered

        documents = [json.loads(row["report"]) for row in self._stored(project, start, end, limit)]
        return [CarbonReport(rendered(document), document) for document in documents]

    def get_project_summary(self, project: str = "default") -> Dict[str, Any]:
        """Totals of a project; None is what is not known.

        `total_energy_kwh` with `energy_low_uj` and `energy_high_uj` (None: no upper bound), `total_co2_kg`, `runs`, and how many of
        them have no emissions (`unpriced_runs`). `unreported_energy_kwh` is the energy of records of runs without a report, which
        the totals do not contain.
        """
        rows = self.aggregate(project)
        summary: Dict[str, Any] = {"project": project, "runs": 0, "total_energy_kwh": None, "energy_uj": None, "energy_low_uj": None,
                                   "energy_high_uj": None, "total_co2_kg": None, "duration_hours": None, "unpriced_runs": 0}
        for row in rows:
            hours = int(row["duration_ns"]) / 3_600e9
            summary.update(runs=int(row["runs"]), total_energy_kwh=_number(row["energy_kwh"]), energy_uj=_integer(row["energy_uj"]),
                           energy_low_uj=_integer(row["low_uj"]), energy_high_uj=_integer(row["high_uj"]),
                           total_co2_kg=_number(row["co2_kg"]), duration_hours=hours, unpriced_runs=int(row["unpriced_runs"]))
        statement = """SELECT SUM(delta_uj) AS uj FROM carbon_metrics
                       WHERE project = ? AND run_id NOT IN (SELECT run_id FROM carbon_reports)"""
        with self._open() as db:
            uj = self._asked(db, statement, (project,)).fetchone()["uj"]
        summary["unreported_energy_kwh"] = None if uj is None else uj / KWH_UJ
        return summary

    def get_efficiency_trends(self, project: Optional[str] = None, days: int = 30) -> List[Dict[str, Any]]:
        """Energy, emissions and samples per kilowatt-hour of each run of the last `days` days, in the order of time."""
        columns = "run_id, project, started_ms, energy_kwh, co2_kg, samples_per_kwh"
        start = time.time() - days * DAY_MS / 1000
        rows = self._select("carbon_reports", columns, "started_ms", {"project": project}, start, None, None)
        return [{**row, "started_at": _text(row["started_ms"])} for row in rows]

    def cleanup_old_data(self, days: Optional[int] = None, dry_run: bool = False) -> Dict[str, int]:
        """Removes records and reports that are older than `days` days [default: `DATA_RETENTION_DAYS`, else 90]; with `dry_run` only
        counts them.

        Raises:
            ConfigurationError: `days` or the variable is negative or no whole number.
        """
        text = str(days) if days is not None else os.environ.get(RETENTION) or "90"
        if not text.isdecimal():
            name = "days" if days is not None else RETENTION
            raise ConfigurationError(f"{name} is {text}; allowed: a whole number, 0 or more")
        days = int(text)
        before_ms, found = int(time.time() * 1000) - days * DAY_MS, {}
        with self._open() as db, db:
            for table, column in (("carbon_metrics", "at_ms"), ("carbon_reports", "started_ms")):
                condition = f"FROM {table} WHERE {column} < ?"
                found[table] = self._asked(db, f"SELECT COUNT(*) AS n {condition}", (before_ms,)).fetchone()["n"]
                if not dry_run:
                    self._asked(db, f"DELETE {condition}", (before_ms,))
        return found

    def export_data(self, path: Union[str, os.PathLike], format: str = "json", project: Optional[str] = None) -> str:
        """Writes records and reports to a file and returns its path.

        Args:
            format: `json`, with both; `csv`, with a row per report.

        Raises:
            ConfigurationError: another format.
            OSError: the file cannot be written.
        """
        if format == "csv":
            documents = [json.loads(row["report"]) for row in self._stored(project, None, None, None)]
            return write_text(path, self._rendered(documents, ["--format", "codecarbon"]) if documents else "")
        if format != "json":
            raise ConfigurationError(f"format is {format!r}; allowed: json, csv")
        reports = [json.loads(row["report"]) for row in self._stored(project, None, None, None)]
        whole = {"version": VERSION, "carbon_metrics": self.get_metrics(project), "carbon_reports": reports}
        return write_text(path, json.dumps(whole, indent=2, default=str) + "\n")

    def aggregate(self, project: Optional[str] = None, period: Optional[str] = None) -> List[Dict[str, str]]:
        """The rows of `eco2 report --by project` over the stored reports, with `period` those of `--period`, as text."""
        documents = [json.loads(row["report"]) for row in self._stored(project, None, None, None)]
        flags = ["--by", "project", *(["--period", period] if period else []), "--format", "csv"]
        return self._rows(documents, flags) if documents else []

    def _stored(self, project: Optional[str], start: Any, end: Any, limit: Optional[int]) -> List[Dict[str, Any]]:
        return self._select("carbon_reports", "started_ms, report", "started_ms", {"project": project}, start, end, limit)

    def _select(self, table: str, columns: str, time_column: str, equal: Dict[str, Any], start: Any, end: Any,
                limit: Optional[int]) -> List[Dict[str, Any]]:
        conditions = [(f"{name} = ?", value) for name, value in equal.items() if value is not None]
        conditions += [(f"{time_column} {sign} ?", _instant(value)) for sign, value in ((">=", start), ("<", end)) if value is not None]
        where = " AND ".join(text for text, _ in conditions) or "1"
        statement = f"SELECT {columns} FROM {table} WHERE {where} ORDER BY {time_column} DESC, rowid DESC LIMIT ?"
        values = [*(value for _, value in conditions), -1 if limit is None else limit]
        with self._open() as db:
            return [dict(row) for row in self._asked(db, statement, values)][::-1]

    def _rows(self, documents: Sequence[Dict[str, Any]], flags: Sequence[str]) -> List[Dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self._rendered(documents, flags))))

    def _rendered(self, documents: Sequence[Dict[str, Any]], flags: Sequence[str]) -> str:
        with tempfile.TemporaryDirectory() as folder:
            files = []
            for place, document in enumerate(documents):
                files.append(os.path.join(folder, f"{place}.json"))
                with open(files[-1], "w", encoding="utf-8") as out:
                    json.dump(document, out)
            return command_output(["report", *files, *flags])

    def _open(self) -> Any:
        db = sqlite3.connect(self.path, timeout=5.0)
        db.row_factory = sqlite3.Row
        return closing(db)

    def _asked(self, db: Any, statement: str, values: Any = ()) -> Any:
        try:
            return db.execute(statement, values)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise CarbonTrackingError(f"{self.path}: {error}") from None
            raise ConfigurationError(f"{self.path}: {error}: choose another file, or remove this one") from None


class CarbonDataAggregator:
    """Sums over the reports of a storage."""

    def __init__(self, storage: CarbonDataStorage) -> None:
        self.storage = storage

    def aggregate_by_project(self) -> Dict[str, Dict[str, Any]]:
        """The summary of each project, as `get_project_summary` has it."""
        projects = [row["value"] for row in self.storage.aggregate()]
        return {project: self.storage.get_project_summary(project) for project in projects}

    def aggregate_by_time(self, period: str = "day", project: Optional[str] = None) -> List[Dict[str, Any]]:
        """Energy and emissions of each period, in the order of time; a run over several periods is divided by its energy curve.

        Raises:
            ConfigurationError: a period that is none of `PERIODS`.
        """
        if period not in PERIODS:
            raise ConfigurationError(f"period is {period!r}; allowed: {', '.join(PERIODS)}")
        return [{"from": row["from"], "project": row["value"], "runs": int(row["runs"]), "energy_uj": _integer(row["energy_uj"]),
                 "low_uj": _integer(row["low_uj"]), "high_uj": _integer(row["high_uj"]), "energy_kwh": _number(row["energy_kwh"]),
                 "co2_kg": _number(row["co2_kg"]), "quality": row["quality"], "unpriced": int(row["unpriced"])}
                for row in self.storage.aggregate(project, period)]

    def get_efficiency_percentiles(self, project: Optional[str] = None,
                                   percentiles: Sequence[int] = (10, 25, 50, 75, 90)) -> Dict[str, Any]:
        """Percentiles of the samples per kilowatt-hour over the stored runs that counted samples, by nearest rank.

        `runs` is their number; the percentiles are those of these runs and of no others. None without runs.

        Raises:
            ConfigurationError: a percentile that is not from 1 to 100.
        """
        wrong = [percent for percent in percentiles if not 1 <= percent <= 100]
        if wrong:
            raise ConfigurationError(f"percentiles has {wrong[0]}; allowed: 1 to 100")
        trends = self.storage._select("carbon_reports", "samples_per_kwh, started_ms", "started_ms", {"project": project}, None, None, None)
        values = sorted(row["samples_per_kwh"] for row in trends if row["samples_per_kwh"] is not None)
        ranks = {f"p{percent}": values[-(-percent * len(values) // 100) - 1] if values else None for percent in percentiles}
        return {"runs": len(values), **ranks}


@dataclass
class CarbonBudgetAlert:
    """A budget of a project's emissions, checked against a storage.

    Attributes:
        limit_kg_co2: the budget, kilograms CO2e, more than 0.
        warning_threshold_pct, critical_threshold_pct: percent of the budget at which the level is `warning` and `critical`.
        project: name of the project.

    Raises:
        ConfigurationError: a limit or threshold that is not more than 0, or thresholds that are not in order.
    """

    limit_kg_co2: float
    warning_threshold_pct: float = 80.0
    critical_threshold_pct: float = 95.0
    project: str = "default"

    def __post_init__(self) -> None:
        numbers = (self.limit_kg_co2, self.warning_threshold_pct, self.critical_threshold_pct)
        if not all(isinstance(number, (int, float)) and 0 < number < float("inf") for number in numbers):
            raise ConfigurationError("limit_kg_co2 and thresholds are numbers above 0")
        if self.warning_threshold_pct > self.critical_threshold_pct:
            raise ConfigurationError("warning_threshold_pct is above critical_threshold_pct")

    def check(self, storage: CarbonDataStorage) -> Dict[str, Any]:
        """The level of a project: `ok`, `warning`, `critical`, or `unknown` while no emissions are known.

        If emissions of some runs are not known, the level is at least `warning`, because the budget may be exceeded.
        """
        summary = storage.get_project_summary(self.project)
        used = summary["total_co2_kg"]
        percent = None if used is None else used / self.limit_kg_co2 * 100
        is_partial = bool(summary["unpriced_runs"]) or (summary["runs"] > 0 and summary["energy_high_uj"] is None)
        if percent is None:
            level = "unknown"
        elif percent >= self.critical_threshold_pct:
            level = "critical"
        elif percent >= self.warning_threshold_pct or is_partial:
            level = "warning"
        else:
            level = "ok"
        return {"project": self.project, "level": level, "used_kg_co2": used, "limit_kg_co2": self.limit_kg_co2,
                "used_percent": percent, "is_lower_bound": is_partial}


def _energy_uj(record: Mapping[str, Any]) -> Tuple[Optional[int], Optional[int]]:
    """The energy of a record since the start of its run, and since the record before, microjoules."""
    for key, scale in (("energy_uj", 1), ("cumulative_energy_kwh", KWH_UJ)):
        if record.get(key) is not None:
            return _scaled(key, record[key], scale), None
    energy = record.get("energy_kwh")
    return None, None if energy is None else _scaled("energy_kwh", energy, KWH_UJ)


def _scaled(key: str, value: Any, scale: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 2**63 / scale:
        raise ConfigurationError(f"{key} is {value!r}; allowed: a number of 0 or more")
    return round(value * scale)


def _instant(value: Any) -> int:
    """Seconds since 1970 or a datetime (without a zone: UTC) as milliseconds."""
    if isinstance(value, datetime):
        value = (value if value.tzinfo else value.replace(tzinfo=timezone.utc)).timestamp()
    return int(float(value) * 1000)


def _milliseconds(text: Optional[str]) -> int:
    """An RFC 3339 time as milliseconds since 1970; 0 if there is none."""
    if not text:
        return 0
    # Python before 3.11 knows neither `Z` nor more than six digits.
    whole, _, fraction = text.rstrip("Z").partition(".")
    return int(datetime.fromisoformat(whole).replace(tzinfo=timezone.utc).timestamp()) * 1000 + int((fraction + "000")[:3])


def _text(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, timezone.utc).isoformat()


def _number(cell: str) -> Optional[float]:
    return float(cell) if cell else None


def _integer(cell: str) -> Optional[int]:
    return int(cell) if cell else None
