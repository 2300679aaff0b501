"""Prints from a file of lcov how many lines of each crate the tests run: coverage.py [--list] FILE CRATE..."""

import re
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LEAST = 0.90
TESTS = re.compile(r"(^|/)tests?(/|\.rs$)|_tests\.rs$|(^|/)fixture")
TEST_MODULE = re.compile(r"^#\[cfg\((?:all\()?test\b")
ERROR = re.compile(r"\bErr\(|\?[;,)]|\?$|\bError\b|map_err|or_else|bail|\bNone => return")
"""What a line that makes an error or passes one on has."""


def lines_of(file):
    """Yields each source file of the workspace with the number of runs of its lines."""
    name, counts = None, {}
    for line in Path(file).read_text().splitlines():
        kind, _, value = line.partition(":")
        if kind == "SF":
            name, counts = Path(value), {}
        elif kind == "DA":
            number, count = value.split(",")[:2]
            counts[int(number)] = max(int(count), counts.get(int(number), 0))
        elif kind == "end_of_record" and name.is_relative_to(ROOT):
            yield name.relative_to(ROOT), counts


def product_lines(path):
    """Returns how many lines of a file come before its tests."""
    text = (ROOT / path).read_text().splitlines()
    end = next((number for number, line in enumerate(text) if TEST_MODULE.match(line) and number + 1 < len(text) and text[number + 1].endswith("{")), len(text))
    return text[:end]


def main(arguments):
    """Prints the tables."""
    wants_list = "--list" in arguments
    file, *crates = [argument for argument in arguments if argument != "--list"]
    run, missed = defaultdict(int), defaultdict(dict)
    total = defaultdict(int)
    for path, counts in lines_of(file):
        crate = path.parts[0]
        if crate not in crates or path.parts[1] != "src" or TESTS.search(str(path)):
            continue
        text = product_lines(path)
        for number, count in counts.items():
            if number <= len(text):
                total[crate] += 1
                run[crate] += count > 0
                if not count:
                    missed[path][number] = text[number - 1].strip()
    print("lines that tests run:")
    for crate in crates:
        print(f"  {crate:8} {run[crate]:6} of {total[crate]:6}   {100 * run[crate] / total[crate]:.1f} %")
    errors = sum(bool(ERROR.search(line)) for lines in missed.values() for line in lines.values())
    print(f"lines that no test runs: {sum(map(len, missed.values()))}, of which {errors} make or pass on an error; the files with the most:")
    for path, lines in sorted(missed.items(), key=lambda one: -len(one[1]))[:12]:
        print(f"  {len(lines):6} {path}")
    if wants_list:
        for path, lines in sorted(missed.items()):
            for number, line in sorted(lines.items()):
                print(f"{'error' if ERROR.search(line) else '     '} {path}:{number}: {line}")
    low = [crate for crate in crates if run[crate] < LEAST * total[crate]]
    return f"less than {100 * LEAST:.0f} % of the lines of {', '.join(low)}" if low else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
