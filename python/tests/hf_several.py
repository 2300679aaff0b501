"""Several ranks: one decision on the budget, one file a rank, one that speaks to trackers; and runs that were interrupted."""

from __future__ import annotations

import shutil
import sys
import threading
import types
import unittest
from pathlib import Path
from types import SimpleNamespace as Of
from unittest import mock

import eco2
from hf_rig import HfTest, Loader, Loop

import hf_eco2ai as h
from hf_eco2ai import files, lightning, plain, report
from hf_eco2ai.budget import BudgetWatch

STOP, GO = Of(decision="stop", share=2.0), Of(decision="go", share=0.1)


class Group:
    """`torch.distributed` between threads: every rank waits until all have asked, as in a process group."""

    def __init__(self, ranks: int) -> None:
        self.barrier, self.asked = threading.Barrier(ranks), []

    def agreed(self, decided: bool) -> bool:
        self.asked.append(decided)
        self.barrier.wait(5)
        found = any(self.asked)
        self.barrier.wait(5)
        self.asked.clear()
        return found


class Agreement(HfTest):
    """What every rank does at a look."""

    def stops(self, answers, **options):
        """Each rank's last step, where `answers[rank]()` is its library's answer."""
        group, stopped = Group(len(answers)), [None] * len(answers)

        def rank(number):
            watch, control = BudgetWatch("stop", 10, agreed=group.agreed, **options), Of(should_training_stop=False)
            session = Of(meter=Of(budget=answers[number]) if answers[number] else None)
            for step in range(1, 31):
                watch.after(step, session, control)
                if control.should_training_stop:
                    stopped[number] = step
                    return

        threads = [threading.Thread(target=rank, args=(number,)) for number in range(len(answers))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        return stopped

    def test_all_ranks_stop_after_the_same_step(self) -> None:
        self.assertEqual(self.stops([lambda: GO, lambda: STOP]), [10, 10])
        self.assertEqual(self.stops([lambda: GO, lambda: STOP], grace_period=3), [13, 13])
        self.assertEqual(self.stops([lambda: GO, lambda: GO]), [None, None])

    def test_a_rank_that_measures_nothing_still_answers(self) -> None:
        with self.warnings():
            self.assertEqual(self.stops([None, lambda: 1 / 0, lambda: STOP]), [10, 10, 10])

    def test_callbacks_without_a_meter_take_part_in_every_look(self) -> None:
        asked = []
        for made in (h.Eco2AICallback, h.CarbonBudgetCallback):
            options = self.options(enable_carbon_budget=True, max_co2_kg=1, budget_action="stop", check_frequency=2)
            if made is h.CarbonBudgetCallback:
                options = {"max_co2_kg": 1, "action": "stop", "check_frequency": 2}
            with self.no_meter(), mock.patch.object(BudgetWatch.of.__func__, "__defaults__", (lambda d: asked.append(d) or True, None)), self.warnings():
                loop = Loop(made(**options))
                loop.begin()
                loop.batches(2)
            self.assertEqual((asked.pop(), loop.control.should_training_stop), (False, True), made)

    def test_the_maximum_is_taken_over_torch_distributed(self) -> None:
        torch = types.ModuleType("torch")
        cell = Of(value=0)
        cell.item = lambda: cell.value
        torch.int32, torch.device = int, lambda *a: a
        torch.tensor = lambda values, dtype, device: setattr(cell, "value", values[0]) or cell
        torch.distributed = Of(is_available=lambda: True, is_initialized=lambda: True, get_world_size=lambda: 2,
                               get_backend=lambda: "gloo", ReduceOp=Of(MAX="max"),
                               all_reduce=lambda found, op: setattr(found, "value", max(found.value, 1)))
        from hf_eco2ai import watch

        with mock.patch.dict(sys.modules, {"torch": torch}):
            self.assertTrue(watch.any_rank(False))
            torch.distributed.all_reduce = lambda found, op: 1 / 0
            with self.warnings() as heard:
                self.assertFalse(watch.any_rank(True))
            self.assertIn("none stops", heard[0])
            torch.distributed.get_world_size = lambda: 1
            self.assertTrue(watch.any_rank(True))

    def test_lightning_asks_its_strategy(self) -> None:
        strategy = Of(reduce_boolean_decision=lambda decided, all: decided or not all)
        self.assertTrue(lightning.agreed_on(Of(strategy=strategy), False))
        self.assertFalse(lightning.agreed_on(Of(), False))

    def test_a_last_look_warns_of_a_short_run(self) -> None:
        for made in (lambda: h.CarbonBudgetCallback(1, action="stop"),
                     lambda: h.Eco2AICallback(**self.options(enable_carbon_budget=True, max_co2_kg=1, budget_action="stop"))):
            loop = Loop(made())
            loop.begin()
            loop.batches(3)
            with mock.patch.object(eco2.Meter, "budget", lambda meter: STOP), self.warnings() as heard:
                loop.call("on_train_end")
            self.assertTrue(any("spent at step 3" in text for text in heard), heard)
            self.assertFalse(loop.control.should_training_stop)


class Files(HfTest):
    """Who writes what."""

    def test_ranks_of_a_loop_write_files_of_their_own(self) -> None:
        for rank in range(2):
            with plain.TrainingRun(h.CarbonConfig(**self.options(save_report=True)), rank=rank) as run:
                run.step()
        self.assertEqual(sorted(path.name for path in Path(".").glob("*.json")), ["carbon_report-rank1.json", "carbon_report.json"])

    def test_the_launchers_rank_is_taken(self) -> None:
        for name, value in (("RANK", "2"), ("LOCAL_RANK", "2"), ("WORLD_SIZE", "4")):
            self.set_env(name, value)
        with h.track_training(**self.options(save_report=True, tensorboard_tracking=True)) as run:
            run.step()
        self.assertEqual((run.rank, run.outputs.trackers), (2, []))
        self.assertTrue(Path("carbon_report-rank2.json").exists())

    def test_accelerators_rank_and_the_callers_config(self) -> None:
        config = h.CarbonConfig(**self.options(save_report=True, mlflow_tracking=True))
        accelerator = Of(is_main_process=False, process_index=3, end_training=lambda: None)
        run = h.wrap_accelerator(accelerator, config=config)
        run.step(samples=1)
        accelerator.end_training()
        self.assertTrue(config.mlflow_tracking)
        self.assertEqual(run.outputs.trackers, [])
        self.assertTrue(Path("carbon_report-rank3.json").exists())

    def test_no_two_writers_share_a_half_written_file(self) -> None:
        names = set()
        with mock.patch.object(files.os, "replace", lambda path, to: names.add(path)):
            for _ in range(2):
                report.CarbonReport().to_json("same.json")
        self.assertEqual(len(names), 2)
        self.assertEqual(list(Path(".").glob("*.part")), [])


class Interrupted(HfTest):
    """Training that ended without its last hook: it is an attempt of the run that goes on (`hf_restarts`)."""

    def check(self, callback, begin, step):
        """Begins, is interrupted, begins again: one run, and its outputs stay open."""
        begin()
        meter, page = callback.session.meter, callback.outputs.prometheus
        for _ in range(3):
            step()
        with self.warnings():
            begin()
        self.assertEqual((meter.closed, callback.session.meter, callback.outputs.prometheus), (False, meter, page))
        self.assertIsNotNone(page._server)
        step()

    def test_a_trainer_that_begins_again_goes_on(self) -> None:
        loop = Loop(h.Eco2AICallback(**self.options(export_prometheus=True, prometheus_port=0)))
        self.check(loop.callback, loop.begin, lambda: loop.batches(1))
        self.assertEqual(loop.end().summary.total_steps, 4)

    def test_a_fit_that_begins_again_goes_on(self) -> None:
        callback, module = h.Eco2AILightningCallback(**self.options(export_prometheus=True, prometheus_port=0)), Of()
        trainer = Of(train_dataloader=Loader(20, 4), world_size=1, is_global_zero=True, loggers=[], global_rank=0)
        self.check(callback, lambda: callback.on_train_start(trainer, module), lambda: callback.on_train_batch_end(trainer, None))
        callback.on_train_end(trainer, module)
        self.assertEqual(trainer.carbon_report.summary.total_steps, 4)

    def test_trackers_follow_the_run_over_its_attempts(self) -> None:
        ended = []
        from hf_eco2ai import trackers

        with mock.patch.object(trackers, "MLflowExporter", lambda config: Of(log_report=lambda report: ended.append(report))):
            loop = Loop(h.Eco2AICallback(**self.options(mlflow_tracking=True)))
            with self.warnings():
                loop.begin()
                loop.begin()
            self.assertEqual(len(ended), 0)
            loop.end()
        self.assertEqual(len(ended), 1)

    def test_a_second_training_without_a_meter_has_no_old_figures(self) -> None:
        loop = Loop(h.Eco2AICallback(**self.options()))
        loop.begin()
        loop.batches(2)
        loop.end()
        with self.warnings(), self.no_meter():
            loop.begin()
            self.assertEqual(loop.log(loss=1.0), {"loss": 1.0})
            self.assertIn("nothing was measured", loop.end().summary())

    def test_what_is_logged_after_training_is_left_alone(self) -> None:
        loop = Loop(h.Eco2AICallback(**self.options()))
        loop.begin()
        loop.batches(2)
        count = len(loop.end().detailed_metrics)
        self.assertEqual(loop.log(eval_loss=1.0), {"eval_loss": 1.0})
        loop.call("on_epoch_end")
        self.assertEqual((len(loop.callback.session.records), loop.callback.errors), (count, 0))

    def test_a_close_that_fails_keeps_the_report_and_ends_the_outputs(self) -> None:
        with self.warnings() as heard:
            with h.track_training(**self.options(export_prometheus=True, prometheus_port=0,
                                                 meter_options={"json": self.folder + "/out/there/report.json"})) as run:
                run.step(samples=2)
                run.step(samples=2)
                shutil.rmtree(Path(self.folder, "out"))
                Path(self.folder, "out").write_text("a file, not a folder", encoding="utf-8")
        self.assertTrue(heard, "the file could be written")
        self.assertEqual((run.report.summary.total_samples, run.outputs.prometheus), (4, None))


if __name__ == "__main__":
    unittest.main()
