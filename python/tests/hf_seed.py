"""docs/seed.md: it has every row of HF Eco2AI's features and every public name, and each name that it maps to can be imported."""

from __future__ import annotations

import functools
import importlib
import re
import unittest
from pathlib import Path
from typing import Any, List, Tuple

from hf_rig import HfTest

from hf_eco2ai import CarbonConfig, not_used
from hf_eco2ai.environment import AUDIT_KEY, MORE
from hf_eco2ai.history import RETENTION

LISTED = Path(__file__).with_name("seed_names.tsv")
PAGE = Path(__file__).parents[2] / "docs" / "seed.md"
STATES = {"built", "partly", "replaced", "later", "left out"}


def listed(kind: str) -> List[Tuple[str, str]]:
    """Rows or names of the list."""
    lines = [line.split("\t") for line in LISTED.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return [(line[1], line[2]) for line in lines if line[0] == kind]


def resolved(path: str) -> Any:
    """What a dotted path names; modules are imported on the way."""
    first, *rest = path.split(".")
    try:
        importlib.import_module(".".join([first, *rest[:1]]))
    except ImportError:
        pass
    return functools.reduce(getattr, rest, importlib.import_module(first))


def table(heading: str) -> List[List[str]]:
    """The cells of the table below a heading of the page."""
    part = PAGE.read_text(encoding="utf-8").split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line.startswith("|")][2:]


class Seed(HfTest):
    """The page against the list and the package."""

    def setUp(self) -> None:
        super().setUp()
        if not PAGE.exists():
            self.skipTest("installed: the page is not there")

    def test_every_row_is_listed_once_with_a_state_and_a_text(self) -> None:
        rows = table("Features")
        self.assertEqual([(row[0], row[1]) for row in rows], listed("row"))
        self.assertEqual(len(rows), 78)
        for row in rows:
            self.assertIn(row[2], STATES)
            self.assertTrue(row[3], row)

    def test_every_name_is_listed_and_resolves_or_has_a_reason(self) -> None:
        rows, names = dict(table("Names")), listed("name")
        self.assertEqual(list(rows), [f"`{name}`" for name, _ in names])
        for name, place in names:
            if place == "-":
                self.assertRegex(rows[f"`{name}`"], "^not there: .{10}")
            else:
                self.assertEqual(rows[f"`{name}`"], f"`{place}`")
                self.assertIsNotNone(resolved(place), place)

    def test_options_and_variables_that_a_row_names_exist(self) -> None:
        import hf_eco2ai

        known = {*CarbonConfig.names(), *MORE, *hf_eco2ai.__all__, "SLACK_WEBHOOK_URL", "DISCORD_WEBHOOK_URL", "PROMETHEUS_PUSHGATEWAY_URL", AUDIT_KEY, RETENTION, "Exporter",
                 "NotBuilt", "Source", "carbon_metrics", "carbon_reports"}
        # Methods are named in the row of their class.
        known |= {name for public in hf_eco2ai.__all__ for name in dir(getattr(hf_eco2ai, public)) if not name.startswith("_")}
        for number, _, state, text in table("Features"):
            for name in re.findall(r"`([A-Za-z_0-9]+)`", text):
                if state in ("built", "partly") and ("_" in name or name[0].isupper()):
                    self.assertTrue(name in known or name in GIVEN, (number, name))

    def test_the_variables_without_effect_are_the_packages(self) -> None:
        rows = table("Variables of `.env.example` without effect")
        shown = [" ".join(re.findall(r"`([^`]+)`", row[0])) for row in rows]
        self.assertEqual(shown, [row.names for row in not_used.ROWS])
        for row, unused in zip(rows, not_used.ROWS):
            self.assertTrue(row[1].startswith(unused.why), row)
            for name in unused.names.split():
                self.assertNotIn(name, MORE)

    def test_variables_without_effect_are_warned_of_once_and_those_of_others_never(self) -> None:
        given = {"CPU_CORES": "8", "CACHE_TTL": "3600", "AWS_REGION": "eu-west-1", "LOG_LEVEL": "INFO"}
        with self.warnings() as heard:
            CarbonConfig.from_env(given)
            CarbonConfig.from_env(given)
        self.assertEqual(len(heard), 1, heard)
        self.assertIn("CPU_CORES", heard[0])
        self.assertIn("CACHE_TTL", heard[0])
        self.assertNotIn("AWS", heard[0])


GIVEN = ("eco2_meter_open", "eco2_register_source", "samples_per_kwh", "monitor_container", "efficiency_percentile", "energy_uj",
         "limit_kg_co2", "elapsed_ns", "to_html", "to_pdf", "run_id", "API_AUTH_TOKEN", "API_RATE_LIMIT", "SSL_CERT_PATH", "SSL_KEY_PATH",
         "DEGRADED", "HEALTHY", "CRITICAL", "UNAVAILABLE", "CircuitBreaker", "RetryPolicy", "tokens_processed", "HighCarbonEmissions", "CriticalCarbonEmissions",
         "CarbonTrackingFailure")
"""Names in rows that are none of the package's own top: of C, of records and reports."""


if __name__ == "__main__":
    unittest.main()
