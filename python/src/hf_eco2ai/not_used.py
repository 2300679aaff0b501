"""Variables of HF Eco2AI's `.env.example` that have no effect, each with its reason. docs/seed.md has the same table.

Names that other programs use too (`AWS_*`, `LOG_*`, …) are in the table, and never warned of.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import NamedTuple, Tuple


class Unused(NamedTuple):
    """Names (with `*` for a family), why they have no effect, and whether a program's environment has them for us only."""

    names: str
    why: str
    ours: bool


ROWS: Tuple[Unused, ...] = (
    Unused("HF_ECO2AI_ENV", "measuring is the same in production and elsewhere", True),
    Unused("HF_ECO2AI_MASTER_KEY", "nothing is encrypted here", True),
    Unused("CPU_CORES SYSTEM_MONITORING_ENABLED MEMORY_MONITORING_ENABLED",
           "the library finds processors and memory itself; `CPU_MONITORING_ENABLED` switches them", True),
    Unused("REPORT_AUTO_EXPORT", "a report is always written, unless `REPORT_ENABLED` is false", True),
    Unused("CACHE_ENABLED CACHE_TTL CACHE_SIZE CACHE_MAX_SIZE", "an intensity is kept until its slot is over; nothing else is cached", True),
    Unused("PERFORMANCE_MONITORING_ENABLED PERFORMANCE_SAMPLING_RATE",
           "the cost of measuring is always measured and limited, by `PERFORMANCE_MAX_OVERHEAD_PERCENT`", True),
    Unused("DATA_ANONYMIZATION_ENABLED DATA_ENCRYPTION_*",
           "nothing is encrypted here; `meter_options={'redact': True}` hides the command line, `eco2 report --format summary` shares a "
           "run without names", True),
    Unused("TEST_MOCK_EXTERNAL_APIS", "nothing is simulated: without a provider the yearly table is used", True),
    Unused("EXPERIMENTAL_* FEATURE_*", "there are no experimental parts to switch", False),
    Unused("CUSTOM_*_PATH PLUGIN_*", "no code is loaded from a path; own sources and exports are traits and callbacks (docs/seed.md)", False),
    Unused("BENCHMARK_*", "benchmarks are commands of the repository", False),
    Unused("REDIS_* GRAFANA_*", "no service of that name is used; Grafana reads Prometheus", False),
    Unused("MLFLOW_* WANDB_* TENSORBOARD_* NEPTUNE_*", "the clients of the trackers read these; of eco2 `MLFLOW_TRACKING_URI`, "
           "`MLFLOW_RUN_ID`, `WANDB_PROJECT`, `WANDB_RUN_ID`, `NEPTUNE_PROJECT` have an effect", False),
    Unused("AWS_* GCP_* AZURE_*", "credentials of a cloud are never read; `cloud` and `zone` name it", False),
    Unused("SSL_* LOG_* DEBUG_*", "other programs' names; of `SSL_*`, `eco2 serve` reads `SSL_CERT_PATH`, `SSL_KEY_PATH` and `SSL_ENABLED`; "
           "`log_level`, `console_log_level` and `debug` are options", False),
)
"""The whole table."""

NOT_USED = {name: row.why for row in ROWS if row.ours for name in row.names.split() if "*" not in name}
"""Names that are warned of where they are set."""


def reason(name: str) -> str:
    """Why a variable of the table has no effect."""
    return next(row.why for row in ROWS if any(fnmatchcase(name, pattern) for pattern in row.names.split()))
