"""The checks of the project itself: each can fail."""

import contextlib
import importlib.machinery
import importlib.util
import io
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from fixture import ROOT, fake_driver


def script(name: str):
    """A script without an ending, as a module."""
    loader = importlib.machinery.SourceFileLoader(name, str(ROOT / "scripts" / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


def gates(*commands: str) -> subprocess.CompletedProcess:
    """What the runner makes of gates with these commands."""
    lines = ["set -euo pipefail", "SCRATCH=$(mktemp -d)", "source scripts/lib/gates.sh"]
    lines += [f"gate g{place} {command}" for place, command in enumerate(commands)] + ["gates_summary"]
    return subprocess.run(["bash", "-c", "\n".join(lines)], cwd=ROOT, capture_output=True, text=True)


class Gates(unittest.TestCase):
    def test_d42_a_gate_that_fails_fails_the_run_and_the_others_are_run(self):
        done = gates("true", "false", "skip reason", "true")
        self.assertEqual(done.returncode, 1)
        self.assertIn("gates: 2 passed, 1 failed, 1 skipped", done.stdout)
        self.assertIn("skipped: reason", done.stdout)
        self.assertEqual(gates("true").returncode, 0)
        self.assertEqual(gates("exit 77").returncode, 1, "a skip without a reason is a failure")

    def test_required_gate_that_is_skipped_fails_the_run(self):
        done = gates('skip reason; REQUIRED=("g 2" g1)', "skip reason")
        self.assertEqual(done.returncode, 1)
        self.assertIn("FAILED (required, but skipped: reason)", done.stdout)
        self.assertIn("gates: 0 passed, 1 failed, 1 skipped", done.stdout)
        self.assertEqual(gates('skip reason; REQUIRED=("g 1")', "true").returncode, 0)

    def test_missing_fake_driver_fails_where_the_tests_are_required(self):
        library = mock.patch("eco2._load.library", lambda: mock.Mock(path="/nowhere/libeco2.so"))
        for variables, kind in (({"CI": "true"}, RuntimeError), ({"ECO2_LIBRARY": "/nowhere/libeco2.so"}, RuntimeError), ({}, unittest.SkipTest)):
            with library, mock.patch.dict("os.environ", variables, clear=True), self.assertRaisesRegex(kind, "cargo build -p fake-nvml"):
                fake_driver()

    def test_every_required_gate_exists(self):
        text = (ROOT / "scripts/test").read_text(encoding="utf-8")
        listed = re.findall(r'"[^"]+"|\S+', re.search(r"REQUIRED=\(([^)]*\(loom\)[^)]*)\)", text).group(1))
        names = {name.strip('"') for name in re.findall(r'^ *gate ("[^"]+")', text, re.MULTILINE)}
        self.assertGreater(len(listed), 10)
        self.assertEqual({name.strip('"') for name in listed} - names, set())

    def test_words_of_an_output_that_a_page_shows_must_be_in_the_output(self):
        snippets = script("snippets")
        page = "```sh run\necho\n```\n\n```text shown Energy Emissions\n  Energy 190 J\n```\n"
        self.assertEqual(snippets.BLOCK.search(page).group(4), "Energy Emissions")
        for printed, ended in (("Emissions, Energy", True), ("Energy", False)):
            with contextlib.redirect_stdout(io.StringIO()), tempfile.TemporaryDirectory() as folder:
                self.assertEqual(snippets.run("here", "sh", [], f"echo '{printed}'", "Energy Emissions", Path(folder)), ended)

    def test_every_gate_that_a_workflow_names_exists(self):
        text = (ROOT / ".github/workflows/checks.yml").read_text(encoding="utf-8")
        named = {line.strip() for block in re.findall(r"gates: \|-\n((?: {14}.*\n)+)", text) for line in block.splitlines()}
        names = set(re.findall(r'^ *gate "([^"]+)"', (ROOT / "scripts/test").read_text(encoding="utf-8"), re.MULTILINE))
        self.assertGreater(len(named), 10)
        self.assertEqual(named - names, set())
        # And every gate that a change must pass is named.
        every_change = re.findall(r'^gate "([^"]+)"', (ROOT / "scripts/test").read_text(encoding="utf-8"), re.MULTILINE)
        self.assertEqual(set(every_change) - named, set())

    def test_setup_names_what_it_installs_and_installs_nothing_where_that_is_asked(self):
        def setup(words: str) -> str:
            parts = "gates setup venv frameworks".split()
            lines = ["set -euo pipefail", "SCRATCH=$(mktemp -d)", *(f"source scripts/lib/{part}.sh" for part in parts), words]
            with tempfile.TemporaryDirectory() as cache:
                environment = {**os.environ, "XDG_CACHE_HOME": cache}
                done = subprocess.run(["bash", "-c", "\n".join(lines)], cwd=ROOT, capture_output=True, text=True, env=environment)
                self.assertEqual(list(Path(cache).iterdir()), [])
                return done.stdout

        full = setup("MODE=--full; announce none-such=package-of-it")
        for name in ("Debian packages to install now: package-of-it", "libtorch-dev", "sushy-tools==", "jax==", "mdbook", "cffconvert=="):
            self.assertIn(name, full)
        self.assertNotIn("libtorch-dev", setup("announce"))
        self.assertIn("nothing is installed", setup("NO_SETUP=1; announce none-such=package-of-it; install_missing none-such=package-of-it"))
        for step in ("python_venv none-such none-such==1", "jax_and_ray", "cargo_tool none-such none-such@1"):
            self.assertIn("not", setup(f"NO_SETUP=1; ({step}) || echo not"))

    def test_d42_every_check_of_the_files_finds_what_it_looks_for(self):
        tidy = script("tidy")
        place = tidy.ROOT / "docs/new.md"
        self.assertEqual(len(list(tidy.words(place, "fine\nTO" + "DO later"))), 1)
        self.assertEqual(len(list(tidy.links(place, "[a](gone.md) [b](architecture.md)"))), 1)
        self.assertEqual(len(list(tidy.links(place, "[a](architecture.md#crates) [b](architecture.md#gone)"))), 1)
        self.assertEqual(len(list(tidy.links(place, "# One `x`: two\n[a](#one-x-two) [b](#one)"))), 1)
        for fence in ("sh", "python", "", "text run", "sh untested"):
            self.assertEqual(len(list(tidy.blocks(place, f"```{fence}\nls\n```\n"))), 1, fence)
        for fence in ("sh run", "python run exit=1", "text", "text shown a b", "rust", "sh untested: needs root"):
            self.assertEqual(list(tidy.blocks(place, f"```{fence}\nls\n```\n")), [], fence)
        self.assertEqual(len(list(tidy.tasks(place, "# New\n\nThe page is about this."))), 1)
        self.assertEqual(list(tidy.tasks(place, "# New\n\nMeasure this.")), [])
        self.assertEqual(len(list(tidy.length(tidy.ROOT / "core/src/new.rs", "\n" * 451))), 1)
        self.assertEqual(len(list(tidy.syntax(tidy.ROOT / "new.py", "def"))), 1)
        for chain in ("if a && let Some(b) = c {", "if let Some(b) = c\n        && b > 1\n    {"):
            self.assertEqual(len(list(tidy.oldest_rust(tidy.ROOT / "core/src/new.rs", chain))), 1)
            self.assertEqual(len(list(tidy.oldest_rust(tidy.ROOT / "benches/src/new.rs", chain))), 0)

    def test_book_lists_every_page_and_generated_pages_are_current(self):
        tidy, summary = script("tidy"), ROOT / "docs/SUMMARY.md"
        self.assertEqual(list(tidy.book(summary, text := summary.read_text(encoding="utf-8"))), [])
        self.assertEqual(list(tidy.book(summary, text.replace("(install.md)", "(index.md)"))), ["docs/SUMMARY.md: install.md is missing"])
        pages = script("pages")
        pages.PAGES = {"commands.md": lambda: "changed"}
        with contextlib.redirect_stdout(io.StringIO()) as shown:
            self.assertEqual(pages.main(["--check"]), 1)
        self.assertEqual(shown.getvalue(), "docs/commands.md is out of date: run scripts/pages\n")

    def test_links_of_the_site_that_lead_nowhere_are_found(self):
        book = script("book")
        with tempfile.TemporaryDirectory() as folder:
            site = Path(folder)
            (site / "a.html").write_text('<h2 id="one">x</h2><a href="b.html#two">y</a><a href="#one">z</a><a href="https://c.d">e</a>')
            (site / "b.html").write_text('<a href="gone.html">x</a><img src="gone.png">')
            self.assertEqual(list(book.faults(site)), [
                "a.html: b.html#two has no such heading", "b.html: gone.html does not exist", "b.html: gone.png does not exist"])

    def test_links_out_of_the_site_name_the_file_or_lead_to_the_repository(self):
        rewritten = script("lib/book_links.py").rewritten
        page = "[`eco2.h`](../include/eco2.h#one) [tables](../a/b.rs) [rust](rust.md) [up](../rust.md#x)"
        self.assertEqual(rewritten(page, Path("measured"), "https://x.y"), "[`eco2.h`](../include/eco2.h#one) [tables](../a/b.rs) [rust](rust.md) [up](../rust.md#x)")
        self.assertEqual(rewritten(page, Path("."), None), "`eco2.h` tables (`a/b.rs`) [rust](rust.md) up (`rust.md`)")
        self.assertEqual(rewritten("[h](../a/b.h#one)", Path("."), "https://x.y"), "[h](https://x.y/blob/main/a/b.h#one)")

    def test_d38_a_stored_secret_is_found_and_not_repeated(self):
        tidy = script("tidy")
        stored = [
            "AK" + "IA" + "A" * 16,
            "gh" + "p_" + "a" * 36,
            "https://hooks.slack" + ".com/services/T0/B0/" + "a" * 24,
            "-----BEGIN RSA PRIVATE " + "KEY-----",
            "db_pass" + "word = 'correct-horse'",
        ]
        for line in stored:
            found = list(tidy.secrets(tidy.ROOT / "new.py", line))
            self.assertEqual(len(found), 1, line)
            self.assertNotIn(line, found[0])
        self.assertEqual(list(tidy.secrets(tidy.ROOT / "new.py", "token = os.environ['X']\nhash = 'abcdefghij'")), [])


if __name__ == "__main__":
    unittest.main()
