"""One rank of a training run, without a framework: it computes for some seconds.

Start the ranks with a launcher, each under `eco2 run`, and merge their records:

    mpirun -n 2 eco2 run -q -- python3 examples/ranks/train.py
    eco2 merge last
"""

import os
import sys
import time

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0


def rank():
    """Returns this process's rank from the launcher's variables."""
    names = ("RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID")
    return next((os.environ[name] for name in names if name in os.environ), "0")


def main():
    """Multiplies for SECONDS."""
    end, steps = time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        sum(number * number for number in range(20_000))
        steps += 1
    print(f"rank {rank()}: {steps} steps")


if __name__ == "__main__":
    main()
