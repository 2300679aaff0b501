"""Loading the library: the paths that are tried, messages, other versions, other systems."""

import os
import re
import shutil
import subprocess
import unittest
from pathlib import Path

import eco2
from fixture import ROOT, SOURCES, Case

TRY = "import eco2\ntry:\n    eco2.version()\nexcept eco2.LoadError as error:\n    print(error)\n"


class Loading(Case):
    def test_the_version_is_the_librarys(self):
        self.assertEqual(eco2.version(), eco2.__version__)
        self.assertTrue(eco2.available())

    def test_importing_needs_no_library(self):
        self.python("import eco2", ECO2_LIBRARY="/nowhere/libeco2.so")

    def test_importing_imports_no_part_before_it_is_used(self):
        program = ("import sys; before = set(sys.modules); import eco2\n"
                   "print(sorted(set(sys.modules) - before - {'__future__'}))\n"
                   "assert all(getattr(eco2, name) is not None for name in eco2.__all__) and set(eco2.__all__) <= set(dir(eco2))\n"
                   "try: eco2.nothing\n"
                   "except AttributeError as error: print(error)")
        done = subprocess.run(["python3", "-S", "-c", program], env={"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCES)},
                              capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout, "['eco2', 'eco2._version']\nmodule 'eco2' has no attribute 'nothing'\n")

    def test_a_library_that_is_missing_names_the_path_and_the_remedy(self):
        said = self.python(TRY, ECO2_LIBRARY="/nowhere/libeco2.so").stdout
        self.assertIn("/nowhere/libeco2.so: no such file", said)
        self.assertIn("pip install", said)

    def test_without_the_variable_every_place_is_listed(self):
        shutil.copytree(SOURCES / "eco2", f"{self.folder}/lib/eco2", ignore=shutil.ignore_patterns("_native"))
        done = self.python(f"import sys; sys.path[0] = {self.folder + '/lib'!r}\n{TRY}", ECO2_LIBRARY="")
        self.assertIn("lib/eco2/_native/libeco2.so: no such file", done.stdout)
        self.assertIn(f"libeco2.so.{eco2.__version__.rpartition('.')[0]}: ", done.stdout)

    def test_a_file_that_is_no_library_is_named(self):
        place = Path(self.folder) / "libeco2.so"
        place.write_text("text")
        self.assertIn(f"{place}: cannot be loaded", self.python(TRY, ECO2_LIBRARY=str(place)).stdout)

    @unittest.skipUnless(shutil.which("cc"), "needs a C compiler")
    def test_m39_a_library_of_another_version_is_refused(self):
        for number, (version, words) in enumerate([("9.9.9", "is version 9.9.9"), (None, "not the libeco2")]):
            place = self.other(f"other{number}.so", version)
            with self.subTest(version):
                said = self.python(TRY, ECO2_LIBRARY=place).stdout
                self.assertIn(words, said)
                self.assertIn(f"version {eco2.__version__}", said)

    def test_a_library_for_another_processor_is_named(self):
        place = Path(self.folder) / "libeco2.so"
        place.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(11) + (22).to_bytes(2, "little") + bytes(100))
        output = self.python(TRY, ECO2_LIBRARY=str(place)).stdout
        self.assertIn("it is for s390x, and this machine is ", output)
        self.assertIn("pip install", output)

    def other(self, name: str, version: "str | None") -> str:
        """A library with every function of ours and another version; without a version it has no function."""
        from eco2 import _abi

        names = [name for name in [*_abi.WAIT_FREE, *_abi.BLOCKING] if name not in ("eco2_version", "eco2_abi_version")]
        text = "".join(f"void {name}(void) {{}}\n" for name in names)
        text += f'const char *eco2_version(void) {{ return "{version}"; }}\nunsigned eco2_abi_version(void) {{ return 1; }}\n'
        source, place = f"{self.folder}/other.c", f"{self.folder}/{name}"
        Path(source).write_text(text if version else "int nothing;\n")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", place, source], check=True)
        return place


class Elsewhere(Case):
    def test_on_another_system_nothing_is_measured_with_one_warning(self):
        program = ("import sys; sys.platform = 'darwin'\n"
                   "import warnings; warnings.simplefilter('always')\n"
                   "import eco2\n"
                   "for _ in range(2):\n"
                   "    with eco2.Meter(name='a', json='report.json') as meter:\n"
                   "        meter.step(samples=1); meter.step()\n"
                   "        with meter.span('b'): pass\n"
                   "        assert (meter.now(), meter.total('b'), meter.devices()) == (None, None, [])\n"
                   "        assert meter.stepper()() == 0 and not meter.forked\n"
                   "        try: meter.report(); assert False\n"
                   "        except eco2.Error as error: assert error.name == 'ECO2_ERR_NO_DATA', error\n"
                   "assert meter.start().stop().kwh is None\n"
                   "assert not eco2.available() and eco2.version() == ''\n"
                   "@eco2.track\n"
                   "def f(): return 3\n"
                   "assert f() == 3\n")
        done = self.python(program, ECO2_LIBRARY="")
        self.assertEqual(done.stderr.count("measures on Linux only"), 1, done.stderr)


    def test_a_wheel_without_a_library_warns_once_with_the_remedy(self):
        shutil.copytree(SOURCES / "eco2", f"{self.folder}/lib/eco2", ignore=shutil.ignore_patterns("_native"))
        Path(f"{self.folder}/lib/eco2/_native").mkdir()
        Path(f"{self.folder}/lib/eco2/_native/absent").touch()
        for libc, words in [(("", ""), "musl"), (("glibc", "2.17"), "need glibc 2.28, and this system has 2.17"),
                            (("glibc", "2.40"), "or this one was chosen")]:
            with self.subTest(libc):
                program = (f"import sys; sys.path[0] = {self.folder + '/lib'!r}\n"
                           f"import platform; platform.libc_ver = lambda: {libc!r}\n"
                           "import warnings; warnings.simplefilter('always')\n"
                           "import eco2\n"
                           "for _ in range(2):\n"
                           "    with eco2.Meter() as meter: meter.step()\n"
                           "try: eco2.run_cli(['doctor'])\n"
                           "except eco2.Error as error: print(error)\n")
                done = self.python(program, ECO2_LIBRARY="", ECO2_COMMAND="", PATH="/nowhere")
                self.assertEqual(done.stderr.count("has no library"), 1, done.stderr)
                for output in (done.stderr, done.stdout):
                    self.assertIn(words, output)
                    self.assertIn("pip install --no-binary eco2 eco2", output)

    def test_an_old_python_is_refused_with_a_message(self):
        program = ("import sys; sys.version_info = (3, 8, 10, 'final', 0); sys.version = '3.8.10 (main)'\n"
                   "try: import eco2\n"
                   "except ImportError as error: print(error)\n")
        for package in ("eco2", "hf_eco2ai"):
            shown = self.python(program.replace("import eco2", f"import {package}")).stdout
            self.assertIn("eco2 needs Python 3.9 or newer, and this is 3.8.10", shown)


class Command(Case):
    def test_the_wheels_command_is_found_next_to_a_target_folder(self):
        shutil.copytree(SOURCES / "eco2", f"{self.folder}/lib/eco2", ignore=shutil.ignore_patterns("_native"))
        place = Path(f"{self.folder}/lib/bin/eco2")
        place.parent.mkdir()
        place.write_bytes(b"\x7fELF")
        place.chmod(0o755)
        program = f"import sys; sys.path[0] = {self.folder + '/lib'!r}; import eco2; print(eco2.command())"
        self.assertEqual(self.python(program, ECO2_COMMAND="").stdout.strip(), str(place))

    def test_the_command_that_is_named_is_run(self):
        place = Path(self.folder) / "eco2"
        place.write_text("#!/bin/sh\necho ran \"$@\"\nexit 7\n")
        place.chmod(0o755)
        code = "import eco2, sys; sys.argv = ['eco2', 'doctor', '--json']; sys.exit(eco2.main())"
        done = self.python(code, code=7, ECO2_COMMAND=str(place))
        self.assertEqual(done.stdout, "ran doctor --json\n")
        code = "import eco2; print(eco2.run_cli(['a'], capture_output=True, text=True))"
        self.assertIn("stdout='ran a\\n'", self.python(code, ECO2_COMMAND=str(place)).stdout)

    def test_a_command_that_is_missing_is_named(self):
        code = "import eco2, sys; sys.exit(eco2.main())"
        done = self.python(code, code=1, ECO2_COMMAND="/nowhere/eco2")
        self.assertIn("/nowhere/eco2", done.stderr)

    def test_the_function_stays_a_function(self):
        for _ in range(2):
            self.assertTrue(callable(eco2.command))


class Sources(unittest.TestCase):
    def test_every_file_is_valid_for_the_oldest_python(self):
        import ast

        oldest = re.search(r'requires-python = ">=3\.(\d+)"', (SOURCES.parent / "pyproject.toml").read_text(encoding="utf-8")).group(1)
        folders = (SOURCES, SOURCES.parent / "build_backend", ROOT / "examples/python")
        for path in sorted(path for folder in folders for path in folder.rglob("*.py")):
            with self.subTest(path.name):
                ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, int(oldest)))

    def test_old_pythons_understand_the_message_that_refuses_them(self):
        import ast

        for package in ("eco2", "hf_eco2ai"):
            text = (SOURCES / package / "__init__.py").read_text(encoding="utf-8")
            ast.parse(text, feature_version=(3, 6))
            self.assertNotIn("from __future__ import annotations", text, "which 3.6 refuses before it runs anything")

    def test_d26_importing_needs_no_package_that_is_not_declared(self):
        code = ("import sys; sys.path[:] = [p for p in sys.path if 'site-packages' not in p]\n"
                f"sys.path.insert(0, {str(SOURCES)!r}); import eco2, eco2.__main__, eco2._command")
        subprocess.run(["python3", "-I", "-S", "-c", code], check=True, env={"PATH": os.environ["PATH"]})

    def test_the_example_without_the_package_runs(self):
        program = ROOT / "examples/python/ctypes_only.py"
        done = subprocess.run(["python3", str(program), eco2._load.library().path], stdout=subprocess.PIPE, text=True, check=True)
        self.assertIn("steps", done.stdout)


if __name__ == "__main__":
    unittest.main()
