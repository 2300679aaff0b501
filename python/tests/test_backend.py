"""The build backend: what is in a wheel, without building the library."""

import base64
import hashlib
import subprocess
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path

from fixture import ROOT

sys.path.insert(0, str(ROOT / "python/build_backend"))

import eco2_build  # noqa: E402
import eco2_wheel  # noqa: E402


class Wheel(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def test_a_pure_wheel_holds_every_module_and_installs(self):
        name = eco2_build.build_wheel(self.folder, {"pure": "true"})
        self.assertEqual(name, f"eco2-{eco2_build.version()}-py3-none-any.whl")
        names = zipfile.ZipFile(self.folder / name).namelist()
        wanted = {path.relative_to(ROOT / "python/src").as_posix() for path in (ROOT / "python/src").rglob("*.py")}
        self.assertLessEqual(wanted | {"eco2/py.typed"}, set(names))
        self.assertFalse([name for name in names if "_native" in name or "__pycache__" in name])
        place = self.folder / "site"
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", place,
                        self.folder / name], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        subprocess.run([sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(place)!r}); import eco2; "
                        f"assert eco2.__file__.startswith({str(place)!r})"], check=True)

    def test_every_file_is_in_the_record_with_its_hash(self):
        archive = zipfile.ZipFile(self.folder / eco2_build.build_wheel(self.folder, {"pure": "true"}))
        info = f"eco2-{eco2_build.version()}.dist-info"
        rows = [row.rsplit(",", 2) for row in archive.read(f"{info}/RECORD").decode().splitlines()]
        self.assertEqual({name for name, _, _ in rows}, set(archive.namelist()))
        for name, digest, size in rows:
            if name != f"{info}/RECORD":
                data = archive.read(name)
                wanted = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
                self.assertEqual((digest, int(size)), (f"sha256={wanted}", len(data)), name)

    def test_the_metadata_are_those_of_the_project(self):
        archive = zipfile.ZipFile(self.folder / eco2_build.build_wheel(self.folder, {"pure": "true"}))
        info = f"eco2-{eco2_build.version()}.dist-info"
        metadata, scripts = (archive.read(f"{info}/{name}").decode() for name in ("METADATA", "entry_points.txt"))
        for line in ("Name: eco2", f"Version: {eco2_build.version()}", "Requires-Python: >=3.9"):
            self.assertIn(line + "\n", metadata)
        self.assertNotIn("Requires-Dist", metadata, "no dependency")
        self.assertIn("eco2 = eco2._command:main\n", scripts)
        self.assertIn("hf-eco2ai = ", scripts)
        self.assertIn(f"{info}/licenses/LICENSE-MIT", archive.namelist())

    def test_the_metadata_alone_are_those_of_the_wheel(self):
        info = eco2_build.prepare_metadata_for_build_wheel(self.folder)
        archive = zipfile.ZipFile(self.folder / eco2_build.build_wheel(self.folder, {"pure": "true"}))
        written = {path.name: path.read_bytes() for path in (self.folder / info).iterdir()}
        self.assertEqual(set(written), {"METADATA", "entry_points.txt"})
        for name, data in written.items():
            self.assertEqual(data, archive.read(f"{info}/{name}"))

    def test_the_same_content_gives_the_same_bytes(self):
        wheels = []
        for _ in range(2):
            name = eco2_build.build_wheel(self.folder, {"pure": "true"})
            wheels.append((self.folder / name).read_bytes())
        self.assertEqual(*wheels)

    def test_a_wheel_with_a_library_names_its_platform(self):
        self.assertRegex(eco2_build._tag(True), r"^py3-none-\w+_\w+$")
        program = self.folder / "eco2"
        program.write_text("x")
        program.chmod(0o755)
        tables = {"project": {**eco2_build._project()["project"]}, "scripts": {}}
        name = eco2_wheel.write(self.folder, tables, "1", "py3-none-linux_x86_64", {"eco2/_native/eco2": program}, [])
        entry = zipfile.ZipFile(self.folder / name).getinfo("eco2/_native/eco2")
        self.assertEqual(entry.external_attr >> 16, 0o100755)

    def test_there_is_no_source_distribution(self):
        with self.assertRaises(eco2_build.UnsupportedOperation):
            eco2_build.build_sdist(tempfile.gettempdir())


if __name__ == "__main__":
    unittest.main()
