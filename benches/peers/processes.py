"""CPU time of a process and all below it, to the nanosecond, from the kernel's clocks of processes."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import List


def children(pid: int = 0) -> List[int]:
    """All processes below one (0: this one) that live now."""
    found = []
    for task in Path(f"/proc/{pid or os.getpid()}/task").glob("*/children"):
        try:
            found += [int(word) for word in task.read_text().split()]
        except OSError:
            continue  # it has just ended
    return found + [deeper for child in found for deeper in children(child)]


def cpu_ns() -> int:
    """CPU time until now of this process, of those below it that live, and of its own that have ended."""
    ended = os.times()
    return time.process_time_ns() + int((ended.children_user + ended.children_system) * 1e9) + sum(map(_clock_ns, children()))


def _clock_ns(pid: int) -> int:
    try:
        # The number of a process's clock, from the kernel's `posix-timers.h`: CPUCLOCK_SCHED of all threads.
        return time.clock_gettime_ns((~pid << 3) | 2)
    except OSError:
        return 0
