"""K12: restarts and trials within one process lose nothing; callbacks, meters and exporters can be copied in every state."""

from __future__ import annotations

import copy
import json
import pickle
import sys
import types
import unittest
from pathlib import Path
from types import SimpleNamespace as Of
from unittest import mock

import eco2
from hf_rig import GRAM_A_KILOJOULE, JOULE, HfTest, Loader, Loop

import hf_eco2ai as h
from hf_eco2ai import CarbonReport, trackers
from hf_eco2ai.context import Training


class Model:
    """Something that takes weak references, as a model does."""


class Restarts(HfTest):
    """A training that begins again without having ended."""

    def joules(self, report):
        """The report's total."""
        return report.summary.total_energy_kwh * 3.6e6

    def attempts(self, report):
        """Joules of each attempt."""
        return [round(attempt["energy_uj"] / JOULE, 3) for attempt in report.attempts]

    def restarted(self, begin, use, end):
        """A kilojoule in the attempt that fails, half of one in the next; the report."""
        begin(16)
        use(1000)
        begin(8)
        use(500)
        return end()

    def check(self, report, files=("carbon_report.json",)):
        """All of it belongs to the training; the failed attempt is shown."""
        self.assertAlmostEqual(self.joules(report), 1500, delta=0.01)
        first, last = self.attempts(report)
        self.assertAlmostEqual(first, 1000, delta=1)
        self.assertAlmostEqual(first + last, 1500, delta=0.01)
        self.assertEqual([attempt["outcome"] for attempt in report.attempts], ["restarted", "last"])
        self.assertEqual(sorted(path.name for path in Path(".").glob("*.json")), list(files))
        written = CarbonReport.from_json(files[0])
        self.assertEqual(written.attempts, report.attempts)

    def test_k12_out_of_memory_restart_keeps_the_energy_of_the_whole_training(self) -> None:
        callback = h.Eco2AICallback(**self.options(save_report=True))

        def begin(batch_size):
            self.loop = Loop(callback, Loader(100, batch_size))
            self.loop.begin()

        def use(joules):
            self.machine.turn(callback.session.meter, joules * JOULE)
            self.loop.batches(3)

        with self.warnings() as heard:
            report = self.restarted(begin, use, lambda: self.loop.end())
        self.check(report)
        self.assertEqual([attempt["batch_size"] for attempt in report.attempts], [16, 8])
        self.assertEqual(report.summary.total_samples, 3 * 16 + 3 * 8)
        self.assertEqual(len([text for text in heard if "attempt 2 of one run" in text]), 1)
        self.assertAlmostEqual(sum(record.energy_kwh for record in report.detailed_metrics), report.summary.total_energy_kwh, 12)

    def step_ends(self):
        """Names, and for each what begins a training, ends a step, and ends the training with the meter's session."""
        trainer = Of(train_dataloader=None, world_size=1, is_global_zero=True, loggers=[], global_rank=0)
        full, budget = h.Eco2AICallback(**self.options()), h.CarbonBudgetCallback(1.0, **self.options())
        fit, module, plain = h.Eco2AILightningCallback(**self.options()), Of(), h.track_training(**self.options())
        for name, callback in (("callback", full), ("budget", budget)):
            loop = Loop(callback)
            yield name, callback.session, loop.begin, lambda: loop.batches(1), lambda: loop.call("on_train_end")
        yield ("lightning", fit.session, lambda: fit.on_train_start(trainer, module),
               lambda: fit.on_train_batch_end(trainer, module), lambda: fit.on_train_end(trainer, module))
        yield "plain", plain.session, plain.__enter__, plain.step, lambda: plain.__exit__(None, None, None)

    def test_k10_ten_steps_are_ten_steps_whose_energies_sum_to_the_run(self) -> None:
        for name, session, begin, step, end in self.step_ends():
            with self.subTest(name):
                self.machine.next_run()
                begin()
                for _ in range(10):
                    self.machine.turn(session.meter, 10 * JOULE)
                    step()
                end()
                steps, report = session.meter.total("step"), json.loads(session.meter.report())
                self.assertEqual((steps.count, report["work"]["steps"]), (10, 10))
                self.assertEqual(report["energy"]["total_uj"], 100 * JOULE)
                self.assertTrue(steps.low_uj <= 100 * JOULE <= steps.high_uj, steps)
                self.assertAlmostEqual(steps.energy_uj / JOULE, 100, delta=0.5)

    def test_k12_steps_after_a_restart_do_not_hold_what_came_between_the_attempts(self) -> None:
        """Three steps of 10 J, 200 J until the training begins again, then five steps of 10 J: 80 J in eight steps."""
        for name, session, begin, step, end in self.step_ends():
            with self.subTest(name), self.warnings():
                self.machine.next_run()
                for count in (3, 5):
                    begin()
                    for _ in range(count):
                        self.machine.turn(session.meter, 10 * JOULE)
                        step()
                    if count == 3:
                        self.machine.turn(session.meter, 200 * JOULE)
                end()
                steps, report = session.meter.total("step"), json.loads(session.meter.report())
                self.assertEqual((steps.count, report["work"]["steps"]), (8, 8))
                self.assertEqual(report["energy"]["total_uj"], 280 * JOULE)
                self.assertAlmostEqual(steps.energy_uj / JOULE, 80, delta=2)

    def test_k12_fit_that_begins_again_is_one_run(self) -> None:
        callback, module = h.Eco2AILightningCallback(**self.options(save_report=True)), Of()
        trainer = Of(train_dataloader=None, world_size=1, is_global_zero=True, loggers=[], global_rank=0)

        def begin(batch_size):
            trainer.train_dataloader = Loader(100, batch_size)
            callback.on_train_start(trainer, module)

        def use(joules):
            self.machine.turn(callback.session.meter, joules * JOULE)
            callback.on_train_batch_end(trainer, module)

        with self.warnings():
            self.check(self.restarted(begin, use, lambda: callback.on_train_end(trainer, module) or trainer.carbon_report))

    def test_k12_accelerate_function_that_is_repeated_is_one_run(self) -> None:
        integration = h.AccelerateIntegration(**self.options(save_report=True))
        accelerator = Of(process_index=0, end_training=lambda: None)

        def end():
            accelerator.end_training()
            return integration.run.report

        def use(joules):
            self.machine.turn(integration.run.session.meter, joules * JOULE)
            integration.run.step()

        with self.warnings():
            self.check(self.restarted(lambda size: integration.wrap_accelerator(accelerator), use, end))

    def test_k12_budget_has_spent_what_the_failed_attempt_used(self) -> None:
        options = self.options(grid_carbon_intensity=GRAM_A_KILOJOULE)
        for callback in (h.CarbonBudgetCallback(0.0012, action="stop", check_frequency=1, **options),
                         h.Eco2AICallback(**options, enable_carbon_budget=True, max_co2_kg=0.0012, budget_action="stop",
                                          check_frequency=1)):
            first, second = Loop(callback), Loop(callback)
            with self.warnings():
                self.machine.next_run()
                first.begin()
                self.machine.turn(callback.session.meter, 1000 * JOULE)
                first.batches(1)
                second.begin()
                self.machine.turn(callback.session.meter, 500 * JOULE)
                second.batches(1)
                self.assertTrue(second.control.should_training_stop)
                second.call("on_train_end")

    def test_k12_another_model_is_another_training(self) -> None:
        first, second = Model(), Model()
        one, other = Training.of(Of(), Of(), first), Training.of(Of(), Of(), second)
        self.assertTrue(one.continues(Training.of(Of(), Of(), first)))
        self.assertFalse(other.continues(one))
        self.assertFalse(one.continues(None))
        self.assertTrue(Training.of(Of(auto_find_batch_size=True), Of(), second).continues(one), "a model wrapped again")


class Trials(HfTest):
    """Several runs of one callback, as a hyper-parameter search makes them."""

    def trial(self, callback, number, joules, ends=True):
        """A trial; one that is pruned has no end."""
        loop = Loop(callback)
        loop.state.trial_name, loop.state.trial_params = None, {"lr": number}
        self.machine.next_run()
        loop.begin()
        self.machine.turn(callback.session.meter, joules * JOULE)
        loop.batches(1)
        return loop.end() if ends else None

    def written(self):
        """Trial and joules of each report that was written."""
        found = [json.loads(path.read_text(encoding="utf-8")) for path in Path(".").glob("*.json")]
        return sorted((one["training_metadata"]["trial"]["parameters"]["lr"], round(one["summary"]["total_energy_kwh"] * 3.6e6))
                      for one in found)

    def test_k12_every_trial_keeps_its_report(self) -> None:
        callback = h.Eco2AICallback(**self.options(save_report=True, export_csv=True))
        for number, joules in ((1, 100), (2, 200), (3, 300)):
            self.trial(callback, number, joules)
        self.assertEqual(self.written(), [(1, 100), (2, 200), (3, 300)])
        last = json.loads(Path("carbon_report.json").read_text(encoding="utf-8"))
        self.assertEqual(last["training_metadata"]["trial"]["parameters"], {"lr": 3}, "the last one has the name that was given")
        self.assertEqual(len(list(Path(".").glob("carbon_metrics*.csv"))), 3)

    def test_k12_pruned_trial_is_a_run_of_its_own(self) -> None:
        callback = h.Eco2AICallback(**self.options(save_report=True))
        self.trial(callback, 1, 100, ends=False)
        self.trial(callback, 2, 200)
        self.assertEqual(self.written(), [(1, 100), (2, 200)])
        self.assertEqual(callback.carbon_report.attempts, [])

    def test_k12_callbacks_that_share_a_path_keep_their_reports(self) -> None:
        for number, joules in ((1, 100), (2, 200)):
            self.trial(h.Eco2AICallback(**self.options(save_report=True)), number, joules)
        self.assertEqual(self.written(), [(1, 100), (2, 200)])

    def test_k12_file_of_another_program_keeps_its_name(self) -> None:
        Path("carbon_report.json").write_text("an earlier process's", encoding="utf-8")
        Path("carbon_report-1.json").write_text("kept", encoding="utf-8")
        callback = h.Eco2AICallback(**self.options(save_report=True))
        for number in (1, 2):
            self.trial(callback, number, 100)
        self.assertEqual(Path("carbon_report-1.json").read_text(encoding="utf-8"), "kept")
        self.assertTrue(Path("carbon_report-2.json").exists())

    def test_k12_decorated_function_keeps_the_report_of_each_call(self) -> None:
        train = h.track(lambda: None, **self.options(save_report=True))
        for _ in range(3):
            train()
        self.assertEqual(len(list(Path(".").glob("carbon_report*.json"))), 3)


def copies(thing):
    """The thing's copies, by every way there is."""
    return [pickle.loads(pickle.dumps(thing)), copy.deepcopy(thing), copy.copy(thing)]


class Copies(HfTest):
    """Pickle and deepcopy; a search with Ray pickles the whole Trainer, callbacks included."""

    def test_k12_callback_is_copied_in_every_state(self) -> None:
        for made in (lambda: h.Eco2AICallback(**self.options(export_prometheus=True, prometheus_port=0)),
                     lambda: h.CarbonBudgetCallback(1.0, meter_options=self.machine.options())):
            callback = made()
            self.check(callback, "fresh")
            loop = Loop(callback)
            loop.begin()
            self.check(callback, "begun")
            loop.batches(3)
            self.check(callback, "training")
            with self.warnings():
                Loop(callback).begin()
            self.check(callback, "begun again")
            loop.call("on_train_end")
            self.check(callback, "ended")
            self.assertEqual(callback.errors, 0)

    def check(self, callback, state):
        """Its copies measure a run of their own, while its own goes on."""
        meter, going = callback.session.meter, callback.session.going
        for number, one in enumerate([pickle.loads(pickle.dumps(callback)), copy.deepcopy(callback)]):
            with self.subTest(state=state, number=number, callback=type(callback).__name__):
                self.assertIsNone(one.session.meter)
                loop = Loop(one)
                loop.batches(1)  # hooks of a training that the copy has no part in
                loop.begin()
                loop.batches(2)
                loop.call("on_train_end")
                self.assertEqual((one.errors, one.session.meter.closed), (0, True))
                self.assertEqual(one.session.report().summary.total_steps is not None, True)
        self.assertEqual((callback.session.meter, callback.session.going), (meter, going))

    def test_k12_copy_of_a_finished_run_keeps_its_figures(self) -> None:
        loop = Loop(h.Eco2AICallback(**self.options()))
        loop.begin()
        self.machine.turn(loop.callback.session.meter, 1000 * JOULE)
        loop.batches(2)
        report = loop.end()
        for one in (pickle.loads(pickle.dumps(loop.callback)), copy.deepcopy(loop.callback)):
            self.assertEqual(one.carbon_report.summary, report.summary)
            self.assertEqual(one.carbon_report.summary(), report.summary())
            self.assertEqual(one.get_current_metrics(), loop.callback.get_current_metrics())
        tracker = h.EnergyTracker(**self.options())
        tracker.start_tracking()
        self.machine.turn(tracker.session.meter, 1000 * JOULE)
        self.assertEqual(copy.deepcopy(tracker).get_current_consumption(), (None, None, None), "a run that goes on stays here")
        tracker.stop_tracking()
        self.assertEqual(copy.deepcopy(tracker).get_current_consumption(), tracker.get_current_consumption())

    def test_k12_lightning_callback_and_loops_are_copied(self) -> None:
        trainer = Of(train_dataloader=Loader(20, 4), world_size=1, is_global_zero=True, loggers=[], global_rank=0,
                     lock=sys.stdout)  # what cannot be pickled
        fit = h.Eco2AILightningCallback(**self.options(enable_carbon_budget=True, max_co2_kg=1))
        fit.on_train_start(trainer, Of())
        fit.on_train_batch_end(trainer, None)
        run = h.track_training(**self.options())
        with run:
            run.step()
            for going in (fit, run, h.GPUMonitor(**self.options()), h.SystemMonitor(**self.options())):
                with self.subTest(type(going).__name__):
                    copies(going)
        fit.on_train_end(trainer, Of())
        copies(fit)
        for one in copies(run)[:2]:
            self.assertEqual(one.report.summary, run.report.summary)

    def test_k12_accelerator_with_our_end_is_copied(self) -> None:
        accelerator = Of(end_training=print)
        h.wrap_accelerator(accelerator, **self.options())
        for one in copies(accelerator)[:2]:
            self.assertTrue(callable(one.end_training))
        accelerator.end_training()

    def test_k12_meter_and_span_leave_the_run_behind(self) -> None:
        meter = eco2.Meter(self.machine.options())
        self.addCleanup(meter.close)
        span = meter.span("part")
        for state in ("open", "closed"):
            for one in copies(meter):
                with self.subTest(state), one.span("a"), one:
                    one.begin("b")
                    one.end("b")
                    one.step(samples=1)
                    self.assertEqual((one.now(), one.total("a"), one.devices(), one.forked), (None, None, [], True))
                    with self.assertRaisesRegex(eco2.Error, "copy"):
                        one.report()
                self.assertEqual((one.options, one.closed, meter.closed), (meter.options, True, state == "closed"))
            for one in copies(span):
                with one:
                    pass
            if state == "open":
                meter.step()
                meter.close()
        self.assertIsNone(meter.total("part"))
        self.assertEqual(copy.deepcopy(meter.report_object()).summary(), meter.report("text"))

    def test_k12_exporters_are_copied(self) -> None:
        page = h.PrometheusExporter(0)
        page.start()
        self.addCleanup(page.stop)
        run, unpicklable = mock.Mock(), sys.stdout
        wandb, mlflow, tensorboard = types.ModuleType("wandb"), types.ModuleType("mlflow"), types.ModuleType("tensorboardX")
        wandb.run, mlflow.active_run = None, lambda: Of(info=Of(run_id="1"))
        wandb.init = lambda **given: setattr(wandb, "run", Of(file=unpicklable))
        tensorboard.SummaryWriter = lambda folder: Of(file=unpicklable)
        with mock.patch.dict(sys.modules, {"wandb": wandb, "mlflow": mlflow, "tensorboardX": tensorboard, "torch": None,
                                           "torch.utils": None, "torch.utils.tensorboard": None}):
            made = [trackers.MLflowExporter(), trackers.WandbExporter(), trackers.TensorBoardExporter()]
            for one in (page, h.ReportExporter("x"), *made):
                for again in copies(one):
                    self.assertIs(type(again), type(one))
                    if isinstance(again, (trackers.WandbExporter, trackers.TensorBoardExporter)):
                        again.log_metrics({"carbon/energy_kwh": 1.0}, 1)
                        again.log_report(CarbonReport({"summary": {}}))
        self.assertIsNone(pickle.loads(pickle.dumps(page))._server)
        self.assertEqual(run.mock_calls, [])


class Samples(HfTest):
    """After a resume with accumulation."""

    def samples(self, step, micro_batches, *, epochs=None, max_steps=None, **args):
        """Samples that are counted from a checkpoint at that step; 105 samples in batches of 10, four batches a step."""
        loop = Loop(h.Eco2AICallback(**self.options()), Loader(105, 10), accumulation=4, step=step)
        loop.args.__dict__.update(args)
        loop.state.max_steps, loop.state.num_train_epochs = max_steps, epochs
        loop.begin()
        loop.call("on_epoch_begin")
        for _ in range(micro_batches - 1):
            loop.call("on_substep_end")
        loop.state.global_step += 1
        loop.call("on_step_end")
        loop.call("on_epoch_end")
        return loop.end().summary.total_samples

    def test_k12_resume_with_accumulation_finds_the_short_last_batch(self) -> None:
        # 11 micro-batches are 3 steps an epoch, the third of them has 3: at step 5 those with 10, 10 and 5 are left.
        self.assertEqual(self.samples(5, 3), 25)
        self.assertEqual(self.samples(5, 3, max_steps=9, epochs=3, num_train_epochs=3), 25)
        self.assertEqual(self.samples(3, 4), 40, "a whole epoch is done")

    def test_k12_resume_in_a_trainer_that_rounds_down_follows_its_own_totals(self) -> None:
        # 2 steps an epoch, as transformers computed up to 4.51: step 5 is the first of the third epoch.
        self.assertEqual(self.samples(5, 4, max_steps=6, epochs=3, num_train_epochs=3), 40)
        self.assertEqual(self.samples(5, 7, max_steps=6, epochs=3, num_train_epochs=3), 65)
        loop_limit = {"max_steps": 8, "epochs": 4}
        with mock.patch.object(Loop, "begin", _with_step_limit(8)):
            self.assertEqual(self.samples(5, 7, **loop_limit), 65)


def _with_step_limit(steps):
    """`Loop.begin` of a Trainer whose arguments limit the steps."""
    begin = Loop.begin

    def limited(loop):
        loop.args.max_steps = steps
        begin(loop)

    return limited


if __name__ == "__main__":
    unittest.main()
