"""libeco2 from Python by ctypes alone, without the package: python3 ctypes_only.py libeco2.so

What the package does for you: it keeps the interpreter's lock during calls that last nanoseconds (PyDLL) and gives it
up during calls that wait (CDLL), it compares versions, and it turns statuses into exceptions.
"""

import ctypes
import json
import sys


class Work(ctypes.Structure):
    """`eco2_work` of eco2.h."""

    _fields_ = [("struct_size", ctypes.c_uint32), ("flags", ctypes.c_uint32), ("samples", ctypes.c_uint64),
                ("tokens", ctypes.c_uint64), ("loss", ctypes.c_double)]


def check(eco2, status):
    """Ends the program with the library's words if a call failed."""
    if status:
        sys.exit(f"eco2: {eco2.eco2_last_error().decode()}")


def train(step):
    """A step of something."""
    return sum(number * number for number in range(20_000 + step))


def report(eco2, meter, format_):
    """The report as text: asked for its size first."""
    needed = ctypes.c_size_t()
    check(eco2, eco2.eco2_report(meter, format_, None, ctypes.c_size_t(0), ctypes.byref(needed)))
    buffer = ctypes.create_string_buffer(needed.value)
    check(eco2, eco2.eco2_report(meter, format_, buffer, needed, ctypes.byref(needed)))
    return buffer.value.decode()


def main(path):
    """Measures a loop of 50 steps."""
    hot, eco2 = ctypes.PyDLL(path), ctypes.CDLL(path)
    eco2.eco2_last_error.restype = hot.eco2_last_error.restype = ctypes.c_char_p
    eco2.eco2_meter_free.restype = None
    if eco2.eco2_abi_version() != 1:
        sys.exit("eco2: this program was written for version 1 of the interface")
    meter, step = ctypes.c_void_p(), ctypes.c_uint32()
    options = {"name": "ctypes", "log": False, "labels": {"example": "ctypes_only"}}
    check(eco2, eco2.eco2_meter_open(json.dumps(options).encode(), ctypes.byref(meter)))
    check(eco2, eco2.eco2_span_id(meter, b"step", ctypes.byref(step)))
    work = Work(struct_size=ctypes.sizeof(Work), samples=32)
    for number in range(50):
        train(number)
        check(hot, hot.eco2_step_work(meter, step, ctypes.byref(work)))
    check(eco2, eco2.eco2_meter_close(meter))
    found = json.loads(report(eco2, meter, 0))
    spans = found["spans"][0]
    print(report(eco2, meter, 1))
    print(f"{spans['count']} steps, {spans['energy_uj'] / 1e6:.3f} J")
    eco2.eco2_meter_free(meter)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__.splitlines()[0])
    main(sys.argv[1])
