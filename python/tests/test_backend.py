"""The build backend: what is in a wheel, without building the library."""

import base64
import hashlib
import subprocess
import sys
import tarfile
import tempfile
import unittest
import zipfile
from pathlib import Path

from fixture import ROOT

sys.path.insert(0, str(ROOT / "python/build_backend"))

import eco2_build  # noqa: E402


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
        self.assertEqual([name for name in names if "_native" in name or "__pycache__" in name], ["eco2/_native/absent"])
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
        self.assertIn("\n\n# eco2\n", metadata, "the description")
        self.assertIn("Classifier: Operating System :: POSIX :: Linux\n", metadata)
        self.assertIn("eco2 = eco2._command:main\n", scripts)
        self.assertIn("hf-eco2ai = ", scripts)
        self.assertIn(f"{info}/licenses/LICENSE-MIT", archive.namelist())

    def test_native_wheel_has_the_licences_and_the_materials_of_what_is_inside(self):
        for name in ("libeco2.so", "eco2", "THIRD-PARTY-NOTICES", "bill.json"):
            (self.folder / name).write_text(f"content of {name}")
        settings = {"native": str(self.folder), "notices": str(self.folder / "THIRD-PARTY-NOTICES"), "sbom": str(self.folder / "bill.json")}
        archive = zipfile.ZipFile(self.folder / eco2_build.build_wheel(self.folder, settings))
        info = f"eco2-{eco2_build.version()}.dist-info"
        self.assertEqual(archive.read(f"{info}/licenses/THIRD-PARTY-NOTICES"), b"content of THIRD-PARTY-NOTICES")
        self.assertIn(b"License-File: THIRD-PARTY-NOTICES\n", archive.read(f"{info}/METADATA"))
        self.assertEqual(archive.read(f"{info}/sboms/eco2.cdx.json"), b"content of bill.json")

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

    def test_a_wheel_with_a_library_names_its_platform_and_installs_the_native_command(self):
        for name in ("eco2", "libeco2.so"):
            (self.folder / name).write_text("built")
            (self.folder / name).chmod(0o755)
        settings = {"native": str(self.folder), "platform": "manylinux_2_28_x86_64"}
        name = eco2_build.build_wheel(self.folder, settings)
        self.assertEqual(name, f"eco2-{eco2_build.version()}-py3-none-manylinux_2_28_x86_64.whl")
        archive, info = zipfile.ZipFile(self.folder / name), f"eco2-{eco2_build.version()}.dist-info"
        self.assertIn("Root-Is-Purelib: false\n", archive.read(f"{info}/WHEEL").decode())
        command = archive.getinfo(f"eco2-{eco2_build.version()}.data/scripts/eco2")
        self.assertEqual(command.external_attr >> 16, 0o100755)
        self.assertIn("eco2/_native/libeco2.so", archive.namelist())
        self.assertNotIn("eco2/_native/absent", archive.namelist())
        self.assertNotIn("eco2 = ", archive.read(f"{info}/entry_points.txt").decode())
        self.assertRegex(eco2_build._platform(), r"^\w+_\w+$")

    @unittest.skipUnless(eco2_build.shutil.which("git") and (ROOT / ".git").exists(), "needs a checkout of git")
    def test_the_source_distribution_has_what_cargo_and_the_backend_read(self):
        name = eco2_build.build_sdist(self.folder)
        with tarfile.open(self.folder / name) as archive:
            archive.extractall(self.folder)
        top = self.folder / name[:-len(".tar.gz")]
        project = (top / "pyproject.toml").read_text(encoding="utf-8")
        self.assertIn('backend-path = ["python/build_backend"]', project)
        self.assertIn('readme = "python/README.md"', project)
        self.assertIn("Name: eco2\n", (top / "PKG-INFO").read_text(encoding="utf-8"))
        for wanted in ("Cargo.lock", "cli/src/main.rs", "grid/data/yearly.csv", "python/src/eco2/__init__.py", "LICENSE-MIT"):
            self.assertTrue((top / wanted).is_file(), wanted)
        code = "import eco2_build; print(eco2_build.build_wheel('.', {'pure': 'true'}))"
        done = subprocess.run([sys.executable, "-c", code], cwd=top, env={"PYTHONPATH": "python/build_backend"},
                              stdout=subprocess.PIPE, text=True, check=True)
        self.assertEqual(done.stdout.strip(), f"eco2-{eco2_build.version()}-py3-none-any.whl")

    def test_outside_a_checkout_of_git_there_is_no_source_distribution(self):
        root, eco2_build.ROOT = eco2_build.ROOT, self.folder
        self.addCleanup(setattr, eco2_build, "ROOT", root)
        with self.assertRaisesRegex(eco2_build.UnsupportedOperation, "no checkout of git"):
            eco2_build.build_sdist(tempfile.gettempdir())


if __name__ == "__main__":
    unittest.main()
