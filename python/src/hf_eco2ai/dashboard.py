"""What the node agent shows now, as text and values: `generate_live_summary`, `RealTimeCarbonDashboard`. The command `eco2 top` shows the
same in a terminal, and `eco2 serve` in a browser."""

from __future__ import annotations

import json
import time
from typing import Any, Callable, Dict, List, Optional

import eco2

from .errors import CarbonTrackingError

PATIENCE_S = 30.0
"""Time within which the agent must have answered."""


class RealTimeCarbonDashboard:
    """The live view of a node: of the agent in a folder, at an address (`token_file` has its token), or of the one that is found.

        dashboard = RealTimeCarbonDashboard()
        print(dashboard.generate_live_summary())
    """

    def __init__(self, update_interval: float = 1.0, *, folder: Optional[str] = None, url: Optional[str] = None,
                 token_file: Optional[str] = None) -> None:
        if not 1.0 <= update_interval <= 3600.0:
            raise ValueError(f"update_interval: 1 to 3600 seconds; got {update_interval}")
        if folder and url:
            raise ValueError("folder and url: give one of them")
        self.update_interval = update_interval
        if token_file and not url:
            raise ValueError("token_file: it needs url")
        self.place: List[str] = ["--dir", folder] if folder else ["--url", url] if url else []
        """Flags of `eco2` that name the agent."""
        if token_file:
            self.place += ["--token-file", token_file]

    def get_live_metrics(self) -> Dict[str, Any]:
        """The agent's document of the node (`/api/v1/node`): energies in microjoules; None is not known."""
        return dict(json.loads(self._top("--json")))

    def generate_live_summary(self) -> str:
        """The screen of `eco2 top`: devices, jobs with their ranges, what is not attributed, sensors that do not work."""
        return self._top()

    def run(self, show: Callable[[str], None] = print, updates: Optional[int] = None) -> None:
        """Passes a summary to `show` at each interval, until it was done `updates` times or is interrupted."""
        done = 0
        while updates is None or done < updates:
            if done:
                time.sleep(self.update_interval)
            show(self.generate_live_summary())
            done += 1

    def _top(self, *flags: str) -> str:
        return answer(["top", *self.place, *flags])


def answer(words: List[str]) -> str:
    """What `eco2` with these words prints. Raises CarbonTrackingError with the command's reason where it fails."""
    ended = eco2.run_cli(words, capture_output=True, text=True, timeout=PATIENCE_S)
    if ended.returncode:
        raise CarbonTrackingError(ended.stderr.strip().replace("eco2: ", "", 1) or f"eco2 {words[0]} failed")
    return str(ended.stdout)


def generate_live_summary(*, folder: Optional[str] = None, url: Optional[str] = None) -> str:
    """The node now, as text: `RealTimeCarbonDashboard.generate_live_summary`."""
    return RealTimeCarbonDashboard(folder=folder, url=url).generate_live_summary()
