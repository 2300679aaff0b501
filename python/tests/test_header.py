"""The ctypes tables against `eco2.h`: every constant, every field, every signature."""

import ctypes
import unittest

import fixture  # noqa: F401
import header

from eco2 import _abi, _constants, _given, _version, meter

PLAIN = {"uint32_t": ctypes.c_uint32, "int32_t": ctypes.c_int32, "uint64_t": ctypes.c_uint64, "size_t": ctypes.c_size_t,
         "double": ctypes.c_double, "char*": ctypes.c_char_p,
         "char**": ctypes.POINTER(ctypes.c_char_p), "void*": ctypes.c_void_p, "eco2_meter*": ctypes.c_void_p,
         "eco2_meter**": ctypes.POINTER(ctypes.c_void_p), "void": None, "eco2_log_fn": _abi.LOG_FN,
         "eco2_destroy_fn": ctypes.c_void_p, "eco2_item_fn": ctypes.c_void_p, "eco2_number_fn": ctypes.c_void_p,
         "eco2_failed_fn": ctypes.c_void_p}


def python_type(c_type):
    """The ctypes type of a C type."""
    if c_type in PLAIN:
        return PLAIN[c_type]
    target = c_type[:-1]
    return ctypes.POINTER(_abi.STRUCTS.get(target) or PLAIN[target])


class Header(unittest.TestCase):
    def test_every_constant_has_its_number(self):
        ours = {name: value for name, value in vars(_constants).items() if name.startswith("ECO2_")}
        self.assertEqual(ours, header.constants())
        self.assertEqual(header.CONSTANTS.read_text(), header.constants_module(), "run python/tests/header.py")
        self.assertGreater(len(ours), 40)

    def test_the_versions_are_one(self):
        self.assertEqual(_version.VERSION, header.version())

    def test_every_struct_has_its_fields_at_their_places(self):
        theirs = header.structs()
        for name, struct in _abi.STRUCTS.items():
            fields = [(field, python_type(kind)) for field, kind in theirs[name]]
            self.assertEqual([(field, kind) for field, kind, *_ in struct._fields_], fields, name)

    def test_every_function_has_its_signature(self):
        theirs = header.functions()
        ours = {**_abi.WAIT_FREE, **_abi.BLOCKING}
        self.assertEqual(sorted([*ours, *_abi.NOT_BOUND]), sorted(theirs), "functions of the header")
        for name, (result, arguments) in ours.items():
            c_result, c_arguments = theirs[name]
            wanted = (python_type(c_result), tuple(python_type(kind) for kind in c_arguments))
            self.assertEqual((result, tuple(arguments)), wanted, name)

    def test_every_function_is_called_in_one_way(self):
        self.assertEqual(set(_abi.WAIT_FREE) & set(_abi.BLOCKING), set())

    def test_no_argument_of_an_untyped_call_is_cut_off(self):
        allowed = {"eco2_meter*", "uint32_t", "eco2_work*", "eco2_energy_now*"}
        for name in _abi.UNTYPED:
            self.assertIn(name, _abi.WAIT_FREE)
            self.assertLessEqual(set(header.functions()[name][1]), allowed, name)

    def test_structs_are_packed_and_read_with_the_layout_of_the_header(self):
        work = _abi.Work.from_buffer_copy(_given.PACK_WORK(32, 1, 2, 3, 0.5))
        self.assertEqual([getattr(work, name) for name, _ in work._fields_], [32, 1, 2, 3, 0.5])
        now = _abi.EnergyNow(24, 1, 2, 3)
        self.assertEqual(meter._UNPACK_NOW(now), (now.struct_size, now.flags, now.at_ns, now.total_uj))

    def test_what_waits_gives_the_interpreters_lock_up(self):
        text = (header.ROOT / "include/eco2.h").read_text()
        for name in _abi.WAIT_FREE:
            if name in ("eco2_step_work", "eco2_extra"):
                continue  # a lock that is held for nanoseconds only
            comment = text[:text.index(f"{name}(")].rpartition("/*")[2]
            self.assertNotIn("Takes a lock", comment, name)
            self.assertNotIn("Waits", comment, name)


if __name__ == "__main__":
    unittest.main()
