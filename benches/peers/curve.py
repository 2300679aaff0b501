"""Power over time, known exactly: what the arena's machine draws."""

from __future__ import annotations

from typing import NamedTuple, Sequence, Tuple

MS = 1_000_000
"""Nanoseconds of a millisecond."""


class Curve(NamedTuple):
    """Steps of constant power that repeat.

    `steps`: (milliseconds from the start of a round, watts), rising, from 0; whole watts. `round_ms`: length of a round.
    """

    steps: Tuple[Tuple[int, int], ...]
    round_ms: int

    def script(self) -> str:
        """The curve as the fake driver's script writes it."""
        return ",".join(f"{ms}:{watts}" for ms, watts in self.steps) + f" loop {self.round_ms}"

    def nanojoules(self, to_ns: int) -> int:
        """Energy from time 0 to a time in nanoseconds: watts times nanoseconds, exact."""
        rounds, rest = divmod(to_ns, self.round_ms * MS)
        return rounds * self._once(self.round_ms * MS) + self._once(rest)

    def joules(self, from_ns: int, to_ns: int) -> float:
        """Energy between two times in nanoseconds."""
        return (self.nanojoules(to_ns) - self.nanojoules(from_ns)) / 1e9

    def _once(self, to_ns: int) -> int:
        ends = [ms * MS for ms, _ in self.steps[1:]] + [self.round_ms * MS]
        return sum(watts * max(0, min(end, to_ns) - ms * MS) for (ms, watts), end in zip(self.steps, ends))


def parse(text: str) -> Curve:
    """Reads what `script` writes.

    Raises:
        ValueError: it is something else.
    """
    steps, _, round_ms = text.partition(" loop ")
    pairs = (step.split(":") for step in steps.split(","))
    return Curve(tuple((int(ms), int(watts)) for ms, watts in pairs), int(round_ms))


def joules(curves: Sequence[Curve], from_ns: int, to_ns: int) -> float:
    """Energy of several curves between two times in nanoseconds."""
    return sum(curve.joules(from_ns, to_ns) for curve in curves)
