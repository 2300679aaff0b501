"""Eco2AICallback: energy and carbon of a `transformers.Trainer` run, by one line: `callbacks=[Eco2AICallback()]`.

No hook raises into the training. A step costs one call into the library that waits for nothing; figures are rendered
only when the Trainer logs, when an epoch ends and when a budget is checked.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, Optional

from eco2.trackers import LOGGED

from . import context
from .config import CarbonConfig, overlaid
from .console import Console
from .errors import Faults, Guarded, never_raising
from .hooks import TrainerCallback, give_trainer_its_report
from .models import Figures
from .outputs import Outputs
from .report import CarbonReport
from .session import Session
from .watch import BudgetWatch, steps_to_come
from .work import FlopCount, WorkCount


class Eco2AICallback(Guarded, TrainerCallback):  # type: ignore[misc, valid-type]
    """Measures a Trainer's run. A copy (pickle, deepcopy) can measure a run of its own; the going one stays here.

    Args:
        config: options; without it `CarbonConfig.from_env()`.
        collectors: give figures of your own at log time, as `compute_additional_metrics` does; see `MetricCollector`.
        options: single options, over those of `config`.

    Attributes:
        carbon_report: the run's CarbonReport once training is over (also `trainer.carbon_report`), else None.
        errors: number of faults that were kept from the training.

    Raises:
        ConfigurationError: an option that cannot be used.
    """

    def __init__(self, config: Optional[CarbonConfig] = None,
                 collectors: Iterable[Callable[[Dict[str, Any]], Dict[str, float]]] = (), **options: Any) -> None:
        self.config, self.faults = overlaid(config, options), Faults()
        self.session = Session(self.config, self.faults)
        self.carbon_report: Optional[CarbonReport] = None
        self.console = Console(self.config)
        self.outputs = Outputs(self.config, self.faults)
        self.collectors = list(collectors)
        self._budget: Optional[BudgetWatch] = None
        self._work: Optional[WorkCount] = None
        self._step: Optional[Callable] = None
        self._training: Optional[context.Training] = None
        self._flop = FlopCount()
        self._zero, self._rank = True, 0

    def __getstate__(self) -> Dict[str, Any]:
        # What belongs to the run that goes on in this process.
        return {**self.__dict__, "_budget": None, "_work": None, "_step": None, "_training": None}

    # What a Trainer calls.

    @never_raising
    def on_init_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """The Trainer is there: it gets the attribute `carbon_report`."""
        give_trainer_its_report(report_of)

    @never_raising
    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Opens the meter and begins the first step.

        A training that begins again without having ended (out-of-memory with `auto_find_batch_size`, an exception) is a
        further attempt of the same run. Another model or another trial of a search is a run of its own.
        """
        # First what the ranks have in common: they agree on the budget whatever fails below.
        self._budget, self._step, self._work = BudgetWatch.of(self.config, faults=self.faults), None, None
        give_trainer_its_report(report_of)
        training = context.Training.of(args, state, kwargs.get("model"))
        if not training.continues(self._training):
            self._end_interrupted()
        self._training = training
        self.carbon_report, self._zero = None, context.is_zero(state)
        self._rank = getattr(args, "process_index", 0) or 0
        loader = kwargs.get("train_dataloader")
        began = self.session.start(steps_to_come(state), batch_size=getattr(loader, "batch_size", None))
        self._work = context.work_count(args, state, loader)
        self._tokens(state)
        self.session.metadata = context.metadata(self.config, args, state, kwargs)
        self._flop = FlopCount(state, FlopCount() if began else self._flop)
        if getattr(state, "global_step", 0):
            self.session.meter.extra("resumed_from_step", state.global_step)
        if self._zero and began:
            self.outputs.start(self.session)
        self._step = self.session.meter.step
        self.session.meter.start_steps()

    @never_raising
    def _end_interrupted(self) -> None:
        if self.session.going:
            self.outputs.end(self.session, self._rank)

    @never_raising
    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Counts micro-batches from 0 again, unless the epoch goes on after a checkpoint."""
        if self._work is not None:
            self._work.epoch()

    def on_substep_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """A micro-batch that was no whole step, with gradient accumulation."""
        if self._step is not None:
            self._work.micro_batch()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Ends the step and begins the next; checks the budget when its turn has come."""
        if self._step is not None:
            try:
                self._work.micro_batch()
                self._step("step", *self._done(state))
            except Exception as error:
                self._fault("step", "a step was not measured", error)
        if self._budget is not None:
            try:
                self._budget.after(state.global_step, self.session, control)
            except Exception as error:
                self._fault("budget", "the budget was not checked", error)

    def _fault(self, what: str, text: str, error: Exception) -> None:
        self.faults.add(what, error, f"{text}: {error!r}; training goes on")

    @never_raising
    def on_log(self, args: Any, state: Any, control: Any, logs: Optional[Dict[str, Any]] = None, **kwargs: Any) -> None:
        """Adds the figures to what is logged, keeps a record, and hands both on."""
        if self._step is None or logs is None:
            return
        self._report_flop(state)
        figures = self._record(state, logs)
        more = {f"carbon/{name}": figures["current"].get(name) for name in LOGGED}
        more = {name: value for name, value in more.items() if value is not None}
        more.update(self._additional(logs))
        logs.update(more)
        if getattr(state, "log_history", None):
            state.log_history[-1].update(more)
        if self._zero:
            self.outputs.log(more, getattr(state, "global_step", 0))
            if self.config.log_level != "EPOCH":
                self.console.line(figures, state)

    @never_raising
    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Keeps a record, and shows it if lines are wanted by epoch."""
        if self._step is not None:
            figures = self._record(state, {})
            if self._zero and self.config.log_level == "EPOCH":
                self.console.line(figures, state)

    @never_raising
    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Closes the meter, makes the report, writes what is to be written."""
        self._step, budget, self._budget = None, self._budget, None
        self.session.metadata.update(context.results(state))
        # Whatever fails from here on, there is a report to look at.
        self.carbon_report = CarbonReport(config=self.config, text="nothing was measured: see the log")
        if self.session.meter is None:
            return
        self._report_flop(state)
        step = getattr(state, "global_step", 0)
        if budget is not None:
            budget.last(step, self.session)
        self.carbon_report = self.outputs.end(self.session, self._rank, step, getattr(state, "epoch", None))
        if self._zero:
            self.console.report(self.carbon_report)

    # What a program may call or override.

    def compute_additional_metrics(self, logs: Dict[str, Any]) -> Dict[str, float]:
        """Figures of your own, at log time: override it. They go where ours go, and into the report's `work.extra`."""
        return {}

    def add_work(self, samples: int = 0, tokens: int = 0) -> None:
        """Adds samples and tokens to the current step, for a Trainer whose data loader has no length."""
        if self._work is not None:
            self._work.add(samples, tokens)

    def get_current_metrics(self) -> Figures:
        """The run's figures now, by key and as attributes: `energy_kwh`, `co2_kg`, `power_watts`, `samples_per_kwh`, ..."""
        return Figures(self.session.figures()["current"])

    def generate_report(self) -> CarbonReport:
        """The report: of the finished run, or until now."""
        return self.carbon_report or self.session.report()

    get_carbon_report = generate_report

    @property
    def carbon_summary(self) -> Any:
        """The report's totals."""
        return self.generate_report().summary

    @property
    def current_energy(self) -> Optional[float]:
        """Kilowatt-hours until now; None if not known."""
        return self.get_current_metrics().get("energy_kwh")

    @property
    def total_co2(self) -> Optional[float]:
        """Kilograms CO2e until now; None if not known."""
        return self.get_current_metrics().get("co2_kg")

    @property
    def samples_seen(self) -> Optional[int]:
        """Samples counted until now."""
        return self.get_current_metrics().get("samples_processed")

    # Parts.

    def _done(self, state: Any) -> tuple:
        return self._work.done(self._seen(state))

    def _tokens(self, state: Any) -> None:
        self._work.tokens(self._seen(state))

    def _seen(self, state: Any) -> Optional[int]:
        # The Trainer's count is over all ranks: one of them takes it.
        return getattr(state, "num_input_tokens_seen", None) if self._zero else None

    @never_raising
    def _report_flop(self, state: Any) -> None:
        done = self._flop.done(state)
        # The Trainer's count is over all ranks, as that of tokens.
        if self._zero and done:
            self.session.meter.extra("total_flos", done)

    def _record(self, state: Any, logs: Dict[str, Any]) -> Figures:
        return self.session.record(getattr(state, "global_step", 0), getattr(state, "epoch", None),
                                   loss=logs.get("loss"), learning_rate=logs.get("learning_rate"),
                                   **context.constants(self.session.metadata))

    @never_raising
    def _add(self, collector: Callable, logs: Dict[str, Any], found: Dict[str, float]) -> None:
        for name, value in (collector(dict(logs)) or {}).items():
            found[name] = value
            self.session.meter.extra(name, value)

    def _additional(self, logs: Dict[str, Any]) -> Dict[str, float]:
        found: Dict[str, float] = {}
        for collector in (self.compute_additional_metrics, *self.collectors):
            self._add(collector, logs, found)
        return found


class MetricCollector:
    """Functions that give figures at log time: `collector.add("tokens_per_batch", lambda logs: 512)`."""

    def __init__(self, **metrics: Callable[[Dict[str, Any]], float]) -> None:
        self._metrics = dict(metrics)

    def add(self, name: str, metric: Callable[[Dict[str, Any]], float]) -> None:
        """Adds a figure by name."""
        self._metrics[name] = metric

    def collect(self, logs: Dict[str, Any]) -> Dict[str, float]:
        """Every figure."""
        return {name: metric(logs) for name, metric in self._metrics.items()}

    __call__ = collect


def report_of(trainer: Any) -> Optional[CarbonReport]:
    """The report of a Trainer's callback."""
    callbacks = getattr(getattr(trainer, "callback_handler", None), "callbacks", ())
    return next((callback.carbon_report for callback in callbacks if isinstance(callback, Eco2AICallback)), None)
