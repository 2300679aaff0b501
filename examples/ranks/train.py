"""A rank that works for a while: what a training would do, without a framework.

Run it under a launcher, each rank measured, and merge what they wrote:

    mpirun -n 2 eco2 run -q -- python3 examples/ranks/train.py
    eco2 merge last
"""

import os
import sys
import time

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0


def rank():
    """Returns the rank of this process from the launcher's variables."""
    names = ("RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID")
    return next((os.environ[name] for name in names if name in os.environ), "0")


def main():
    """Multiplies until the time is over."""
    end, steps = time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        sum(number * number for number in range(20_000))
        steps += 1
    print(f"rank {rank()}: {steps} steps")


if __name__ == "__main__":
    main()
