"""What the tests of `hf_eco2ai` stand on: a machine whose only counter the test turns, and the objects of a Trainer."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import signal
import tempfile
import time
import unittest
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Dict, Iterator, List
from unittest import mock

import eco2

from hf_eco2ai import errors

# Started by nohup, or in the background of a script, a process ignores these; tests count on the defaults.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

JOULE = 1_000_000
"""Microjoules."""

MOST_W = 2000
"""Watts that the machine's processor states as its most."""

GRAM_A_KILOJOULE = 3600
"""Grams CO2e per kilowatt-hour at which a kilojoule emits a gram."""


class Machine:
    """A folder that looks like a sysfs with one RAPL package, whose counter shows `uj` microjoules."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._zone = Path(folder, "class/powercap/intel-rapl:0")
        self._zone.mkdir(parents=True)
        for name, text in (("name", "package-0"), ("max_energy_range_uj", str(2**50)), ("energy_uj", "1000"),
                           ("constraint_0_name", "long_term"), ("constraint_0_max_power_uw", str(MOST_W * JOULE))):
            Path(self._zone, name).write_text(text + "\n", encoding="ascii")
        self.uj = self._first = 1000

    def use(self, uj: int) -> None:
        """Advances the counter by `uj` microjoules."""
        self.uj += uj
        replacement = Path(self._zone, "next")
        replacement.write_text(f"{self.uj}\n", encoding="ascii")
        replacement.replace(Path(self._zone, "energy_uj"))

    def next_run(self) -> None:
        """A run begins: its energy counts from where the counter is."""
        self._first = self.uj

    def turn(self, meter: Any, uj: int, pause: float = 0.02) -> None:
        """Turns the counter on, and waits until the meter has read it. What was used lies within the run, to a microjoule.

        A microjoule comes first: energy is spread from one change of the counter to the next. The rest comes when the
        processor can have used it: a jump beyond `MOST_W` is taken for a fault of the counter.
        """
        for part in (1, uj - 1):
            time.sleep(part / JOULE / MOST_W)
            self.use(part)
            at = self.uj - self._first
            # `now()` extrapolates. The devices are asked seldom: that takes a lock which reading needs too.
            read = lambda: any((device.energy_uj or 0) >= at for device in meter.devices())  # noqa: E731
            assert until(read, pause=pause), "the counter was not read"

    def options(self, **more: Any) -> Dict[str, Any]:
        """Options of a meter that reads this machine only, and keeps no log; it counts from where the counter is.

        A library built for tests is slow: by its own limit on overhead it would stop reading for seconds.
        """
        self.next_run()
        return {"sysfs": self.folder, "nvml": self.folder + "/none", "sources": ["rapl-sysfs"], "log": False,
                "interval": 0.001, "max_overhead_percent": 100, **more}


class HfTest(unittest.TestCase):
    """A test in a folder of its own, with a machine, and an environment without our variables."""

    def setUp(self) -> None:
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        here = os.getcwd()
        os.chdir(self.folder)
        self.addCleanup(os.chdir, here)
        for name in [name for name in os.environ if name.startswith(("HF_ECO2AI_", "CARBON_", "MLFLOW_", "WANDB_"))]:
            self.set_env(name, None)
        errors.forget_warnings()
        self.machine = Machine(os.path.join(self.folder, "sys"))

    def no_meter(self) -> Any:
        """Within the block no meter can be opened."""
        def refused(*given: Any, **more: Any) -> None:
            raise eco2.Error(11, "no meter today")

        return mock.patch.object(eco2.Meter, "apart", refused)

    def set_env(self, name: str, value: Any) -> None:
        """Sets (or, with None, unsets) a variable until the test is over."""
        before = os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
        self.addCleanup(lambda: os.environ.pop(name, None) if before is None else os.environ.update({name: before}))

    def options(self, **more: Any) -> Dict[str, Any]:
        """Options of a callback on this test's machine, which shows nothing and writes nothing."""
        meter = more.pop("meter_options", {})
        return {"log_to_console": False, "save_report": False, "meter_options": self.machine.options(**meter), **more}

    @contextlib.contextmanager
    def warnings(self) -> Iterator[List[str]]:
        """What is logged as a warning within the block."""
        heard: List[str] = []
        handler = logging.Handler()
        handler.emit = lambda record: heard.append(record.getMessage())  # type: ignore[method-assign]
        errors.LOGGER.addHandler(handler)
        before, errors.LOGGER.propagate = errors.LOGGER.propagate, False
        try:
            yield heard
        finally:
            errors.LOGGER.removeHandler(handler)
            errors.LOGGER.propagate = before


class Loader:
    """A data loader of `data` samples in batches of `batch_size`; the last has what is left."""

    def __init__(self, data: int, batch_size: int) -> None:
        self.dataset, self.batch_size = range(data), batch_size

    def __len__(self) -> int:
        return -(-len(self.dataset) // self.batch_size)


class Loop:
    """Calls a callback's hooks as a Trainer does."""

    def __init__(self, callback: Any, loader: Any = None, accumulation: int = 1, world_size: int = 1, step: int = 0) -> None:
        loader = Loader(10**6, 1) if loader is None else loader
        self.callback, self.loader, self.accumulation = callback, loader, accumulation
        self.args = SimpleNamespace(gradient_accumulation_steps=accumulation, world_size=world_size,
                                    per_device_train_batch_size=getattr(loader, "batch_size", 1), process_index=0)
        self.state = SimpleNamespace(global_step=step, epoch=0.0, log_history=[], is_world_process_zero=True,
                                     num_input_tokens_seen=0)
        self.control = SimpleNamespace(should_training_stop=False)
        self._batches = 0

    def call(self, hook: str, **more: Any) -> None:
        """One hook."""
        getattr(self.callback, hook)(self.args, self.state, self.control, **more)

    def begin(self) -> None:
        """Training begins."""
        self.call("on_train_begin", train_dataloader=self.loader, model=None)

    def batches(self, count: int) -> None:
        """Micro-batches; each `accumulation`-th ends a step."""
        for _ in range(count):
            self._batches += 1
            if self._batches % self.accumulation:
                self.call("on_substep_end")
            else:
                self.state.global_step += 1
                self.call("on_step_end")

    def log(self, **logs: Any) -> Dict[str, Any]:
        """Logs, and gives the entry of the history."""
        self.state.log_history.append(dict(logs))
        self.call("on_log", logs=logs)
        return self.state.log_history[-1]

    def end(self) -> Any:
        """Training ends; the report."""
        self.call("on_train_end")
        return self.callback.carbon_report


def until(condition: Any, seconds: float = 5.0, pause: float = 0.002) -> bool:
    """Waits until `condition()` holds; returns whether it did."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(pause)
    return False


def written(data: Any, path: str) -> str:
    """Writes JSON and gives the path."""
    Path(path).write_text(json.dumps(data), encoding="utf-8")
    return path


@contextlib.contextmanager
def printed() -> Iterator[io.StringIO]:
    """What is printed to standard output within the block."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        yield out
