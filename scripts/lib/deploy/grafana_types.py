"""Reads the dashboards of deploy/grafana with the types of grafana-foundation-sdk: every key has to be one that Grafana knows.

A key that the types do not have is lost where they write the dashboard again, and is named.
"""

import json
import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

GRAFANA = Path(__file__).resolve().parents[3] / "deploy/grafana"


def lost(ours, theirs, place):
    """Yields the places of ours that are missing in theirs, or have another value."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key, value in ours.items():
            if key in theirs:
                yield from lost(value, theirs[key], f"{place}.{key}")
            else:
                yield f"{place}.{key}"
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for index, (mine, other) in enumerate(zip(ours, theirs)):
            yield from lost(mine, other, f"{place}[{index}]")
    elif ours != theirs:
        yield f"{place}: {ours!r} became {theirs!r}"


def typed(dashboard):
    """Returns a dashboard as the types write it."""
    return json.loads(json.dumps(Dashboard.from_json(dashboard), cls=JSONEncoder))


def main():
    """Checks every dashboard, then that a wrong key is found."""
    register_default_plugins()
    faults = []
    for path in sorted(GRAFANA.glob("*.json")):
        ours = json.loads(path.read_text())
        faults += [f"{path.name}: no such key: {place}" for place in lost(ours, typed(ours), "")]
        for holder, key in ((ours["panels"][0], "titel"), (ours["panels"][-1]["fieldConfig"]["defaults"], "unitt")):
            holder[key] = "x"
            if not list(lost(ours, typed(ours), "")):
                faults.append(f"{path.name}: {key} is taken: the check finds nothing")
            del holder[key]
    print("\n".join(faults) or f"{len(list(GRAFANA.glob('*.json')))} dashboards have the types of Grafana")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
