"""The C interface for ctypes: structs, and two tables of functions. A test compares them with `eco2.h`.

Two ways to call, because of the interpreter's lock (GIL):

* `WAIT_FREE` functions are loaded with PyDLL, which keeps the lock: the call lasts nanoseconds, and a caller that released
  the lock would get it back milliseconds later if another Python thread is busy. (`eco2_column_fill` lasts longer, and
  needs the lock: it calls the interpreter's own functions. `eco2_step_work` and `eco2_extra` may take a lock, which is
  held for nanoseconds only.) The functions in `UNTYPED` have no `argtypes`: ctypes then passes the prebuilt handle without
  a conversion, and an int as a C int of 32 bits. A wider value must be a ctypes object.
* `BLOCKING` functions are loaded with CDLL, which releases the lock, so that other threads run during the call.
"""

from __future__ import annotations

import ctypes
from ctypes import CFUNCTYPE, POINTER, Structure, c_char, c_char_p, c_double, c_int32, c_size_t, c_uint32, c_uint64, c_void_p


class Work(Structure):
    """`eco2_work`."""

    _fields_ = [("struct_size", c_uint32), ("flags", c_uint32), ("samples", c_uint64), ("tokens", c_uint64),
                ("loss", c_double)]


class EnergyNow(Structure):
    """`eco2_energy_now`."""

    _fields_ = [("struct_size", c_uint32), ("flags", c_uint32), ("at_ns", c_uint64), ("total_uj", c_uint64)]


class SpanSum(Structure):
    """`eco2_span_sum`."""

    _fields_ = [("struct_size", c_uint32), ("state", c_int32), ("sync", c_int32), ("reserved", c_uint32),
                ("count", c_uint64), ("duration_ns", c_uint64), ("energy_uj", c_uint64), ("low_uj", c_uint64),
                ("high_uj", c_uint64), ("free_low_uj", c_uint64), ("free_high_uj", c_uint64), ("range_percent", c_double),
                ("range_kind", c_int32), ("reserved2", c_uint32)]


class DeviceInfo(Structure):
    """`eco2_device`."""

    _fields_ = [("struct_size", c_uint32), ("flags", c_uint32), ("component", c_int32), ("quality", c_int32),
                ("energy_uj", c_uint64), ("low_uj", c_uint64), ("high_uj", c_uint64), ("wraps", c_uint64),
                ("resets", c_uint64), ("coverage", c_double), ("mean_w", c_double), ("peak_w", c_double),
                ("gain_percent", c_double), ("free_low_uj", c_uint64), ("free_high_uj", c_uint64),
                ("range_percent", c_double), ("range_kind", c_int32), ("reserved", c_uint32)]


class BudgetState(Structure):
    """`eco2_budget`."""

    _fields_ = [("struct_size", c_uint32), ("decision", c_int32), ("limits", c_uint32), ("reserved", c_uint32),
                ("share", c_double), ("unit", c_int32), ("reserved2", c_uint32), ("spent", c_double), ("limit", c_double),
                ("held", c_double), ("finish", c_double), ("finish_low", c_double), ("finish_high", c_double),
                ("finish_p90", c_double), ("low", c_double), ("high", c_double), ("quality_percent", c_double),
                ("quality", c_int32), ("reserved3", c_uint32)]


class RequestEnergy(Structure):
    """`eco2_request`."""

    _fields_ = [("struct_size", c_uint32), ("flags", c_uint32), ("tokens", c_uint64), ("energy_uj", c_uint64)]


class RequestTotals(Structure):
    """`eco2_request_totals`."""

    _fields_ = [("struct_size", c_uint32), ("flags", c_uint32), ("finished", c_uint64), ("open", c_uint64),
                ("tokens", c_uint64), ("energy_uj", c_uint64), ("idle_uj", c_uint64), ("p50_uj_per_token", c_uint64),
                ("p95_uj_per_token", c_uint64)]


class Batch(Structure):
    """`eco2_batch`."""

    _fields_ = [("struct_size", c_uint32), ("kind", c_int32), ("count", c_uint64), ("amount", POINTER(c_uint64)),
                ("time_ns", POINTER(c_uint64)), ("g_per_kwh", POINTER(c_double)), ("pue", c_double),
                ("price_per_tonne", c_double), ("kwh", POINTER(c_double)), ("watts", POINTER(c_double)),
                ("grams", POINTER(c_double)), ("grams_per_s", POINTER(c_double)), ("credit_cost", POINTER(c_double))]


class Powers(Structure):
    """`eco2_powers`."""

    _fields_ = [("struct_size", c_uint32), ("flags", c_uint32), ("count", c_uint64), ("power_w", POINTER(c_double)),
                ("duration_s", POINTER(c_double)), ("g_per_kwh", POINTER(c_double)), ("pue", c_double),
                ("kwh", POINTER(c_double)), ("kg", POINTER(c_double)), ("kg_per_s", POINTER(c_double))]


STRUCTS = {"eco2_work": Work, "eco2_energy_now": EnergyNow, "eco2_span_sum": SpanSum, "eco2_device": DeviceInfo,
           "eco2_budget": BudgetState, "eco2_request": RequestEnergy, "eco2_request_totals": RequestTotals,
           "eco2_batch": Batch, "eco2_powers": Powers}
"""The structs that are used here, by the header's name."""

LOG_FN = CFUNCTYPE(None, c_void_p, c_int32, c_char_p)
"""`eco2_log_fn`."""


class Owned(c_char):
    """The meter as a ctypes object at its address. The meter is freed with the last reference to this object."""

    def __del__(self) -> None:
        free = self.__dict__.get("free")
        if free is not None:
            free(c_void_p(ctypes.addressof(self)))


def handle_of(library, address: int | None):  # type: ignore[no-untyped-def]
    """The handle of the meter at that address, for calls: prebuilt, and it keeps the meter alive.

    `byref` returns the one kind of object that ctypes passes without a conversion; a `c_void_p` would be wrapped again for
    every call, which costs as much as the call. None stays None.
    """
    if not address:
        return None
    owned = Owned.from_address(address)
    owned.__dict__["free"] = library.meter_free
    return ctypes.byref(owned)


_SIZES = POINTER(c_size_t)
_U64S = POINTER(c_uint64)

WAIT_FREE = {
    "eco2_column_fill": (c_int32, (c_void_p, c_void_p, c_void_p, c_void_p, POINTER(c_double), c_uint64)),
    "eco2_span_begin": (c_int32, (c_void_p, c_uint32)),
    "eco2_span_end": (c_int32, (c_void_p, c_uint32)),
    "eco2_step": (c_int32, (c_void_p, c_uint32)),
    "eco2_start_steps": (c_int32, (c_void_p, c_uint32)),
    "eco2_step_work": (c_int32, (c_void_p, c_uint32, POINTER(Work))),
    "eco2_now": (c_int32, (c_void_p, POINTER(EnergyNow))),
    "eco2_meter_forked": (c_int32, (c_void_p,)),
    "eco2_meter_rank": (c_int32, (c_void_p, POINTER(c_uint32))),
    "eco2_extra": (c_int32, (c_void_p, c_char_p, c_double)),
    "eco2_status_name": (c_char_p, (c_int32,)),
    "eco2_version": (c_char_p, ()),
    "eco2_abi_version": (c_uint32, ()),
    "eco2_last_error": (c_char_p, ()),
}
"""Functions that are called with the interpreter's lock held: `(result, arguments)` by name."""

UNTYPED = ("eco2_span_begin", "eco2_span_end", "eco2_step", "eco2_step_work", "eco2_now")
"""Functions of `WAIT_FREE` without `argtypes`."""

BLOCKING = {
    "eco2_set_log_callback": (c_int32, (LOG_FN, c_void_p, c_void_p)),
    "eco2_meter_open": (c_int32, (c_char_p, POINTER(c_void_p))),
    "eco2_meter_close": (c_int32, (c_void_p,)),
    "eco2_meter_free": (None, (c_void_p,)),
    "eco2_span_id": (c_int32, (c_void_p, c_char_p, POINTER(c_uint32))),
    "eco2_span_between": (c_int32, (c_void_p, c_uint32, c_uint64, c_uint64)),
    "eco2_declare_sync": (c_int32, (c_void_p, c_uint32, c_int32)),
    "eco2_span_total": (c_int32, (c_void_p, c_uint32, POINTER(SpanSum))),
    "eco2_series": (c_int32, (c_void_p, c_char_p, _U64S, _U64S, _U64S, c_size_t, _SIZES)),
    "eco2_request_step": (c_int32, (c_void_p, _U64S, _U64S, c_size_t)),
    "eco2_request_get": (c_int32, (c_void_p, c_uint64, POINTER(RequestEnergy))),
    "eco2_request_end": (c_int32, (c_void_p, c_uint64, POINTER(RequestEnergy))),
    "eco2_request_sums": (c_int32, (c_void_p, POINTER(RequestTotals))),
    "eco2_device_count": (c_int32, (c_void_p, POINTER(c_uint32))),
    "eco2_device_get": (c_int32, (c_void_p, c_uint32, POINTER(DeviceInfo))),
    "eco2_device_text": (c_int32, (c_void_p, c_uint32, c_int32, c_char_p, c_size_t, _SIZES)),
    "eco2_report": (c_int32, (c_void_p, c_int32, c_char_p, c_size_t, _SIZES)),
    "eco2_budget_check": (c_int32, (c_void_p, POINTER(BudgetState))),
    "eco2_batch_impact": (c_int32, (POINTER(Batch),)),
    "eco2_batch_powers": (c_int32, (POINTER(Powers), POINTER(c_uint64))),
    "eco2_merge": (c_int32, (POINTER(c_char_p), c_size_t, c_char_p, c_size_t, _SIZES)),
    "eco2_plan": (c_int32, (c_char_p, c_char_p, c_size_t, _SIZES)),
    "eco2_zone": (c_int32, (c_char_p, c_char_p, c_size_t, _SIZES)),
    "eco2_debug_panic": (c_int32, (c_void_p,)),
}
"""Functions that release the interpreter's lock during the call: `(result, arguments)` by name."""

NOT_BOUND = ("eco2_register_source", "eco2_now_devices")
"""Functions of the header that Python does not offer."""


class Library:
    """The loaded library; its functions are attributes, without `eco2_`.

    Args:
        path: a file, or a name that the system's loader finds.

    Raises:
        OSError: it cannot be loaded.
        AttributeError: a function is missing in it.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        wait_free, blocking = ctypes.PyDLL(path), ctypes.CDLL(path)
        for dll, table in ((wait_free, WAIT_FREE), (blocking, BLOCKING)):
            for name, (result, arguments) in table.items():
                function = getattr(dll, name)
                function.restype = result
                if name not in UNTYPED:
                    function.argtypes = arguments
                setattr(self, name[len("eco2_"):], function)

    def __getattr__(self, name: str):  # type: ignore[no-untyped-def]
        raise AttributeError(f"eco2_{name} is not bound")

    def error_text(self) -> str:
        """The reason why the last failed call on this thread failed."""
        return (self.last_error() or b"").decode("utf-8", "replace")
