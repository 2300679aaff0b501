"""Cost of the calls of the Python package, against `time.perf_counter_ns()`: python3 bindings.py [ROUNDS].

Needs the package on the path and `ECO2_LIBRARY`. Prints one JSON object:

- `cases`: nanoseconds of CPU time per operation, one value per round, loops measured in turns;
- `stalls`: calls that took over 1 ms while another Python thread was busy, of `calls` per round: `empty` is a pair
  of clock readings alone, the others are calls of the package; `blocking` is the same call through ctypes' CDLL, which
  releases the interpreter's lock;
- `python`: its version.
"""

import ctypes
import json
import platform
import sys
import threading
from itertools import repeat
from time import perf_counter_ns, thread_time_ns

import eco2

OPERATIONS = 900  # of one loop: their events fit a ring of 4096 without being drained
CALLS = 400  # of one round next to a busy thread
STALL_ROUNDS = 9
STALL_NS = 1_000_000


def timed(call):
    """Nanoseconds of CPU time one call takes."""
    begun = thread_time_ns()
    for _ in repeat(None, OPERATIONS):
        call()
    return (thread_time_ns() - begun) / OPERATIONS


def timed_pair(first, second):
    """The same for two calls in a row."""
    begun = thread_time_ns()
    for _ in repeat(None, OPERATIONS):
        first()
        second()
    return (thread_time_ns() - begun) / OPERATIONS


def timed_with(span):
    """The same for a `with` statement."""
    begun = thread_time_ns()
    for _ in repeat(None, OPERATIONS):
        with span:
            pass
    return (thread_time_ns() - begun) / OPERATIONS


def cases(meter, rounds):
    """Every case, a figure a round."""
    step, (begin, end), span = meter.stepper(), meter.edges("edges"), meter.span("with")
    loops = {
        "clock": lambda: timed(perf_counter_ns),
        "nothing": lambda: timed(meter._library.abi_version),
        "step": lambda: timed(step),
        "edges": lambda: timed_pair(begin, end),
        "with": lambda: timed_with(span),
        "method_step": lambda: timed(meter.step),
        "step_work": lambda: timed(lambda: meter.step(samples=8, loss=0.5)),
        "now": lambda: timed(meter.now),
    }
    figures = {name: [] for name in loops}
    for _ in range(rounds):
        for name, loop in loops.items():
            figures[name].append(loop())
            meter.devices()  # empties the event ring, outside the time that counts
    dropped = meter.report_object().to_dict()["self"]["dropped"]
    if dropped:
        raise SystemExit(f"{dropped} events found no room: what was timed is not recording")
    return figures


def stalled(call):
    """How many of the calls took too long; between two of them the loop works for about 100 us, as training does."""
    count = 0
    for _ in repeat(None, CALLS):
        sum(range(4_000))
        begun = perf_counter_ns()
        call()
        count += perf_counter_ns() - begun > STALL_NS
    return count


def stalled_empty():
    """How many pairs of clock readings with nothing between them took too long."""
    count = 0
    for _ in repeat(None, CALLS):
        sum(range(4_000))
        begun = perf_counter_ns()
        count += perf_counter_ns() - begun > STALL_NS
    return count


def stalls(meter):
    """The calls next to a busy Python thread."""
    over, (begin, end) = threading.Event(), meter.edges("edges")
    blocking = ctypes.CDLL(meter._library.path).eco2_step
    handle, name = meter._handle, meter._ids["step"]

    def busy():
        while not over.is_set():
            sum(range(200))

    loops = {"empty": stalled_empty, "step": lambda: stalled(meter.stepper()),
             "edges": lambda: stalled(lambda: (begin(), end())), "method_step": lambda: stalled(meter.step),
             "now": lambda: stalled(meter.now), "blocking": lambda: stalled(lambda: blocking(handle, name))}
    thread = threading.Thread(target=busy)
    thread.start()
    figures = {name: [] for name in loops}
    for _ in range(STALL_ROUNDS):
        for name, loop in loops.items():
            figures[name].append(loop())
    over.set()
    thread.join()
    return {"calls": CALLS, **figures}


def main():
    """Measures on the synthetic source and prints."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 101
    with eco2.Meter(sources=["synthetic"], log=False, zone="DE", estimate=False) as meter:
        output = {"cases": cases(meter, rounds), "stalls": stalls(meter), "python": platform.python_version()}
    print(json.dumps(output))


if __name__ == "__main__":
    main()
