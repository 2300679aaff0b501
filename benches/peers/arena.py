"""The arena: eco2, CodeCarbon and Zeus measure one machine whose energy is known; `scripts/arena` runs it.

Prints the tables, writes the page where asked to, and ends with 1 if eco2 misses what it must reach.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import cases
import claims
import page


def merged(reports: list) -> dict:
    """Joules by component of the ranks' reports, as eco2 joins them."""
    import eco2

    devices = [device for device in eco2.merge([json.dumps(report) for report in reports]).devices if not device.overlaps]
    return {kind: sum(device.energy_uj for device in devices if device.component == kind) / 1e6 for kind in ("cpu", "gpu")}


def results(arena: cases.Arena, only: list) -> dict:
    """Runs the cases in order."""
    todo = {"totals": cases.totals, "wraps": cases.wraps, "long_spans": cases.long_spans, "short_spans": cases.short_spans,
            "costs": cases.costs, "imports": cases.imports, "background": cases.background,
            "ranks": lambda arena: cases.ranks(arena, merged)}
    found = {}
    for name, case in todo.items():
        if not only or name in only:
            print(f"arena: {name}", file=sys.stderr, flush=True)
            found[name] = case(arena)
            print(page.SECTIONS[name].render(found[name]), flush=True)
    return found


def main() -> int:
    """Runs; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venvs", type=Path, required=True)
    parser.add_argument("--driver", type=Path, required=True)
    parser.add_argument("--write", type=Path, help="the page to write")
    parser.add_argument("only", nargs="*", help="cases; all without")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        arena = cases.Arena(given.venvs, given.driver, Path(folder))
        found = results(arena, given.only)
    if given.only:
        return 0
    if given.write:
        given.write.write_text(page.whole(found, arena), encoding="utf-8")
    complaints = list(claims.missed(found))
    print("\n".join(f"arena: missed: {text}" for text in complaints) or "arena: eco2 reaches what it must")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
