"""Eco2AICallback on a machine whose counter the test turns: known answers, and nothing that reaches the training."""

from __future__ import annotations

import contextlib
import io
import logging
import time
import unittest
from types import SimpleNamespace

from hf_rig import GRAM_A_KILOJOULE, JOULE, HfTest, Loader, Loop

from hf_eco2ai import CarbonConfig, CarbonReport, Eco2AICallback, MetricCollector
from hf_eco2ai.errors import LOGGER, Faults
from hf_eco2ai.meter_options import options
from hf_eco2ai.models import CarbonMetrics
from hf_eco2ai.report import between
from hf_eco2ai.session import chosen

KILOJOULE = 1000 * JOULE


class Callback(HfTest):
    """A training."""

    def loop(self, loader=None, accumulation=1, world_size=1, step=0, callback=Eco2AICallback, **options):
        """A training that has begun."""
        loop = Loop(callback(**self.options(**options)), loader, accumulation, world_size, step)
        loop.begin()
        self.addCleanup(loop.callback.session.stop)
        self.assertEqual(loop.callback.errors, 0)
        return loop

    def use(self, loop, uj):
        """Turns the counter, and waits until the meter has seen it."""
        self.machine.turn(loop.callback.session.meter, uj)

    def test_energy_and_carbon_reach_the_history_and_the_report(self) -> None:
        loop = self.loop(Loader(20, 8), zone="DE")
        loop.batches(2)
        self.use(loop, KILOJOULE)
        entry = loop.log(loss=1.5)
        self.assertGreater(entry["carbon/energy_kwh"], 0)
        report = loop.end()
        self.assertAlmostEqual(report.summary.total_energy_kwh, 1 / 3600, 12)
        self.assertAlmostEqual(report.summary.total_co2_kg, 0.34206 / 3600, 12)
        self.assertEqual((report.summary.total_steps, report.summary.total_samples, report.summary.final_loss), (2, 16, 1.5))
        self.assertAlmostEqual(report.summary.average_samples_per_kwh, 16 * 3600, delta=1e-3)
        self.assertEqual(report.origin.quality, {"package-0": "measured"})
        self.assertEqual(entry["carbon/grid_intensity"], 342.06)

    def test_the_trainers_operations_are_reported_without_those_of_the_checkpoint(self) -> None:
        loop = Loop(Eco2AICallback(**self.options()))
        loop.state.total_flos = 5e9
        loop.begin()
        self.addCleanup(loop.callback.session.stop)
        loop.batches(1)
        self.use(loop, KILOJOULE)
        loop.state.total_flos = 7e9
        loop.log(loss=1.0)
        loop.state.total_flos = 8e9
        report = loop.end()
        self.assertEqual(report.eco2["work"]["extra"]["total_flos"], 3e9)
        # 1 kJ for 3e9 operations: a third of a microjoule, 333,333 pJ.
        self.assertIn("3.00e9 FLOP", str(report.summary()))
        self.assertEqual(loop.callback.errors, 0)

    def test_without_a_count_of_operations_none_is_reported(self) -> None:
        loop = self.loop()
        loop.batches(1)
        loop.log(loss=1.0)
        self.assertNotIn("total_flos", loop.end().eco2["work"]["extra"])

    def test_d01_d02_the_total_is_the_counters_and_no_factor_comes_on_top(self) -> None:
        loop = self.loop()
        loop.batches(1)
        self.use(loop, KILOJOULE)
        self.assertAlmostEqual(loop.end().eco2["energy"]["total_uj"], KILOJOULE, delta=1)

    def test_d05_without_any_sensor_training_goes_on_and_nothing_is_zero(self) -> None:
        loop = Loop(Eco2AICallback(**self.options(meter_options={"sysfs": self.folder + "/none", "estimate": False})))
        loop.begin()
        loop.batches(3)
        entry = loop.log(loss=1.0)
        report = loop.end()
        self.assertNotIn("carbon/energy_kwh", entry)
        self.assertIsNone(report.summary.total_energy_kwh)
        self.assertIsNone(report.summary.total_co2_kg)
        self.assertEqual(report.summary.total_steps, 3)

    def test_d07_the_last_partial_batch_counts_what_it_has(self) -> None:
        loop = self.loop(Loader(20, 8))
        for _ in range(2):
            loop.call("on_epoch_begin")
            loop.batches(3)
        self.assertEqual(loop.callback.samples_seen, 40)

    def test_d07_micro_batches_are_not_multiplied_by_accumulation_or_ranks(self) -> None:
        loop = self.loop(Loader(37, 4), accumulation=3, world_size=1)
        loop.call("on_epoch_begin")
        loop.batches(10)
        self.assertEqual(loop.state.global_step, 3)
        self.assertEqual(loop.callback.samples_seen, 36, "the tenth is of a step that goes on")
        loop.call("on_epoch_begin")
        loop.batches(2)
        self.assertEqual(loop.callback.samples_seen, 37 + 8)
        ranks = self.loop(Loader(37, 4), world_size=8)
        ranks.batches(1)
        self.assertEqual(ranks.callback.samples_seen, 4, "each rank counts its own")

    def test_d07_after_a_resume_only_what_is_done_now_counts(self) -> None:
        loop = self.loop(Loader(20, 8), step=5)  # two batches into the second epoch
        loop.call("on_epoch_begin")
        loop.batches(1)
        self.assertEqual(loop.callback.samples_seen, 4)
        loop.call("on_epoch_begin")
        loop.batches(3)
        report = loop.end()
        self.assertEqual((report.summary.total_samples, report.summary.total_steps), (24, 4))
        self.assertEqual(report.eco2["work"]["extra"]["resumed_from_step"], 5)

    def test_d07_tokens_are_the_trainers_and_taken_by_one_rank(self) -> None:
        loop = self.loop(step=7)
        for seen in (128, 256):
            loop.state.num_input_tokens_seen = seen
            loop.batches(1)
        self.assertEqual(loop.callback.session.figures()["current"]["tokens_processed"], 256)
        other = Loop(Eco2AICallback(**self.options()))
        other.state.is_world_process_zero = False
        other.begin()
        other.state.num_input_tokens_seen = 128
        other.batches(1)
        self.assertIsNone(other.callback.session.figures()["current"]["tokens_processed"])
        other.end()

    def test_d07_work_that_cannot_be_counted_warns_and_can_be_given(self) -> None:
        with self.warnings() as heard:
            loop = self.loop(SimpleNamespace(dataset=iter(())))
        self.assertIn("add_work", heard[0])
        loop.callback.add_work(samples=5)
        loop.callback.add_work(samples=2, tokens=9)
        loop.batches(1)
        self.assertEqual(loop.callback.get_current_metrics().samples_processed, 7)
        self.assertEqual(loop.callback.get_current_metrics().tokens_processed, 9)

    def test_d08_steps_are_steps_and_records_are_not(self) -> None:
        loop = self.loop()
        loop.batches(7)
        for _ in range(3):
            loop.log(loss=1.0)
        report = loop.end()
        self.assertEqual((report.summary.total_steps, len(report.detailed_metrics)), (7, 3))

    def test_d18_records_hold_what_lies_between_and_it_adds_up(self) -> None:
        loop = self.loop(grid_carbon_intensity=GRAM_A_KILOJOULE, pue=1.5)
        for joules in (500, 300, 0):
            if joules:
                self.use(loop, joules * JOULE)
            loop.log(loss=1.0)
        report = loop.end()
        parts = [record.energy_kwh for record in report.detailed_metrics]
        self.assertAlmostEqual(sum(parts), report.detailed_metrics[-1].cumulative_energy_kwh)
        self.assertAlmostEqual(sum(record.co2_kg for record in report.detailed_metrics), 0.0008 * 1.5, places=6)

    def test_k13_tail_after_the_last_log_is_a_record_so_records_add_up_to_the_summary(self) -> None:
        for logs in (0, 1, 3):
            self.machine.next_run()
            loop = self.loop(grid_carbon_intensity=GRAM_A_KILOJOULE)
            for _ in range(logs):
                self.use(loop, 100 * JOULE)
                loop.batches(1)
                loop.log(loss=1.0)
            self.use(loop, 50 * JOULE)
            loop.batches(1)
            report = loop.end()
            with self.subTest(logs=logs):
                records = report.detailed_metrics
                self.assertAlmostEqual(report.summary.total_energy_kwh, (100 * logs + 50) / 3.6e6, 12)
                self.assertAlmostEqual(sum(record.energy_kwh for record in records), report.summary.total_energy_kwh, 12)
                self.assertAlmostEqual(sum(record.co2_kg for record in records), report.summary.total_co2_kg, 12)
                self.assertEqual((len(records), records[-1].step, records[-1].loss), (logs + 1, logs + 1, None))

    def test_k13_records_of_a_total_that_was_corrected_downwards_add_up_to_the_last_one(self) -> None:
        made = lambda step, joules: CarbonMetrics(step=step, energy_uj=joules * JOULE, elapsed_ns=step * 10**9,  # noqa: E731
                                                  cumulative_co2_kg=joules / 1e6)
        records = between([made(1, 100), made(2, 130), made(3, 120)])
        self.assertEqual([round(record.energy_kwh * 3.6e6, 6) for record in records], [100, 20, 0])
        self.assertAlmostEqual(sum(record.co2_kg for record in records), 120 / 1e6, 15)

    def test_d18_carbon_between_records_is_the_totals_not_todays_price(self) -> None:
        made = lambda step, uj, kg, g: CarbonMetrics(step=step, energy_uj=uj, elapsed_ns=step * 10**9, cumulative_co2_kg=kg,  # noqa: E731
                                                     grid_intensity=g)
        records = between([made(0, None, None, None), made(1, 10**9, 1.0, 3600.0), made(2, 2 * 10**9, 1.5, 1800.0),
                           made(3, None, None, None), made(4, 3 * 10**9, 1.75, 36.0)])
        self.assertEqual([record.step for record in records], [0, 1, 2, 3, 4], "unknown ones stay")
        self.assertEqual([record.co2_kg for record in records], [None, 1.0, 0.5, None, 0.25])
        self.assertEqual(records[4].power_watts, 10**9 / 2 / 10**6)
        self.assertIsNone(records[3].energy_kwh)

    def test_d22_records_are_bounded_and_still_add_up(self) -> None:
        from hf_eco2ai import session

        self.addCleanup(setattr, session, "RECORDS", session.RECORDS)
        session.RECORDS = 8
        loop = self.loop()
        for turn in range(50):
            if turn % 10 == 0:
                self.use(loop, JOULE)
            loop.log(loss=1.0)
        report = loop.end()
        self.assertLessEqual(len(report.detailed_metrics), 8)
        total = sum(record.energy_kwh for record in report.detailed_metrics)
        self.assertAlmostEqual(total, report.detailed_metrics[-1].cumulative_energy_kwh)

    def test_d23_figures_are_never_a_stale_copy(self) -> None:
        loop = self.loop()
        first = loop.callback.current_energy
        self.use(loop, KILOJOULE)
        self.assertGreater(loop.callback.current_energy, first or 0)

    def test_d24_d25_faults_do_not_reach_the_training_and_are_counted(self) -> None:
        loop = self.loop()
        loop.callback.session.meter.close()
        with self.warnings() as heard:
            loop.batches(5)
        self.assertEqual(loop.callback.errors, 5)
        self.assertEqual(len(heard), 1)
        self.assertFalse(loop.control.should_training_stop)

    def test_k19_second_different_fault_is_logged_too(self) -> None:
        faults = Faults()
        with self.warnings() as heard:
            for text in ("disk 7 is full", "disk 8 is full", "no such host", "disk 9 is full"):
                faults.add("report", OSError(text))
            for number in range(100):
                faults.add("log", ValueError("x" * (number + 1)))
        self.assertEqual((faults.count, len([text for text in heard if text.startswith("report")])), (104, 2))
        self.assertLess(len(heard), 50, "a place whose faults all differ does not fill the log")
        self.assertIn("counted only", heard[-1])

    def test_d24_no_library_no_sleep_no_exception(self) -> None:
        loop = Loop(Eco2AICallback(**self.options()))
        with self.warnings() as heard, self.no_meter():
            loop.begin()
        self.assertIn("no meter today", heard[0])
        began = time.perf_counter()
        loop.batches(100)
        loop.log(loss=1.0)
        self.assertLess(time.perf_counter() - began, 0.5)
        report = loop.end()
        self.assertIsInstance(report, CarbonReport)
        self.assertIn("nothing was measured", report.summary())

    def test_d29_figures_are_attributes_and_keys_and_the_summary_is_text_too(self) -> None:
        loop = self.loop()
        now = loop.callback.get_current_metrics()
        self.assertEqual(now.samples_processed, now["samples_processed"])
        report = loop.end()
        self.assertIs(report.summary.total_samples, report.summary["total_samples"])
        self.assertIn("Energy", report.summary())
        self.assertEqual(loop.callback.carbon_summary.total_steps, report.summary.total_steps)
        self.assertIs(loop.callback.get_carbon_report(), report)

    def test_own_figures_reach_history_and_report(self) -> None:
        class Mine(Eco2AICallback):
            """Adds a figure."""

            def compute_additional_metrics(self, logs):
                return {"loss_twice": 2 * logs["loss"]}

        loop = self.loop(callback=Mine, collectors=[MetricCollector(seven=lambda logs: 7.0)])
        entry = loop.log(loss=1.5)
        self.assertEqual((entry["loss_twice"], entry["seven"]), (3.0, 7.0))
        self.assertEqual(loop.end().eco2["work"]["extra"], {"loss_twice": 3.0, "seven": 7.0})

    def test_own_figures_that_fail_do_no_harm(self) -> None:
        loop = self.loop(collectors=[lambda logs: 1 / 0])
        with self.warnings() as heard:
            self.assertIn("carbon/grid_intensity", loop.log(loss=1.0))
        self.assertIn("ZeroDivisionError", heard[0])

    def test_a_second_training_is_a_run_of_its_own(self) -> None:
        loop = self.loop()
        loop.batches(3)
        first = loop.end()
        loop.begin()
        loop.batches(2)
        second = loop.end()
        self.assertEqual((first.summary.total_steps, second.summary.total_steps), (3, 2))
        self.assertNotEqual(first.report_id, second.report_id)

    # Options whose effect is seen here.

    def console(self, **options):
        """What is shown of a training with a log entry and an epoch."""
        text = io.StringIO()
        handler = logging.StreamHandler(text)
        out = logging.getLogger("hf_eco2ai.console")
        out.addHandler(handler)
        self.addCleanup(out.removeHandler, handler)
        loop = self.loop(**{"log_to_console": True, **options})
        loop.batches(1)
        loop.log(loss=1.0)
        logged = text.getvalue()
        loop.call("on_epoch_end")
        epoch = text.getvalue()[len(logged):]
        before = len(text.getvalue())
        loop.end()
        return logged, epoch, text.getvalue()[before:]

    def test_effect_log_to_console(self) -> None:
        self.assertIn("Energy", self.console()[2])
        self.assertEqual(self.console(log_to_console=False), ("", "", ""))

    def test_effect_log_level(self) -> None:
        logged, epoch, _ = self.console()
        self.assertEqual((logged, epoch[:7]), ("", "step 1:"))
        logged, epoch, _ = self.console(log_level="STEP")
        self.assertEqual((logged[:7], epoch), ("step 1:", ""))

    def test_effect_console_log_level(self) -> None:
        self.assertEqual(self.console(console_log_level="WARNING"), ("", "", ""))

    def test_effect_enable_recommendations(self) -> None:
        self.assertEqual(self.loop().end().to_dict()["recommendations"], [])
        self.assertNotIn("recommendations", self.loop(enable_recommendations=False).end().to_dict())

    def test_effect_track_model_size(self) -> None:
        part = SimpleNamespace(numel=lambda: 21, requires_grad=False)
        model = SimpleNamespace(parameters=lambda: [part, part], name_or_path="tiny")
        for wanted, expected in ((True, (42, 0)), (False, (None, None))):
            loop = Loop(Eco2AICallback(**self.options(track_model_size=wanted)))
            loop.call("on_train_begin", model=model)
            data = loop.end().training_metadata
            self.assertEqual((data.get("model_parameters"), data.get("trainable_parameters")), expected)
            self.assertEqual(data["model_name"], "tiny")

    def test_effect_track_dataset_size(self) -> None:
        self.assertEqual(self.loop(Loader(20, 8)).end().summary.dataset_size, 20)
        self.assertIsNone(self.loop(Loader(20, 8), track_dataset_size=False).end().summary.dataset_size)

    def test_effect_carbon_price_per_tonne(self) -> None:
        loop = self.loop(grid_carbon_intensity=GRAM_A_KILOJOULE, carbon_price_per_tonne=15, pue=2)
        self.use(loop, KILOJOULE)
        self.assertAlmostEqual(loop.end().summary.carbon_credit_cost_usd, 2e-6 * 15, places=12)
        self.assertIsNone(self.loop().end().summary.carbon_credit_cost_usd)

    def test_effect_per_gpu_metrics(self) -> None:
        by = {"name": {"GPU-a": "A", "GPU-b": "B"}, "power_watts": {"GPU-a": 1.0, "GPU-b": 2.0}}
        self.assertEqual(chosen(by, CarbonConfig()), {})
        self.assertEqual(chosen(by, CarbonConfig(per_gpu_metrics=True)), by)

    def test_effect_aggregate_gpus(self) -> None:
        by = {"name": {"GPU-a": "A"}}
        self.assertEqual(chosen(by, CarbonConfig(aggregate_gpus=False)), by)

    def test_effect_gpu_ids(self) -> None:
        self.assertEqual(options(CarbonConfig(gpu_ids="1, 5"))["gpus"], ["1", "5"])
        self.assertNotIn("gpus", options(CarbonConfig()))


class Cost(HfTest):
    """What the callback costs the training."""

    def test_d22_a_step_costs_the_same_after_a_hundred_thousand(self) -> None:
        callback = Eco2AICallback(**self.options())
        loop = Loop(callback, Loader(1000, 8))
        loop.begin()
        args, state, control, clock = loop.args, loop.state, loop.control, time.perf_counter_ns
        costs = []
        with contextlib.suppress(KeyboardInterrupt):
            for step in range(100_000):
                state.global_step = step + 1
                before = clock()
                callback.on_step_end(args, state, control)
                costs.append(clock() - before)
        self.assertEqual(loop.end().summary.total_steps, 100_000)
        early, late = sorted(costs[5_000:15_000]), sorted(costs[-10_000:])
        p99 = sorted(costs)[99_000]
        print(f"\n  on_step_end: median {late[5000] / 1000:.1f} us, p99 {p99 / 1000:.1f} us (at most 20), "
              f"median of steps 5-15 thousand {early[5000] / 1000:.1f} us")
        self.assertLess(late[5000], 1.5 * early[5000] + 500)
        self.assertLessEqual(p99, 20_000)


if __name__ == "__main__":
    LOGGER.setLevel(logging.ERROR)
    unittest.main()
