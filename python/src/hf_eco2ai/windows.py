"""Plans as records: the values of `eco2 plan`, times as datetimes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Dict, List, Optional


@dataclass
class Slot:
    """A time interval in which the training runs, with its number of workers."""

    start: datetime
    end: datetime
    workers: int


@dataclass
class TrainingWindow:
    """When to train.

    Attributes:
        start, end: start time of the first slot and end of the last, UTC.
        slots: one, or several where it pauses or changes width.
        carbon_reduction: percent less carbon than with a start at once; at least 0. None where the intensity of that start
            is not known.
        grams, grams_now: grams CO2e of this window and of a start at once; None where no watts were given.
        bound_grams: no plan of this sort is below; where it equals `grams` this one is the optimum.
        kind: what the intensities count; None where their source does not state it.
        plan: the whole answer.
    """

    start: datetime
    end: datetime
    slots: List[Slot]
    carbon_reduction: Optional[float]
    grams: Optional[float]
    grams_now: Optional[float]
    bound_grams: Optional[float]
    kind: Optional[str]
    plan: Dict[str, Any] = field(repr=False, default_factory=dict)

    @classmethod
    def of(cls, plan: Mapping, knows_watts: bool, **more: Any) -> TrainingWindow:
        """The window of a plan; grams are shown only where the watts are the training's own."""
        slots = [Slot(instant(slot["from"]), instant(slot["to"]), slot["workers"]) for slot in plan["slots"]]
        grams = {name: plan[name] if knows_watts else None for name in ("grams", "grams_now", "bound_grams")}
        return cls(start=slots[0].start, end=slots[-1].end, slots=slots, carbon_reduction=plan["saving_percent"],
                   kind=plan["kind"], plan=dict(plan), **grams, **more)

    @property
    def start_time(self) -> datetime:
        """Another name of `start`."""
        return self.start

    @property
    def end_time(self) -> datetime:
        """Another name of `end`."""
        return self.end


@dataclass
class RegionPlan(TrainingWindow):
    """When to train in one region.

    Attributes:
        region: the series' column.
        transfer_grams, total_grams: grams CO2e of moving there, and of both together; None where no watts were given.
    """

    region: str = ""
    transfer_grams: Optional[float] = None
    total_grams: Optional[float] = None

    @classmethod
    def of_zone(cls, zone: Mapping, knows_watts: bool) -> RegionPlan:
        """One zone of `eco2 plan --rank`."""
        grams = {name: zone[name] if knows_watts else None for name in ("transfer_grams", "total_grams")}
        return cls.of(zone, knows_watts, region=zone["zone"], **grams)  # type: ignore[return-value]


def instant(text: str) -> datetime:
    """A time as eco2 prints it, with `Z`, which datetime reads from Python 3.11 on only."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
