"""libeco2 by ctypes alone, no wrapper: python3 raw.py LIBRARY FOLDER."""

import ctypes
import json
import sys


class EnergyNow(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("flags", ctypes.c_uint32), ("at_ns", ctypes.c_uint64),
                ("total_uj", ctypes.c_uint64)]


def main(library, folder):
    eco2 = ctypes.CDLL(library)
    eco2.eco2_last_error.restype = ctypes.c_char_p
    eco2.eco2_meter_free.restype = None
    assert eco2.eco2_abi_version() == 1
    meter, name = ctypes.c_void_p(), ctypes.c_uint32()
    options = {"sysfs": folder, "nvml": folder + "/none", "sources": ["synthetic"], "log": False, "zone": "DE"}
    status = eco2.eco2_meter_open(json.dumps(options).encode(), ctypes.byref(meter))
    assert status == 0, eco2.eco2_last_error()
    assert eco2.eco2_span_id(meter, b"step", ctypes.byref(name)) == 0
    for _ in range(1000):
        assert eco2.eco2_step(meter, name) == 0
    now = EnergyNow(struct_size=ctypes.sizeof(EnergyNow))
    eco2.eco2_now(meter, ctypes.byref(now))
    assert eco2.eco2_span_end(meter, ctypes.c_uint32(77)) == 3 and b"77" in eco2.eco2_last_error()
    assert eco2.eco2_meter_close(meter) == 0
    needed = ctypes.c_size_t()
    assert eco2.eco2_report(meter, 0, None, ctypes.c_size_t(0), ctypes.byref(needed)) == 0
    buffer = ctypes.create_string_buffer(needed.value)
    assert eco2.eco2_report(meter, 0, buffer, needed, ctypes.byref(needed)) == 0
    report = json.loads(buffer.value)
    assert report["schema"] == "eco2.report/1" and report["spans"][0]["count"] == 1000
    eco2.eco2_meter_free(meter)


main(*sys.argv[1:])
