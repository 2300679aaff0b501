"""Reads `include/eco2.h`: constants, structs, functions. As a program it writes `_constants.py` from it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CONSTANTS = ROOT / "python/src/eco2/_constants.py"
COMMENT = re.compile(r"/\*.*?\*/", re.S)


def text() -> str:
    """The header without comments."""
    return COMMENT.sub("", (ROOT / "include/eco2.h").read_text(encoding="utf-8"))


def constants() -> dict:
    """Every number of the header, by name."""
    found = re.findall(r"^#define (ECO2_\w+) (\d+|UINT64_MAX)$", text(), re.M)
    known = {name: 2**64 - 1 if value == "UINT64_MAX" else int(value) for name, value in found}
    return {name: value for name, value in known.items() if not name.startswith("ECO2_VERSION")}


def version() -> str:
    """The header's version."""
    return re.search(r'^#define ECO2_VERSION "(.+)"$', text(), re.M).group(1)


def structs() -> dict:
    """The fields of every struct, `(name, type)`, by its name."""
    bodies = re.findall(r"typedef struct (\w+) \{(.*?)\} \1;", text(), re.S)
    return {name: [_declared(line) for line in body.split(";") if line.strip()] for name, body in bodies}


def functions() -> dict:
    """`(result, arguments)` of every function, types as written, by its name."""
    found = re.findall(r"^([\w ]+?[ *]+)(eco2_\w+)\(([^)]*)\);", text(), re.M)
    return {name: (_type(result), [_declared(part)[1] for part in arguments.split(",") if part.strip() != "void"])
            for result, name, arguments in found}


def _declared(text: str) -> tuple:
    type_, name = re.fullmatch(r"\s*(.*?)(\w+)\s*", text, re.S).groups()
    return name, _type(type_)


def _type(text: str) -> str:
    words = re.sub(r"\b(const|struct)\b", "", text)
    return re.sub(r"\s+", "", words)


def constants_module() -> str:
    """What `_constants.py` has to be."""
    lines, group = ['"""Numbers of the C interface, as `eco2.h` has them; a test compares every one."""'], None
    for name, value in constants().items():
        if name.split("_")[1] != group:
            group = name.split("_")[1]
            lines.append("")
        lines.append(f"{name} = {'2**64 - 1' if value == 2**64 - 1 else value}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    CONSTANTS.write_text(constants_module(), encoding="utf-8")
