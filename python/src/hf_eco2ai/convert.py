"""Converts values to the type of their option: from text (variables, YAML) and from similar types."""

from __future__ import annotations

import json
import math
import os
from typing import Any

from .errors import ConfigurationError

SECRETS = ("co2_signal_api_token", "alert_webhook", "carbon_api_key", "email_password")
"""Options whose value no file, message or output shows."""

WHERE = {"co2_signal_api_token": ", or as the variable CO2_SIGNAL_API_TOKEN", "alert_webhook": ", or as the variable ECO2_TOKEN_WEBHOOK",
         "carbon_api_key": ", or as the variable CARBON_API_KEY", "email_password": ", or as the variable EMAIL_PASSWORD"}
"""Other ways to set a secret."""

_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


def converted(name: str, kind: str, value: Any) -> Any:
    """The value as its option's type.

    Args:
        name: the option, for the message.
        kind: its type as written: `Optional[float]`, `List[str]`, ...
        value: the value that was set.

    Raises:
        ConfigurationError: it does not fit.
    """
    if kind.startswith("Optional["):
        if value is None or value == "":
            return None
        kind = kind[len("Optional["):-1]
    try:
        return _CONVERSIONS[kind](value)
    except (AttributeError, TypeError, ValueError, KeyError):
        shown = "not of that kind" if name in SECRETS else repr(value)
        raise ConfigurationError(f"{name} is {shown}; allowed: {_ALLOWED.get(kind, kind)}") from None


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in _YES or text in _NO:
        return text in _YES
    raise ValueError(value)


def _number(value: Any) -> float:
    if isinstance(value, bool):
        raise ValueError(value)
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number


def _whole(value: Any) -> int:
    number = _number(value)
    if number != int(number):
        raise ValueError(value)
    return int(number)


def _text(value: Any) -> str:
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return str(value)
    if hasattr(value, "__fspath__"):
        return os.fsdecode(value)
    # An enumeration's member, such as a log level.
    return str(value.value)


def _gpus(value: Any) -> Any:
    if isinstance(value, str):
        text = value.strip()
        if text in ("auto", "all", ""):
            return "auto"
        value = text.strip("[]").split(",")
    found = [_whole(part) for part in value] if isinstance(value, (list, tuple)) else [_whole(value)]
    # None at all is track_gpu_energy=False; a negative number would count from the end.
    if not found or min(found) < 0:
        raise ValueError(value)
    return list(dict.fromkeys(found))


def _texts(value: Any) -> list:
    if isinstance(value, str):
        return [part.strip() for part in value.strip("[]").split(",") if part.strip()]
    return [_text(part) for part in value]


def _table(value: Any) -> dict:
    if isinstance(value, str):
        value = json.loads(value) if value.lstrip().startswith("{") else dict(part.split("=", 1) for part in value.split(","))
    return {str(name): part for name, part in dict(value).items()}


def _tags(value: Any) -> dict:
    return {name: str(part) for name, part in _table(value).items()}


_CONVERSIONS = {
    "str": _text, "bool": _flag, "float": _number, "int": _whole, "Union[str, List[int]]": _gpus, "List[str]": _texts,
    "Dict[str, str]": _tags, "Dict[str, Any]": _table,
}
_ALLOWED = {
    "bool": "true or false", "float": "a finite number", "int": "a whole number", "str": "text",
    "Union[str, List[int]]": "\"auto\", or one or more GPU numbers from 0 such as [0, 1] (none: track_gpu_energy=False)", "List[str]": "a list of names",
    "Dict[str, str]": "names with values",
}
