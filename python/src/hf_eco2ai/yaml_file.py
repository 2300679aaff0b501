"""Options from `eco2ai.yaml`, without a YAML library: sections of `name: value` lines, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, Tuple, Union

from .errors import ConfigurationError

SECTIONS = {
    "tracking": {"mode": "tracking_mode"},
    "carbon": {},
    "monitoring": {},
}
"""The file's sections, and the names in them that are another option's."""


def read_options(path: Union[str, Path]) -> Dict[str, Any]:
    """The options in a file.

    Raises:
        ConfigurationError: a line that is no section and no `name: value`, with its number.
        OSError: the file cannot be read.
    """
    options: Dict[str, Any] = {}
    section = None
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        if not line.split("#")[0].strip() or line.strip() == "---":
            continue
        name, value = _pair(line, f"{path}:{number}")
        if line[0] not in " \t":
            section = name if value == "" else None
            if section is not None and section not in SECTIONS:
                raise ConfigurationError(f"{path}:{number}: no section is named {name!r}; there are {', '.join(SECTIONS)}")
        elif section is None:
            raise ConfigurationError(f"{path}:{number}: indented, but in no section")
        if value != "":
            options[SECTIONS.get(section or "", {}).get(name, name)] = _value(value)
    return options


def _pair(line: str, place: str) -> Tuple[str, str]:
    name, colon, value = line.strip().partition(":")
    if not colon or not name.replace("_", "").isalnum() or (value and not value.startswith(" ")):
        # The line itself may hold a secret.
        raise ConfigurationError(f"{place}: expected `name: value`, found one " + (f"after {name!r}" if colon else "without `:`"))
    value = value.strip()
    return name, value if value[:1] in ('"', "'") else value.split(" #")[0].strip()


def _value(text: str) -> Any:
    if text[:1] == "'" and text[-1:] == "'" and len(text) > 1:
        return text[1:-1].replace("''", "'")
    try:
        return json.loads(text)
    except ValueError:
        return None if text in ("~", "null") else text.strip('"')
