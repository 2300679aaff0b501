"""The cases of the arena, the benchmark of eco2 against CodeCarbon and Zeus: tool, machine and scores of each."""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import time
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional

import scores
from curve import MS
from machine import CPU, GPU, Machine

__all__ = ["CPU", "GPU", "Arena"]

RANKS = 4
LONG_MS, SHORT_MS = 500, 50
SMALL_RANGE_UJ = 500_000_000
"""A counter that wraps every 4.2 s at the package's mean of 118 W, in place of every 37 minutes."""
TIMEOUT_S = 180


class Entry(NamedTuple):
    """A tool as one row of a table: its name for readers, its name here, options of its constructor."""

    label: str
    tool: str
    options: dict = {}


ECO2, CODECARBON, ZEUS = Entry("eco2", "eco2"), Entry("CodeCarbon", "codecarbon"), Entry("Zeus", "zeus")
ECO2_1S = Entry("eco2, every second", "eco2", {"interval": "1s"})
CODECARBON_1S = Entry("CodeCarbon, every second", "codecarbon", {"measure_power_secs": 1})
ZEUS_INSTANT = Entry("Zeus, approx_instant_energy", "zeus", {"approx_instant_energy": True})
ALL = (ECO2, CODECARBON, ZEUS)


class Arena:
    """Folders and programs that the cases need.

    Args:
        venvs: a folder with an environment for each tool.
        driver: the fake driver library.
        folder: for all output.
    """

    def __init__(self, venvs: Path, driver: Path, folder: Path) -> None:
        self.venvs, self.driver, self.folder = venvs, driver, folder
        self.lags: List[float] = []

    def machine(self, **more: object) -> Machine:
        """The machine that is measured."""
        return Machine(self.folder, self.driver, **more)

    def start(self, machine: Machine, entry: Entry, case: str, out: str = "out", **arguments: object) -> subprocess.Popen:
        """Starts a worker, which writes to `out`."""
        words = json.dumps({**arguments, "options": entry.options})
        command = [self.python(entry), str(Path(__file__).with_name("worker.py")), entry.tool, case, str(self.folder / out), words]
        rank = {"RANK": str(arguments["rank"]), "WORLD_SIZE": str(RANKS)} if "rank" in arguments else {}
        rank.update({"LOCAL_RANK": rank["RANK"], "TORCHELASTIC_RUN_ID": "arena"} if rank else {})
        with (self.folder / f"{out}.log").open("w") as log:
            return subprocess.Popen(command, env={**machine.environment(), **rank}, cwd=self.folder, stdout=log, stderr=log)

    def done(self, worker: subprocess.Popen, entry: Entry, out: str = "out") -> object:
        """Waits for a worker and returns its output.

        Raises:
            RuntimeError: it failed.
        """
        if worker.wait(TIMEOUT_S):
            log = (self.folder / f"{out}.log").read_text()[-2000:]
            raise RuntimeError(f"{entry.label} ended with {worker.returncode}: {log}")
        return json.loads((self.folder / out).read_text())

    def measured(self, machine: Machine, entry: Entry, case: str, **arguments: object) -> object:
        """Runs one worker to its end."""
        return self.done(self.start(machine, entry, case, **arguments), entry)

    def python(self, entry: Entry) -> str:
        """The interpreter of a tool's environment."""
        return str(self.venvs / entry.tool / "bin/python")


def scored(arena: Arena, entry: Entry, case: str, machine_options: Optional[dict] = None, **arguments: object) -> dict:
    """The scores of one worker's readings by component, and the number of bounds that held."""
    with arena.machine(**(machine_options or {})) as machine:
        origin = {"origin_ns": machine.origin_ns} if "origin_ns" in arguments else {}
        seen = arena.measured(machine, entry, case, **{**arguments, **origin})
    arena.lags.append(machine.lag_ms)
    components = {name: scores.score(seen, machine.truth, name) for name in ("cpu", "gpu")}
    return {"label": entry.label, "count": len(seen), "within": scores.within(seen, machine.truth), **components}


def totals(arena: Arena) -> List[dict]:
    """A run of 10 s."""
    return [scored(arena, entry, "run", seconds=10) for entry in ALL]


def wraps(arena: Arena) -> List[dict]:
    """10 s over which the package's counter wraps twice, ended in the middle of its range: as a span, and as a run."""
    small = {"range_uj": SMALL_RANGE_UJ}
    as_span = [scored(arena, entry, "aligned", small, length_ms=10_000, period_ns=period_ns(), origin_ns=None) for entry in ALL]
    return [*as_span, scored(arena, CODECARBON_1S._replace(label="CodeCarbon, a run, every second"), "run", small, seconds=10)]


def period_ns() -> float:
    """Time in which the package uses the energy of the small range."""
    return SMALL_RANGE_UJ / 1e6 / CPU.joules(0, CPU.round_ms * MS) * CPU.round_ms * MS


def plan(length_ms: int, count: int) -> List[List[int]]:
    """Spans of one length at no particular phase; the same for every tool."""
    chance = random.Random(length_ms)
    return [[length_ms, chance.randint(20, 120)] for _ in range(count)]


def long_spans(arena: Arena) -> List[dict]:
    """Spans of five updates of the GPU's counter."""
    return [scored(arena, entry, "spans", plan=plan(LONG_MS, 20)) for entry in ALL]


def short_spans(arena: Arena) -> List[dict]:
    """Spans of half an update."""
    return [scored(arena, entry, "spans", plan=plan(SHORT_MS, 60)) for entry in (*ALL, ZEUS_INSTANT)]


def costs(arena: Arena) -> List[dict]:
    """Microseconds of one begin and end on the calling thread."""
    counts = {"eco2": 20_000, "codecarbon": 300, "zeus": 3_000}
    with arena.machine() as machine:
        rows = [(entry.label, arena.measured(machine, entry, "cost", count=counts[entry.tool])) for entry in ALL]
        rows.insert(1, ("eco2, one call a step", arena.measured(machine, ECO2, "step", count=20_000)))
    return [{"label": label, **_spread(taken)} for label, taken in rows]


def _spread(taken_ns: List[int]) -> Dict[str, float]:
    shares = {"median": 0.5, "p90": 0.9, "p99": 0.99}
    return {name: scores.quantile(taken_ns, share) / 1e3 for name, share in shares.items()}


def imports(arena: Arena, rounds: int = 5) -> List[dict]:
    """Milliseconds and mebibytes up to a first reading, medians, and the size of what was installed."""
    with arena.machine() as machine:
        return [{"label": entry.label, **_first(arena, machine, entry, rounds), **_installed(arena, entry)} for entry in ALL]


def _first(arena: Arena, machine: Machine, entry: Entry, rounds: int) -> dict:
    starts = [_first_once(arena, machine, entry) for _ in range(rounds + 1)]
    medians = {key: statistics.median(start[key] for start in starts[1:]) for key in starts[0]}
    return {**medians, "least_cpu_ms": min(start["first_cpu_ms"] for start in starts)}


def _first_once(arena: Arena, machine: Machine, entry: Entry) -> dict:
    command = [arena.python(entry), str(Path(__file__).with_name("first.py")), entry.tool]
    done = subprocess.run(command, env=machine.environment(), cwd=arena.folder, check=True, timeout=TIMEOUT_S, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return json.loads(done.stdout.splitlines()[-1])


def _installed(arena: Arena, entry: Entry) -> dict:
    place = next((arena.venvs / entry.tool / "lib").glob("python*/site-packages"))
    extra = {"pip", "setuptools", "_distutils_hack", "pkg_resources"}
    ours = [path for path in place.iterdir() if path.name.partition("-")[0] not in extra]
    files = (file for top in ours for file in ([top] if top.is_file() else top.rglob("*")) if file.is_file())
    size = sum(file.stat().st_size for file in files if file.suffix != ".pyc")
    return {"packages": sum(path.suffix == ".dist-info" for path in ours), "mib": size / 2**20}


def background(arena: Arena, seconds: float = 30) -> List[dict]:
    """CPU of one core while the program sleeps, all tools at once; with the number of processes."""
    entries = (*ALL, ECO2_1S, CODECARBON_1S)
    with arena.machine() as machine:
        started = [arena.start(machine, entry, "idle", f"idle-{at}", seconds=seconds) for at, entry in enumerate(entries)]
        outputs = [arena.done(worker, entries[at], f"idle-{at}") for at, worker in enumerate(started)]
    return [{"label": entry.label, **output} for entry, output in zip(entries, outputs)]


def ranks(arena: Arena, merge) -> List[dict]:  # type: ignore[no-untyped-def]
    """Four ranks on one machine of four GPUs: the sum of the job's results, in multiples of the truth.

    Args:
        merge: merges the ranks' reports where the tool can; returns joules.
    """
    return [_counted(arena, entry, merge) for entry in ALL]


def _counted(arena: Arena, entry: Entry, merge) -> dict:  # type: ignore[no-untyped-def]
    folder = arena.folder / f"ranks-{entry.tool}"
    folder.mkdir()
    with arena.machine(gpus=[GPU] * RANKS) as machine:
        # Zeus' documentation assigns each rank its GPU; CodeCarbon and eco2 get no options.
        entries = [entry._replace(options={"gpu_indices": [at]}) if entry is ZEUS else entry for at in range(RANKS)]
        workers = [arena.start(machine, rank_entry, "rank", f"rank-{at}", folder=str(folder), rank=at)
                   for at, rank_entry in enumerate(entries)]
        _start_ranks(folder)
        outputs = [arena.done(worker, entry, f"rank-{at}")[0] for at, worker in enumerate(workers)]
    joules = {name: sum(output["reading"][name] for output in outputs) for name in ("cpu", "gpu")}
    if outputs[0]["report"]:
        joules = merge([output["report"] for output in outputs])
    true = machine.truth(min(output["from_ns"] for output in outputs), max(output["to_ns"] for output in outputs))
    times = {name: joules[name] / true[name] for name in true}
    return {"label": entry.label, **times, "total": sum(joules.values()) / sum(true.values())}


def _start_ranks(folder: Path) -> None:
    until = time.monotonic() + TIMEOUT_S
    while len(list(folder.glob("ready-*"))) < RANKS:
        if time.monotonic() > until:
            raise RuntimeError(f"not all of {RANKS} ranks are ready")
        time.sleep(0.05)
    from_ns = time.monotonic_ns() + 1_000_000_000
    part = folder / "part"
    part.write_text(json.dumps([from_ns, from_ns + 5_000_000_000]))
    part.rename(folder / "go")
