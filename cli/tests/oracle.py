"""Holds `eco2 replay` against simulated counters whose truth is known.

    python3 cli/tests/oracle.py PATH_TO_ECO2 CASES [FIRST_SEED]

A case is a random load, counters and power sensors that see it badly (late updates, wraps, resets, failed reads, steps
back, spikes) and random spans; the truth is the load's exact integral. Prints what failed with its seed and trace, and
exits 1. Standard library only.
"""
import bisect
import json
import os
import random
import subprocess
import sys
import tempfile
from fractions import Fraction

MS, S = 10**6, 10**9
LOW, HIGH = 20 * MS, 300 * MS  # uW
SPIKE = 5 * 10**9  # uJ: more than any limit allows within a case


class Load:
    """Power in uW, constant between steps; energy in uW * ns."""

    def __init__(self, rand, end):
        self.at, self.power, self.sums = [0], [rand.randint(LOW, HIGH)], [0]
        while self.at[-1] < end:
            length = rand.randint(MS // 10, 300 * MS)
            self.sums.append(self.sums[-1] + self.power[-1] * length)
            self.at.append(self.at[-1] + length)
            self.power.append(rand.choice([LOW, HIGH, rand.randint(LOW, HIGH)]))

    def energy(self, t):
        i = bisect.bisect_right(self.at, t) - 1
        return self.sums[i] + self.power[i] * (t - self.at[i])


class Counter:
    """An energy counter: its domain line, its readings, and what an account of them should have counted."""

    def __init__(self, rand, name, end):
        self.name, self.counts = name, {"wraps": 0, "resets": 0, "failures": 0, "anomalies": 0}
        self.load = load = Load(rand, end + S)
        unit, scale = rand.choice([("uJ", Fraction(1)), ("mJ", Fraction(1000)), ("raw", Fraction(10**6, 2**14))])
        period, poll, jitter = rand.choice([MS, 20 * MS, 100 * MS]), rand.randint(MS // 2, 60 * MS), rand.random() / 4
        fails, limit, wraps = rand.choice([0, 0, 0.1]), rand.random() < 0.5, rand.random() < 0.5
        reset = rand.choice([0, rand.randint(end // 4, end // 2)]) if not wraps else 0
        longest = (23 if fails else 3) * poll + 2 * period
        span = max(int(HIGH * longest / S / scale * rand.uniform(1.3, 4)), 100_000) if wraps else 0
        self.line = f"# domain {name} component={rand.choice(['cpu', 'gpu', 'memory'])} kind=energy unit={unit}"
        self.line += f" scale={float(scale) / 1e6!r}" * (unit == "raw") + f" range={span}" * wraps
        # A range of a few joules is passed more than once between two readings of a device that may draw kilowatts, so
        # that only a lower bound would remain: a wrapping counter states its limit.
        self.line += " max_w=300 min_w=20" * (limit or wraps)
        self.rows, updates, begun, offset, last, good = [], [0], 0, rand.randint(0, 99_999), None, 0
        while updates[-1] < end:
            updates.append(updates[-1] + int(period * rand.uniform(1 - jitter, 1 + jitter)))
        now = rand.randint(0, MS)
        while now < end:
            read = now + rand.randint(0, 20_000)
            after = read + rand.randint(0, 20_000)
            if 0 < reset <= read:
                begun, offset, reset = load.energy(reset), 0, 0
            updated = load.energy(updates[bisect.bisect_right(updates, read) - 1])
            raw = (int(Fraction(max(updated - begun, 0), S) / scale) + offset) % (span or 2**64)
            odd, text = rand.random(), str(raw)
            if odd < fails:
                text, kind = "", "failures"
            elif odd > 0.99 and wraps and raw == last and raw > 2000:
                text, kind = str(raw - 5), "anomalies"
            elif odd > 0.98 and limit and not wraps and good > 3:
                text, kind, good = str(raw + int(SPIKE / scale)), "anomalies", 0
            else:
                kind = None if last is None or raw >= last else "wraps" if wraps else "resets"
                last, good = raw, good + 1
            if kind:
                self.counts[kind] += 1
            self.rows.append((now, after, name, text))
            now = after + int(rand.uniform(0.5, 1.5) * poll)

    def truth(self, a, b):
        return Fraction(self.load.energy(b) - self.load.energy(a), S)


class Sensor:
    """A power sensor without a fault: its energy is the trapezoid through its readings."""

    def __init__(self, rand, name, end):
        self.name, self.counts, self.points, self.rows, now = name, {}, [], [], rand.randint(0, MS)
        self.line = f"# domain {name} component=gpu kind=power unit=W"
        while now < end:
            power = rand.randint(LOW, HIGH)
            self.points.append((now + 1_000, power))
            self.rows.append((now, now + 2_000, name, f"{power // MS}.{power % MS:06}"))
            now += rand.randint(MS, 80 * MS)

    def truth(self, a, b):
        total = Fraction(0)
        for (t0, p0), (t1, p1) in zip(self.points, self.points[1:]):
            x, y = max(a, t0), min(b, t1)
            if x < y:
                total += (p0 + Fraction(p1 - p0, 2 * (t1 - t0)) * (x + y - 2 * t0)) * (y - x)
        return total / S


def check(seed, exe, path):
    """Complaints about one case, whose trace is left at `path`."""
    rand, said = random.Random(seed), []
    end = rand.randint(2 * S, 5 * S)
    last = end + rand.choice([S, 9 * S])
    parts = [rand.choice([Counter, Counter, Sensor])(rand, f"d{i}", last) for i in range(rand.randint(1, 4))]
    run = (rand.choice([0, 300 * MS]), rand.choice([end, last + S]))
    cuts = sorted(rand.randint(0, end) for _ in range(rand.randint(2, 9)))
    steps = [("step", *step) for step in zip(cuts, cuts[1:])]
    spans = {"whole": (cuts[0], cuts[-1])}
    for i in range(6):
        spans[f"s{i}"] = tuple(sorted(rand.choice([rand.randint(0, end + 2 * S), parts[0].rows[5][0]]) for _ in "ab"))
    lines = ["# eco2.trace/1", *(part.line for part in parts), "# run begin_ns={} end_ns={}".format(*run)]
    lines += ["# span name={} begin_ns={} end_ns={}".format(*span) for span in steps]
    lines += [f"# span name={name} begin_ns={a} end_ns={b}" for name, (a, b) in spans.items()]
    rows = sorted(row for part in parts for row in part.rows)
    lines += ["before_ns,after_ns,domain,value", *(",".join(map(str, row)) for row in rows)]
    with open(path, "w", encoding="utf-8", newline=rand.choice(["\n", "\r\n"])) as out:
        out.write("\n".join(lines) + "\n")
    done = subprocess.run([exe, "replay", path, "--json", "-"], capture_output=True, text=True, check=False)
    if done.returncode:
        return [f"exit code {done.returncode}: {done.stderr}"]

    def expect(fine, *what):
        said.extend([] if fine else [" ".join(map(str, what))])

    def within(what, low, value, high):
        expect(low <= value and (high is None or value <= high), what, float(value), "outside", low, high)

    report = json.loads(done.stdout)
    energy, devices = report["energy"], {device["id"]: device for device in report["devices"]}
    found, counters = {span["name"]: span for span in report["spans"]}, [p for p in parts if isinstance(p, Counter)]
    for part in parts:
        device = devices[part.name]
        within(part.name, device["low_uj"], device["energy_uj"], device["high_uj"])
        for free in ("", "free_") if part in counters else ():
            within(free + part.name, device[free + "low_uj"], part.truth(*run), device[free + "high_uj"])
        for key, count in part.counts.items() if run[1] > last else ():
            expect(device[key] == count, part.name, key, device[key], "not", count)
    within("total", energy["low_uj"], energy["total_uj"], energy["high_uj"])
    expect(energy["total_uj"] == sum(device["energy_uj"] for device in devices.values()), "total")
    for name, (a, b) in spans.items():
        span = found[name]
        expect((span["count"], span["duration_ns"]) == (1, b - a), name, "duration")
        expect(sum(span["by_device"].values()) == span["energy_uj"], name, "by device")
        within(name, span["low_uj"], span["energy_uj"], span["high_uj"])
        if counters == parts:
            within(name, span["low_uj"], sum(part.truth(a, b) for part in parts), span["high_uj"])
        for part in (part for part in parts if part not in counters):
            told, truth = span["by_device"][part.name], part.truth(a, b)
            expect(abs(told - truth) <= 2, name, part.name, "trapezoid", told, "not", float(truth))
    for key in ("energy_uj", "low_uj", "high_uj", "duration_ns"):
        whole, step = found["whole"][key], found["step"][key]
        expect(whole == step, "steps", key, step, "do not add up to", whole)
    return said


def main():
    exe, cases, first, failed = sys.argv[1], int(sys.argv[2]), int((sys.argv + ["0"])[3]), 0
    for seed in range(first, first + cases):
        path = os.path.join(tempfile.gettempdir(), f"eco2-oracle-{os.getpid()}-{seed}.csv")
        said = check(seed, exe, path)
        for text in said:
            print(f"seed {seed}: {text} ({path})")
        failed += bool(said)
        if not said:
            os.remove(path)
    print(f"{cases} cases, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
