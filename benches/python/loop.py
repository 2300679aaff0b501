"""The arithmetic of bulk accounting as Python loops, on the counter that `benches/src/bulk.rs` makes.

A point is one value of a 32-bit counter: its wrapping difference to the previous value is converted to energy and
multiplied by the intensity of its time. Two loops:

- `points` returns a record for every point (energy, CO2, intensity, CO2 per second), which is what the published
  figure of 82,035 points/s counts, and looks the intensity up by time;
- `totals` keeps sums only and gets each point's intensity: the least that a Python loop can do.

Prints one JSON object.
"""

import bisect
import json
import platform
import time

POINTS = 400_000
SEGMENTS = 533
ROUNDS = 5
SECONDS_PER_POINT = 0.01
JOULES_PER_UNIT = 1.0 / 16_384.0
JOULES_PER_KWH = 3_600_000.0


def counter(points):
    value, values = 0, []
    for at in range(points):
        mixed = ((at * 2_654_435_761) & 0xFFFFFFFF) >> 16
        value = (value + 20_000 + mixed % 40_000) & 0xFFFFFFFF
        values.append(value)
    return values


def segments(points):
    """Where each stretch of one intensity ends, and the intensity."""
    ends = [(at + 1) * points // SEGMENTS for at in range(SEGMENTS)]
    return ends, [100.0 + (at % 24) * 20.0 for at in range(SEGMENTS)]


def points(raw, ends, intensities):
    results = []
    last = raw[0]
    for at, value in enumerate(raw):
        by = (value - last) & 0xFFFFFFFF
        last = value
        energy_kwh = by * JOULES_PER_UNIT / JOULES_PER_KWH
        grid_intensity = intensities[bisect.bisect_right(ends, at)]
        co2_kg = energy_kwh * grid_intensity / 1000.0
        results.append({
            "energy_kwh": energy_kwh,
            "co2_kg": co2_kg,
            "grid_intensity": grid_intensity,
            "carbon_per_second": co2_kg / SECONDS_PER_POINT,
        })
    return results


def totals(raw, g_per_kwh):
    energy_raw = 0
    grams = 0.0
    last = raw[0]
    for value, intensity in zip(raw, g_per_kwh):
        by = (value - last) & 0xFFFFFFFF
        last = value
        energy_raw += by
        grams += by * JOULES_PER_UNIT / JOULES_PER_KWH * intensity
    return energy_raw, grams


def best(loop, *arguments):
    """Least CPU time of the rounds, and what the loop returned."""
    least, result = float("inf"), None
    for _ in range(ROUNDS):
        result = None
        begun = time.process_time()
        result = loop(*arguments)
        least = min(least, time.process_time() - begun)
    return least, result


def main():
    raw = counter(POINTS)
    ends, intensities = segments(POINTS)
    g_per_kwh = [intensities[bisect.bisect_right(ends, at)] for at in range(POINTS)]
    totals_s, (energy_raw, grams) = best(totals, raw, g_per_kwh)
    points_s, results = best(points, raw, ends, intensities)
    off = abs(sum(result["co2_kg"] for result in results) * 1000.0 - grams)
    assert off <= 1e-9 * grams, "the two loops disagree"
    version = f"{platform.python_implementation()} {platform.python_version()}"
    print(json.dumps({
        "points": POINTS, "points_per_s": POINTS / points_s, "totals_per_s": POINTS / totals_s,
        "energy_raw": energy_raw, "grams": grams, "version": version,
    }))


if __name__ == "__main__":
    main()
