"""optimize_power_settings: which GPU power limit takes the least energy, found by measuring, by `eco2 optimize`."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any, Dict, Optional

import eco2

from .errors import APIError, ConfigurationError


def optimize_power_settings(command: Sequence[str], limits_watts: Optional[Sequence[float]] = None, steps: int = 4,
                            repeat: int = 1, arguments: Sequence[str] = ()) -> Dict[str, Any]:
    """Runs a command under one GPU power limit after another and compares the energy; restores the old limits at the end.

    Only limits that were run have values. Requires the right to set limits (root), and a command that does the same work each
    time.

    Args:
        command: the program and its arguments, such as `["python", "train.py", "--steps", "500"]`.
        limits_watts: limits to try [default: `steps` limits at equal distances in the allowed range].
        repeat: runs at each limit; one run does not show the variation between runs.
        arguments: further flags of `eco2 optimize --sweep-power-limit`.

    Returns:
        The command's answer (schema eco2.sweep/1): every limit with its energy and time, and the best.

    Raises:
        ConfigurationError: no command is given.
        APIError: there is no GPU whose limit can be set, no right to set it, or a run failed; the text has the reason.
    """
    words = [os.fspath(word) for word in command]
    if isinstance(command, str) or not words:
        raise ConfigurationError("command is a list: the program and its arguments")
    wanted = ["--limits", ",".join(f"{watts:g}" for watts in limits_watts)] if limits_watts else ["--steps", str(steps)]
    flags = ["--sweep-power-limit", "--json", *wanted, "--repeat", str(repeat), *arguments]
    try:
        done = eco2.run_cli(["optimize", *flags, "--", *words], capture_output=True, text=True)
    except (eco2.Error, OSError) as error:
        raise APIError(str(error)) from None
    if done.returncode:
        raise APIError(done.stderr.strip() or f"eco2 optimize ended with {done.returncode}")
    return json.loads(done.stdout)
