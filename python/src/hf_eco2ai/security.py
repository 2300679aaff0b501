"""Checks of what goes out of a training: where a file is written, and which values are passed on."""

from __future__ import annotations

import math
import os
from typing import Any, Dict, Mapping, Optional, Union

from .errors import ConfigurationError

LONGEST_TEXT = 1024
"""Characters of a text that is passed on; longer ones are cut."""
MOST_LEVELS = 8
"""Levels of values within values; deeper ones are refused."""
SECRETS = ("password", "passwd", "secret", "token", "apikey", "accesskey", "privatekey", "authorization", "credential", "credentials")
"""Words that name a secret: as a whole name, or as its end (`api_token`, `db-password`). `tokens_processed` and `description` name none."""


def validate_export_path(path: Union[str, os.PathLike], folder: Optional[Union[str, os.PathLike]] = None) -> str:
    """Returns the absolute path that a file may be written to.

    Args:
        path: relative to `folder`, or absolute.
        folder: the file has to lie in this folder, by default the current one; links are followed before it is compared.

    Raises:
        ConfigurationError: the path is empty or has characters that hide in it, leads out of the folder, or names something that is not
            a regular file.
    """
    text = os.fspath(path)
    if not isinstance(text, str) or not text or any(ord(one) < 32 or ord(one) == 127 for one in text):
        raise ConfigurationError(f"path {text!r}: give a name without control characters")
    base = os.path.realpath(os.fspath(folder) if folder is not None else os.getcwd())
    # Links are followed: what counts is where the file comes to be.
    target = os.path.realpath(os.path.join(base, text))
    if target == base or os.path.commonpath((base, target)) != base:
        raise ConfigurationError(f"path {text!r} leads out of {base}: give a file in this folder, or another folder")
    if os.path.lexists(target) and not os.path.isfile(target):
        raise ConfigurationError(f"path {text!r} is no regular file: give another name")
    return target


def sanitize_metrics(metrics: Mapping[str, Any]) -> Dict[str, Any]:
    """Returns the values without what should not be passed on: values with the name of a secret and values that are not plain data are
    left out, numbers that are not finite are None, control characters are removed from texts.

    Raises:
        ConfigurationError: the values are nested too deeply.
    """
    return _plain(metrics, MOST_LEVELS)


def _plain(value: Any, levels: int) -> Any:
    if levels == 0:
        raise ConfigurationError(f"metrics have more than {MOST_LEVELS} levels")
    if isinstance(value, Mapping):
        kept = {_text(str(name)): _plain(one, levels - 1) for name, one in value.items() if not _is_secret(str(name))}
        return {name: one for name, one in kept.items() if one is not _LEFT_OUT}
    if isinstance(value, (list, tuple)):
        return [one for one in (_plain(one, levels - 1) for one in value) if one is not _LEFT_OUT]
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return _text(value) if isinstance(value, str) else _LEFT_OUT


_LEFT_OUT = object()


def _text(value: str) -> str:
    return "".join(one for one in value if one.isprintable() or one == " ")[:LONGEST_TEXT]


def _is_secret(name: str) -> bool:
    words = "".join(one.lower() if one.isalnum() else " " for one in name).split()
    return bool(words) and (words[-1] in SECRETS or "".join(words[-2:]) in SECRETS)
