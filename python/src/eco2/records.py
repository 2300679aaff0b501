"""The values that a meter returns, as immutable records: integers in microjoules (µJ) and nanoseconds, None for not known."""

from __future__ import annotations

from typing import NamedTuple, Optional

UJ_PER_JOULE = 1_000_000
UJ_PER_KWH = 3_600_000_000_000


class _Convertible:
    """Conversions of `energy_uj`; nothing else is computed in Python."""

    __slots__ = ()

    @property
    def joules(self) -> Optional[float]:
        """`energy_uj` in joules."""
        energy_uj = self.energy_uj  # type: ignore[attr-defined]
        return None if energy_uj is None else energy_uj / UJ_PER_JOULE

    @property
    def kwh(self) -> Optional[float]:
        """`energy_uj` in kilowatt-hours."""
        energy_uj = self.energy_uj  # type: ignore[attr-defined]
        return None if energy_uj is None else energy_uj / UJ_PER_KWH


class _Energy(NamedTuple):
    at_ns: int
    energy_uj: int
    complete: bool


class Energy(_Energy, _Convertible):
    """Energy at an instant, extrapolated from the last readings: always provisional.

    `at_ns` nanoseconds of `time.monotonic_ns()`; `energy_uj` µJ since the meter's first readings, over devices that do
    not overlap; `complete`: whether every device's part is known.
    """

    __slots__ = ()


class _Total(NamedTuple):
    count: int  # type: ignore[assignment]
    duration_ns: int
    energy_uj: Optional[int]
    low_uj: int
    high_uj: Optional[int]
    final: bool
    sync: str
    free_low_uj: int = 0
    free_high_uj: Optional[int] = None
    range_kind: Optional[str] = None
    range_percent: Optional[float] = None


class Total(_Total, _Convertible):
    """The sum over a name's spans that have ended.

    `energy_uj` lies in [`low_uj`, `high_uj`]; None: no device was read, a `high_uj` of None: no upper bound. `range_kind`:
    whether that range is `"hard"` or `"plausible"`, with its coverage in `range_percent`; `free_low_uj` and `free_high_uj` use
    no assumption about power. `final`: the values do not change any more.
    `sync`: how queued GPU work is treated at the start and end: `"none"`, `"synchronize"` or `"event"`.
    """

    __slots__ = ()

    @property
    def seconds(self) -> float:
        """`duration_ns` in seconds."""
        return self.duration_ns / 1e9


class _Request(NamedTuple):
    tokens: int
    energy_uj: Optional[int]
    complete: bool


class Request(_Request, _Convertible):
    """A request's share of the engine's steps, extrapolated as `Energy`; an open one is provisional.

    `tokens`: computed, of prompt and answer; `energy_uj` µJ, None: nothing is known; `complete`: whether every device's part
    in every step is known.
    """

    __slots__ = ()

    @property
    def joules_per_token(self) -> Optional[float]:
        """Joules per token; None without a token or a known energy."""
        joules = self.joules
        return None if joules is None or not self.tokens else joules / self.tokens


class _Requests(NamedTuple):
    finished: int
    open: int
    tokens: int
    energy_uj: Optional[int]
    idle_uj: Optional[int]
    complete: bool
    p50_uj_per_token: Optional[int]
    p95_uj_per_token: Optional[int]


class Requests(_Requests, _Convertible):
    """All requests so far: `finished` have ended, `open` have not, and their energy may still grow.

    `energy_uj` µJ of all of them, `idle_uj` of the time between steps; both add up to what `Meter.now` gave at the last
    `Meter.request_step`. `p50_uj_per_token`, `p95_uj_per_token`: median and 95 % quantile of the energy per token of those
    that have ended; None before one of known energy has.
    """

    __slots__ = ()


class _Device(NamedTuple):
    index: int  # type: ignore[assignment]
    id: str
    name: str
    domain: str
    source: str
    component: str
    quality: str
    summed: bool
    energy_uj: Optional[int]
    low_uj: Optional[int]
    high_uj: Optional[int]
    wraps: int
    resets: int
    coverage: float
    mean_w: Optional[float]
    peak_w: Optional[float]
    gain_percent: Optional[float]
    free_low_uj: Optional[int] = None
    free_high_uj: Optional[int] = None
    range_kind: Optional[str] = None
    range_percent: Optional[float] = None
    model: Optional[str] = None
    method: Optional[str] = None


class Device(_Device, _Convertible):
    """A device's values until now; the names are those of the report.

    `component`: cpu, memory, gpu or other. `quality`: measured, derived, estimated, synthetic or missing. `summed`:
    whether it is part of the total. `coverage`: share of the run's time that readings cover, 0 to 1. Powers in watts;
    `gain_percent`: the sensor's declared gain error, not part of the bounds. `model`: the hardware's model, None where it is
    not known. `method`: how the energy was estimated, None for a sensor.
    """

    __slots__ = ()


class Series:
    """The knots of a device: its energy reached `energy_uj[i]` no earlier than `lo_ns[i]`, no later than `hi_ns[i]`.

    Nanoseconds since the start of the run, µJ since the device's first reading. Thinned in long runs. Iterating gives
    `(lo_ns, hi_ns, energy_uj)`.
    """

    __slots__ = ("device", "lo_ns", "hi_ns", "energy_uj")

    def __init__(self, device: str, lo_ns: list[int], hi_ns: list[int], energy_uj: list[int]) -> None:
        self.device, self.lo_ns, self.hi_ns, self.energy_uj = device, lo_ns, hi_ns, energy_uj

    def __len__(self) -> int:
        return len(self.energy_uj)

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(zip(self.lo_ns, self.hi_ns, self.energy_uj))

    def __repr__(self) -> str:
        return f"Series({self.device!r}, {len(self)} knots)"


class Budget(NamedTuple):
    """State and forecast of the budget.

    `decision`: `"go"`, `"warn"` (most of a limit is spent, or the forecast is over it), `"pause"` (only if the option `budget`
    enables it) or `"stop"` (a limit is spent, or would be by the next steps and the reserve). `limits`: number of limits.
    `share`: highest share of a limit that is spent; 0 without limits, NaN if no spent amount is known: the decision is then a
    warning.

    The other values are those of the limit that decides, in its `unit` (`"energy_uj"`, `"grams"` or `"money"`); None: not
    known. `spent` and `limit`; `low` and `high`, the bounds of `spent` (a `high` of None: no upper bound, and the decision is
    at least a warning); `quality`, the worst among the parts of the energy (`"measured"`, `"derived"`, `"estimated"`,
    `"synthetic"`, or `"missing"` if nothing is known), and `quality_percent`, the share of energy that has it; `held`, the
    amount held back for the next steps and as a reserve; `finish`, the forecast for the end, with its 90 % interval from
    `finish_low` to `finish_high`; `finish_p90`, not exceeded in nine of ten runs. A forecast requires the run's length:
    `budget={"total_steps": 1000}` or `total_hours`.
    """

    decision: str
    limits: int
    share: float
    unit: str | None = None
    spent: float | None = None
    limit: float | None = None
    held: float | None = None
    finish: float | None = None
    finish_low: float | None = None
    finish_high: float | None = None
    finish_p90: float | None = None
    low: float | None = None
    high: float | None = None
    quality: str | None = None
    quality_percent: float | None = None
