"""The meter: one measured run."""

from __future__ import annotations

import atexit
import ctypes
import functools
import struct
import sys
import time
import warnings
import weakref
from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING

from . import _abi, _log, _notebook, _read, _requests
from . import _constants as c
from ._absent import LeftBehind
from ._given import PACK_WORK, WORK_SIZE, as_json, merged, work_of
from ._handles import DONE, FAULTS, Calls, Ids, check, encoded, number
from ._load import library
from ._names import explained
from .errors import Error
from .records import Budget, Device, Energy, Request, Requests, Series, Total
from .report import Report
from .spans import Span, Stamped, Synchronized

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._options import Options

SYNCS = {"none": c.ECO2_SYNC_NONE, "synchronize": c.ECO2_SYNC_SYNCHRONIZE, "event": c.ECO2_SYNC_EVENT}
"""What a span's edges may do about queued GPU work."""

STAMPS_NS = 250_000_000
"""How long closing waits for stamps that a device still owes: as long as for a counter's next update."""

LATE_START_NS = 1_000_000_000
"""From how long after the opening a `start` is warned of."""

_NOW_SIZE = ctypes.sizeof(_abi.EnergyNow)
# The fields in one call, a third of what a ctypes structure costs; a test compares the layouts.
_UNPACK_NOW = struct.Struct("=IIQQ").unpack
_HAS_LOCK = getattr(sys, "_is_gil_enabled", lambda: True)()
_new_tuple = tuple.__new__
_opened: weakref.WeakSet[Meter] = weakref.WeakSet()


class Meter:
    """One measured run, from opening to `close`.

    Args:
        options: the library's options by name, as in its JSON; `eco2._options.Options` lists them all.
        more: the same as keywords; they go over `options`. A value of None is left out.

    Recording (`begin`, `end`, `step`, spans) is wait-free and may be used by any thread. A fault of measuring never
    raises: in a forked child nothing is recorded (open a meter of its own there), what finds no room is dropped and
    counted. Mistakes do raise: an `end` without `begin`, a record after `close`. As a context manager it closes itself.
    A copy of a meter (pickle, deepcopy) records nothing and knows nothing, as a forked child's. At the end of the
    interpreter an open meter is closed. In a notebook, opening one again with the options of one that
    is still open gives that one: a cell that is run again does not measure twice.

    Raises:
        Error: ECO2_ERR_OPTIONS, naming the option; ECO2_ERR_OPEN.
        LoadError: the library is missing or of another version.
    """

    _apart = False

    @classmethod
    def apart(cls, options: Mapping | None = None, **more: Unpack[Options]) -> Meter:
        """A separate meter: in a notebook `Meter(...)` may return one that is open already, `Meter.apart(...)` never does.

        For code that opens and closes meters in addition to those of the user.

        Raises:
            Error, LoadError: as `Meter`.
        """
        meter = super().__new__(cls)
        meter._apart = True
        meter.__init__(options, **more)  # type: ignore[misc]
        return meter

    def __new__(cls, options: Mapping | None = None, **more: Unpack[Options]) -> Meter:
        return _notebook.live(cls, _opened, merged(options, more)) or super().__new__(cls)

    def __init__(self, options: Mapping | None = None, **more: Unpack[Options]) -> None:
        if "_handle" in self.__dict__:  # a notebook's, which was opened before
            return
        self.options: dict = merged(options, more)
        self._open()

    def _open(self) -> None:
        lib = library()
        _log.connect()
        address = ctypes.c_void_p()
        try:
            check(lib, lib.meter_open(as_json(self.options), ctypes.byref(address)))
        except Error as error:
            if error.code == c.ECO2_ERR_OPTIONS:
                raise Error(error.code, explained(str(error))) from None
            raise
        self._bind(lib, _abi.handle_of(lib, address.value))
        self._opened_ns = time.monotonic_ns()
        _opened.add(self)
        _log.started(self)

    def _bind(self, lib, handle) -> None:  # type: ignore[no-untyped-def]
        self._library, self._handle = lib, handle
        self._closed, self._lost = False, 0
        self._owed: set[Stamped] = set()
        self._ids = ids = Ids(lib, handle)
        functions = (lib.span_begin, lib.span_end, lib.step)
        self._begins, self._ends, self._steps = (Calls(function, handle, ids) for function in functions)
        self._numbers = _requests.Numbers()
        self._works, self._now = Calls(lib.step_work, handle, ids), self._new_now()

    def _new_now(self):  # type: ignore[no-untyped-def]
        """A struct for the energy now, and the call that fills it."""
        found = _abi.EnergyNow(_NOW_SIZE)
        return found, functools.partial(self._library.now, self._handle, ctypes.byref(found))

    def __reduce__(self):  # type: ignore[no-untyped-def]
        return _left_behind, (type(self), self.options)

    # Recording.

    def span(self, name: str = "span", sync: str = "none", synchronize: Callable[[], object] | None = None,
             event: Callable[[], Callable[[], int | None]] | None = None) -> Span:
        """A context manager and decorator that measures what is in it; keep it, it may be used again and by any thread.

        Args:
            name: 1 to 256 bytes; all spans of one name are added up.
            sync: what the edges do about work that is queued on a GPU. `"none"`: nothing; the energy of up to one
                queue's depth of work falls outside the span. `"synchronize"`: `synchronize()` is called at both edges,
                which is exact and stalls the queue. `"event"`: the device stamps the edges and nothing waits.
            synchronize: waits for the device, such as `torch.cuda.synchronize`.
            event: called at each edge, at once; returns a poll that gives the edge's time in nanoseconds of
                `time.monotonic_ns()`, or None while the device has not got there. Polled at later edges and at close.

        Raises:
            Error: ECO2_ERR_ARGUMENT for a name or a `sync` that cannot be.
        """
        span = self._made(name, sync, synchronize, event)
        if sync != "none":
            self._library.declare_sync(self._handle, self._ids[name], SYNCS[sync])
        return span

    def _made(self, name, sync, synchronize, event) -> Span:  # type: ignore[no-untyped-def]
        edges = self.edges(name)
        if sync == "none":
            return Span(name, *edges)
        if sync == "synchronize" and callable(synchronize):
            return Synchronized(name, *edges, synchronize)
        if sync == "event" and callable(event):
            record = functools.partial(self._library.span_between, self._handle, self._ids[name])
            # Records spans that were made for one use and still wait for their stamps.
            self._settle()
            return Stamped(name, record, event, self._owed)
        wanted = f"sync={sync!r} needs the callable {'synchronize' if sync == 'synchronize' else 'event'}"
        allowed = f"sync is {sync!r}; allowed: {', '.join(SYNCS)}"
        raise Error(c.ECO2_ERR_ARGUMENT, wanted if sync in SYNCS else allowed)

    def begin(self, name: str) -> None:
        """Begins a span on this thread.

        Raises:
            Error: ECO2_ERR_CLOSED, or ECO2_ERR_ARGUMENT for the name.
        """
        status = self._begins[name]()
        if status:
            self._lost += status == c.ECO2_ERR_DROPPED
            self._check(status)

    def end(self, name: str) -> None:
        """Ends this thread's nearest open span of that name.

        Raises:
            Error: ECO2_ERR_NOT_OPEN if there is none; ECO2_ERR_CLOSED.
        """
        status = self._ends[name]()
        if status == c.ECO2_ERR_NOT_OPEN and self._lost > 0:
            self._lost -= 1  # the end of a span that was begun and found no room: no mistake of the caller's
        elif status:
            self._check(status)

    def step(self, name: str = "step", samples: int | None = None, tokens: int | None = None,
             loss: float | None = None, extra: Mapping[str, float] | None = None) -> None:
        """Ends this thread's step and begins the next at one instant.

        A loop of ten calls is ten steps: the first began when the meter opened, or where `start_steps` was called. (Until
        0.1 the first call only began a step, so that ten calls were nine steps.) After an explicit `end` of that name the
        next call only begins. Steps are counted on each thread. The run's own steps, which budgets, forecasts and the
        report's `work` count, are those of the name in the option `step_name`: by default `"step"`, and without spans of
        that name the first one that is stepped.

        Args:
            name: the steps' name.
            samples, tokens: what the ended step has processed.
            loss: its loss; one that is not finite is ignored.
            extra: figures of the program's own for the report, as `extra`.

        Raises:
            Error: ECO2_ERR_CLOSED, or ECO2_ERR_ARGUMENT naming the argument; then nothing was recorded.
        """
        if samples is None and tokens is None and loss is None:
            status = self._steps[name]()
        else:
            try:
                work = PACK_WORK(WORK_SIZE, 0 if loss is None else c.ECO2_WORK_HAS_LOSS, 0 if samples is None else samples,
                                  0 if tokens is None else tokens, 0.0 if loss is None else loss)
            except Exception:
                # A value that is not plain: converted, or refused by name.
                work = work_of(samples, tokens, loss)
            status = self._works[name](work)
        if status:
            self._check(status)
        if extra:
            for key, value in extra.items():
                self.extra(key, value)

    def start_steps(self, name: str = "step") -> None:
        """Starts the steps of that name on this thread: the next one begins here.

        For set-up before the first step, and for pauses between steps; a step that is open is given up and does not count.

        Raises:
            Error: ECO2_ERR_CLOSED, or ECO2_ERR_ARGUMENT for the name.
        """
        self._check(self._library.start_steps(self._handle, self._ids[name]))

    def stepper(self, name: str = "step") -> Callable[[], int]:
        """A prebound `step` without arguments, the cheapest there is; returns a status (0: recorded) and never raises."""
        return self._steps[name]

    def edges(self, name: str) -> tuple[Callable[[], int], Callable[[], int]]:
        """Prebound `begin` and `end` of a name; each returns a status (0: recorded) and never raises."""
        return self._begins[name], self._ends[name]

    def extra(self, name: str, value: float) -> None:
        """Adds a figure of the program's own to the report; the last value of a name counts.

        Raises:
            Error: ECO2_ERR_ARGUMENT for a name or a value that cannot be (not finite); ECO2_ERR_CLOSED.
        """
        self._check(self._library.extra(self._handle, encoded(name, "name"), number(value, "value")))

    def request_step(self, tokens: Mapping[Hashable, int] | None = None) -> None:
        """Ends a step of an inference engine: divides the energy since the last call among requests that share the device.

        Each gets a share in proportion to the tokens that the step computed for it, of prompt and answer. Without tokens the
        energy is idle: call it so before a step after a pause. The first call divides the energy since the meter opened.
        The requests and the idle energy add up to `now()` at the last call exactly. One engine per meter.

        Args:
            tokens: number of tokens by request; any key that identifies a request until `request_end`.

        Raises:
            Error: ECO2_ERR_CLOSED, or ECO2_ERR_ARGUMENT naming the argument; then nothing was divided.
        """
        self._check(_requests.step(self._library, self._handle, self._numbers, {} if tokens is None else tokens))

    def request_end(self, key: Hashable) -> Request | None:
        """Ends a request: its energy does not change any more. None if no step computed tokens for it, or it has ended."""
        return _requests.one(self._library, self._handle, self._library.request_end, self._numbers.pop(key, None))

    def _check(self, status: int) -> None:
        if status and status not in FAULTS:
            check(self._library, status)

    # Reading.

    def now(self) -> Energy | None:
        """Energy now, extrapolated from the last readings; None where nothing is known. Wait-free.

        Raises:
            Error: ECO2_ERR_CLOSED.
        """
        # One struct for all threads: the call fills it, and the next one reads it, under the interpreter's lock each. What
        # another thread's call has put there in between is the energy now as well.
        found, read = self._now if _HAS_LOCK else self._new_now()
        status = read()
        if status:
            return _read.unknown(self._library, status)
        _, flags, at_ns, total_uj = _UNPACK_NOW(found)
        return _new_tuple(Energy, (at_ns, total_uj, flags & c.ECO2_NOW_COMPLETE != 0))

    def total(self, name: str) -> Total | None:
        """The sum over the spans of that name that have ended; None if none has."""
        return _read.total(self._library, self._handle, self._ids.get(name))

    def request(self, key: Hashable) -> Request | None:
        """An open request so far; None if no step computed tokens for it, or it has ended."""
        return _requests.one(self._library, self._handle, self._library.request_get, self._numbers.get(key))

    def requests(self) -> Requests:
        """The sums over all requests so far, and the energy per token of those that have ended."""
        return _requests.sums(self._library, self._handle)

    def devices(self) -> list[Device]:
        """The figures of every device until now; empty where nothing can be measured."""
        return _read.devices(self._library, self._handle)

    def series(self, device: str) -> Series:
        """The knots of a device, by its id; none for an id that no device has.

        Raises:
            Error: ECO2_ERR_ARGUMENT for an id that is no text.
        """
        return _read.series(self._library, self._handle, device)

    def budget(self) -> Budget:
        """Compares what was spent, and what will be at the end, with the limits of the option `budget`; nothing is stopped.

        Raises:
            Error: ECO2_ERR_FORKED and the like.
        """
        return _read.budget(self._library, self._handle)

    def report(self, format: str = "json") -> str:
        """The report as text: final once the meter is closed, provisional before.

        Args:
            format: one of `report_formats()` but `pdf`, which is not text: see `Report.to_pdf`. The command renders `html`,
                `markdown`, `latex`, `firefox`, `esg`, `gpai` and `cyclonedx`, the library all others.

        Raises:
            Error: ECO2_ERR_ARGUMENT for another; ECO2_ERR_FORKED; ECO2_ERR_NO_DATA where there is no library, or no command.
        """
        if format in _read.BY_COMMAND and format != "pdf":
            return self.report_object().to_format(format)  # type: ignore[return-value]
        return _read.report(self._library, self._handle, format)

    def report_object(self) -> Report:
        """The report to read by attribute or key; it does not change any more.

        Raises:
            Error: as `report`.
        """
        return Report(self.report("json"), self.report("text"))

    # Start and end.

    def start(self) -> Meter:
        """Returns the meter: it measures since it was opened. One that was stopped or closed opens a new run here.

        Open the meter where measuring is to start: what ran since then belongs to the run. Spans that were made before a stop
        belong to the run that was stopped.

        Raises:
            Error, LoadError: as `Meter`.
        """
        if self._closed:
            self._open()
        elif time.monotonic_ns() - self._opened_ns > LATE_START_NS:
            _log.emit("warning", "start() came more than a second after the meter was opened, and the run includes that time: "
                                 "open the meter where measuring is to start")
        return self

    def stop(self) -> Report:
        """Closes the meter and returns the report of its run: `kwh`, `co2_kg`, their ranges, `quality`, and everything else.

        Never raises: where nothing is known (a forked child, a system without the library) the report is empty.
        """
        close_quietly(self)
        try:
            return self.report_object()
        except Error as error:
            return Report({}, f"nothing is known: {error}")

    def close(self) -> None:
        """Ends the run: waits at most 250 ms for the counters' next updates. The meter can then still be read.

        A second call does nothing. In a forked child nothing happens to the parent's run.

        Raises:
            Error: ECO2_ERR_WRITE; the meter is closed, but the file of the option `json` could not be written.
        """
        if self._closed:
            return
        if self._owed and not self.forked:
            self._wait_for_stamps()
        status = self._library.meter_close(self._handle)
        self._closed = True
        if status not in DONE:
            check(self._library, status)

    def _settle(self) -> int:
        """Records the spans whose stamps are known by now; returns how many still wait."""
        return sum(span.settle() for span in list(self._owed))

    def _wait_for_stamps(self) -> None:
        until_ns = time.monotonic_ns() + STAMPS_NS
        while self._owed:
            owed = self._settle()
            if not owed:
                return
            if time.monotonic_ns() > until_ns:
                return _log.emit("warning", f"{owed} spans were not recorded: the device has not stamped their edges")
            time.sleep(0.001)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    @property
    def forked(self) -> bool:
        """Whether this process is a fork of the one that opened the meter, or this a copy; then nothing is recorded here."""
        return self._library.meter_forked(self._handle) == c.ECO2_ERR_FORKED

    @property
    def rank(self) -> int | None:
        """This process's rank among those that a launcher (torchrun, mpirun, srun and others) started; None without one."""
        return _read.rank(self._library, self._handle)

    def __enter__(self) -> Meter:
        return self

    def __exit__(self, *raised: object) -> None:
        close_quietly(self)

    def __repr__(self) -> str:
        return f"<eco2.Meter {self.options.get('name', '')!r}, {'closed' if self._closed else 'open'}>"


def _left_behind(cls, options: dict) -> Meter:  # type: ignore[no-untyped-def]
    """The copy of a meter: it has the options, and no part in the run."""
    meter = object.__new__(cls)
    meter.options = options
    meter._bind(LeftBehind(), None)
    return meter


def close_quietly(meter: Meter) -> None:
    """Closes; a report that cannot be written is warned of, and ends no program."""
    try:
        meter.close()
    except Error as error:
        warnings.warn(f"eco2: {error}", RuntimeWarning, stacklevel=3)


@atexit.register
def _close_all() -> None:
    for meter in list(_opened):
        close_quietly(meter)
