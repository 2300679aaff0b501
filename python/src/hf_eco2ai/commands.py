"""Output of the command eco2, for functions that return its values."""

from __future__ import annotations

from typing import Sequence

import eco2

from .errors import APIError


def command_output(arguments: Sequence[str]) -> str:
    """What `eco2` prints. Raises APIError with its message."""
    done = eco2.run_cli(list(arguments), capture_output=True, text=True, check=False)
    if done.returncode:
        raise APIError(done.stderr.strip() or f"eco2 {arguments[0]} ended with {done.returncode}")
    return done.stdout
