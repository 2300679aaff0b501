"""`calculate_carbon_impact_batch` against a copy of the same bytes and a plain loop: python3 batch.py [ROUNDS].

Needs the package on the path and `ECO2_LIBRARY`. Prints one JSON object: nanoseconds of CPU time per point, a value per
round, measured in turns.

- `buffers`: three columns of doubles in, three out, all the caller's; `copy` is numpy's copy of the same bytes (three
  columns to three others), or `memoryview`'s where numpy is not installed, which is the same `memcpy`;
- `lists`: three lists in, lists out; `floor` only makes the three lists of the results, from buffers, and frees them, which
  every way to lists has to do; `loop` makes a record of four values for each point, as the published number of HF
  Eco2AI counts them; `lean_loop` only appends to three lists;
- `copier`, `python`: what copied, and the version.

Fails where the ways come to different results.
"""

import json
import platform
import sys
from array import array
from random import Random
from time import thread_time_ns

from hf_eco2ai import calculate_carbon_impact_batch

BUFFER_POINTS = 1_000_000
LIST_POINTS = 200_000
RESULTS = ("energy_kwh", "co2_kg", "carbon_per_second")

try:
    import numpy
except ImportError:
    numpy = None


def columns(points):
    """Watts, seconds and grams per kilowatt-hour of a training that was sampled unevenly."""
    random = Random(20)
    return [[random.uniform(low, high) for _ in range(points)] for low, high in ((50, 700), (1, 60), (10, 900))]


def loop(watts, seconds, intensities):
    """A record for every point."""
    records = []
    for power, duration, intensity in zip(watts, seconds, intensities):
        energy_kwh = power * duration / 3_600_000.0
        co2_kg = energy_kwh * intensity / 1000.0
        records.append({"energy_kwh": energy_kwh, "co2_kg": co2_kg, "grid_intensity": intensity,
                        "carbon_per_second": co2_kg / duration})
    return records


def lean_loop(watts, seconds, intensities):
    """Three lists."""
    energies, kilograms, rates = [], [], []
    for power, duration, intensity in zip(watts, seconds, intensities):
        energy_kwh = power * duration / 3_600_000.0
        co2_kg = energy_kwh * intensity / 1000.0
        energies.append(energy_kwh)
        kilograms.append(co2_kg)
        rates.append(co2_kg / duration)
    return energies, kilograms, rates


def copying(given, taken):
    """A function that copies columns, and what it copies with."""
    if numpy is not None:
        sources, targets = [numpy.asarray(one) for one in given], [numpy.asarray(one) for one in taken]
        return (lambda: [numpy.copyto(target, source) for source, target in zip(sources, targets)]), f"numpy {numpy.__version__}"
    views = [(memoryview(target), memoryview(source)) for source, target in zip(given, taken)]

    def copy():
        for target, source in views:
            target[:] = source

    return copy, "memoryview"


def timed(call, points):
    """Nanoseconds of CPU time per point."""
    begun = thread_time_ns()
    call()
    return (thread_time_ns() - begun) / points


def check(lists, given, out):
    """Fails unless all ways come to the same."""
    found = calculate_carbon_impact_batch(*lists)
    calculate_carbon_impact_batch(*given, out=out)
    records = loop(*lists)
    for name in RESULTS:
        for at in range(len(records)):
            for value in (found[name][at], out[name][at]):
                if abs(value - records[at][name]) > 1e-15 * abs(records[at][name]):
                    raise SystemExit(f"{name} of point {at} is {value}, the loop's is {records[at][name]}")


def main(rounds):
    """Every case, a value per round."""
    lists = columns(LIST_POINTS)
    given = [array("d", one) * (BUFFER_POINTS // LIST_POINTS) for one in lists]
    out = {name: array("d", bytes(8 * BUFFER_POINTS)) for name in RESULTS}
    taken = [array("d", bytes(8 * BUFFER_POINTS)) for _ in RESULTS]
    check(lists, given, out)
    copy, copier = copying(given, taken)
    cases = {
        "copy": (copy, BUFFER_POINTS),
        "buffers": (lambda: calculate_carbon_impact_batch(*given, out=out), BUFFER_POINTS),
        "lists": (lambda: calculate_carbon_impact_batch(*lists), LIST_POINTS),
        "floor": (lambda: [one[:LIST_POINTS].tolist() for one in given], LIST_POINTS),
        "loop": (lambda: loop(*lists), LIST_POINTS),
        "lean_loop": (lambda: lean_loop(*lists), LIST_POINTS),
    }
    figures = {name: [] for name in cases}
    for _ in range(rounds):
        for name, (call, points) in cases.items():
            figures[name].append(timed(call, points))
    print(json.dumps({**figures, "copier": copier, "python": platform.python_version()}))


main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
