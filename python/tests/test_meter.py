"""A run from opening to its report: which values are returned, when, and that they are the counter's."""

import json
import threading
import time
import unittest

import eco2
from fixture import PEAK_W, Case, fake_gpu, spin


class Running(Case):
    def test_a_measured_span_holds_the_truth(self):
        with self.gpu_meter() as meter:
            spin(0.05)
            begun = time.monotonic_ns()
            with meter.span("work"):
                spin(0.2)
            ended = time.monotonic_ns()
            spin(0.05)
        total = meter.total("work")
        truth_uj = PEAK_W * total.duration_ns // 1000
        self.assertEqual((total.count, total.final), (1, True))
        self.assertLessEqual(total.duration_ns, ended - begun)
        self.assertGreater(total.duration_ns, 190_000_000)
        self.assertLessEqual(total.low_uj, truth_uj)
        self.assertGreaterEqual(total.high_uj, truth_uj)
        self.assertLess(abs(total.energy_uj - truth_uj), truth_uj // 5)  # a busy machine reads late
        self.assertAlmostEqual(total.joules, total.energy_uj / 1e6)
        self.assertAlmostEqual(total.kwh, total.joules / 3.6e6)

    def test_k10_ten_calls_of_step_are_ten_steps_that_sum_to_the_run(self):
        with self.gpu_meter() as meter:
            for _ in range(10):
                spin(0.01)
                meter.step(samples=4, tokens=100, loss=0.5)
        report, total = meter.report_object(), meter.total("step")
        self.assertEqual(total.count, 10)
        self.assertEqual((report.work.steps, report.work.samples, report.work.tokens), (10, 40, 1000))
        # The run began with the first step, and ended right after the last.
        self.assertLess(report.run.duration_ns - total.duration_ns, 50_000_000)
        self.assertLessEqual(total.energy_uj, report.energy.total_uj)
        self.assertGreaterEqual(total.duration_ns, 100_000_000)
        # One chain of steps: its bounds are those of its two ends, which are one counter update from each other.
        self.assertLessEqual(total.high_uj - total.low_uj, 4 * 20_000 * PEAK_W)

    def test_k10_steps_start_where_they_are_started_and_inner_steps_do_not_count(self):
        with self.gpu_meter() as meter:
            spin(0.05)
            meter.start_steps()
            begun = time.monotonic_ns()
            for _ in range(3):
                for _ in range(4):
                    meter.step("micro")
                meter.step()
            steps_ns = time.monotonic_ns() - begun
            spin(0.05)
            meter.start_steps()
            meter.step()
        work, total = meter.report_object().work, meter.total("step")
        self.assertEqual((total.count, meter.total("micro").count, work.steps), (4, 12, 4))
        self.assertLess(total.duration_ns, steps_ns + 50_000_000, "neither the set-up nor the pause")

    def test_k10_the_name_of_the_runs_own_steps_is_an_option(self):
        with self.gpu_meter(step_name="outer") as meter:
            for _ in range(2):
                for _ in range(4):
                    meter.step(samples=1)
                meter.step("outer")
        work = meter.report_object().work
        self.assertEqual((work.steps, work.samples), (2, 8))

    def test_k10_threads_that_step_together_do_not_add_up(self):
        meter, together = self.gpu_meter(), threading.Barrier(2)

        def train() -> None:
            for _ in range(5):
                meter.step(samples=1)
                together.wait()

        threads = [threading.Thread(target=train) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        meter.close()
        work = meter.report_object().work
        self.assertEqual((work.steps, work.samples, meter.total("step").count), (5, 10, 10))

    def test_now_grows_and_has_its_time(self):
        meter = self.gpu_meter()
        before, first = time.monotonic_ns(), meter.now()
        spin(0.1)
        second = meter.now()
        self.assertGreaterEqual(first.at_ns, before)
        truth_uj = PEAK_W * (second.at_ns - first.at_ns) // 1000
        self.assertLess(abs(second.energy_uj - first.energy_uj - truth_uj), truth_uj // 2)
        self.assertTrue(second.complete)

    def test_devices_and_series_are_those_of_the_report(self):
        meter = self.gpu_meter(sampling="fixed")
        spin(0.1)
        meter.close()
        device, power = meter.devices()
        shown, _ = meter.report_object().devices
        self.assertEqual((device.id, device.energy_uj, device.high_uj, device.source),
                         (shown.id, shown.energy_uj, shown.high_uj, "nvml"))
        self.assertEqual([(row.model, row.method) for row in (device, power)],
                         [(row.model, row.method) for row in meter.report_object().devices])
        self.assertTrue(device.model and device.method is None, device)
        self.assertEqual((device.component, device.quality, device.summed), ("gpu", "measured", True))
        self.assertEqual((power.quality, power.summed), ("derived", False))
        series = meter.series(device.id)
        self.assertGreater(len(series), 3)
        self.assertEqual(series.energy_uj, sorted(series.energy_uj))
        self.assertTrue(all(lo <= hi for lo, hi, _ in series))
        self.assertEqual(len(meter.series("nothing")), 0)

    def test_a_closed_meter_can_be_read_and_closed_again(self):
        meter = self.meter()
        meter.step()
        meter.close()
        meter.close()
        self.assertTrue(meter.closed)
        self.assertEqual(json.loads(meter.report())["schema"], "eco2.report/1")
        self.assertEqual(meter.budget(), eco2.Budget("go", 0, 0.0))
        self.assertIn("SYNTHETIC", meter.report("text"))
        for format in set(eco2.report_formats()) - {"pdf"}:
            with self.subTest(format):
                self.assertTrue(meter.report(format))

    def test_a_budget_shows_what_is_held_back_and_what_will_be_spent(self):
        budget = {"max_energy_kwh": 1.0, "total_hours": 0.001, "reserve_percent": 2, "soft": "off"}
        # Read every 10 ms: on demand, a forecast takes some seconds.
        with self.gpu_meter(budget=budget, sampling="fixed") as meter:
            spin(0.4)
            found = meter.budget()
        self.assertEqual((found.unit, found.limit), ("energy_uj", 3.6e12))
        # The reserve, and what the counter has yet to show of the last moments.
        self.assertTrue(0.02 * 3.6e12 <= found.held < 0.0201 * 3.6e12, found.held)
        # 3.6 s at 250 W.
        self.assertAlmostEqual(found.finish / 900e6, 1, delta=0.2)
        self.assertTrue(found.finish_low <= found.finish <= found.finish_p90 <= found.finish_high)
        self.assertTrue(found.low <= found.spent <= found.high, found)
        self.assertEqual((found.quality, found.quality_percent), ("measured", 100.0))

    def test_k10_a_budget_without_a_measurement_has_no_value_no_bounds_and_no_quality(self):
        with eco2.Meter(sources=["rapl-sysfs"], sysfs="/nonexistent", estimate=False, budget={"max_energy_kwh": 1.0}) as meter:
            found = meter.budget()
        self.assertEqual((found.decision, found.spent, found.low, found.high), ("warn", None, 0.0, None))
        self.assertEqual((found.quality, found.quality_percent), ("missing", None))

    def test_a_spent_budget_answers_stop(self):
        with self.gpu_meter(budget={"max_energy_kwh": 1e-9}) as meter:
            spin(0.05)
        budget = meter.budget()
        self.assertEqual((budget.decision, budget.limits), ("stop", 1))
        self.assertGreater(budget.share, 1)

    def test_figures_of_the_programs_own_reach_the_report(self):
        with self.meter() as meter:
            meter.extra("accuracy", 0.5)
            meter.step(extra={"accuracy": 0.75, "bleu": 31})
        self.assertEqual(meter.report_object().work.extra.to_dict(), {"accuracy": 0.75, "bleu": 31.0})

    def test_what_is_not_known_is_none(self):
        meter = eco2.Meter({"sysfs": self.folder, "nvml": f"{self.folder}/none", "estimate": False, "log": False,
                            "quiet": True, "zone": "DE", "sources": ["rapl-sysfs"]})
        self.addCleanup(meter.close)
        self.assertIsNone(meter.now())
        self.assertIsNone(meter.total("never"))
        self.assertEqual(meter.devices(), [])

    def test_an_upper_bound_that_is_not_known_is_none(self):
        eco2.set_log(None)
        meter = self.gpu_meter(interval="60s")
        self.assertEqual([device.high_uj for device in meter.devices()][0], None)
        with meter.span("short"):
            pass
        # Known only if the counters were read since.
        total = meter.total("short")
        self.assertTrue(total.high_uj is None or total.low_uj <= total.high_uj)

    def test_prebound_calls_record_and_keep_the_meter(self):
        meter = self.meter()
        step, (begin, end) = meter.stepper(), meter.edges("inner")
        self.assertEqual([step(), begin(), end(), step()], [0, 0, 0, 0])
        self.assertEqual(end(), 21, "a second end is a status")
        self.assertEqual((meter.total("step").count, meter.total("inner").count), (2, 1))

    def test_calls_outlive_their_meter(self):
        step = eco2.Meter({"sources": ["synthetic"], "log": False, "zone": "DE"}).stepper()
        self.assertEqual([step(), step()], [0, 0])
        report = self.python("import eco2, gc\n"
                             "step = eco2.Meter(sources=['synthetic'], log=False, zone='DE').stepper()\n"
                             "gc.collect()\n"
                             "print(sum(step() for _ in range(100)))")
        self.assertEqual(report.stdout, "0\n")

    def test_the_log_goes_to_the_program(self):
        eco2.Meter({"sysfs": self.folder, "nvml": f"{self.folder}/none", "sources": ["nvml"], "estimate": False,
                    "log": False}).close()
        self.assertTrue(any("nvml" in text for _, text in self.said), self.said)

    def test_a_callback_that_fails_fails_alone(self):
        done = self.python("import eco2\n"
                           "eco2.set_log(lambda level, text: 1 // 0)\n"
                           "eco2.Meter(sysfs='none', nvml='none', sources=['nvml'], log=False).close()\n")
        self.assertEqual((done.stdout, done.stderr), ("", ""))


class Ranks(Case):
    def test_rank_is_the_launchers_number(self):
        program = ("import eco2\n"
                   "with eco2.Meter(sysfs='none', nvml='none', sources=['nvml'], log=False, quiet=True) as meter:\n"
                   "    print(meter.rank, meter.forked)\n")
        self.assertEqual(self.python(program).stdout, "None False\n")
        self.assertEqual(self.python(program, RANK="3", WORLD_SIZE="4").stdout, "3 False\n")


class Merging(Case):
    def test_f39_two_meters_on_one_gpu_are_one_total(self):
        options = fake_gpu(self.folder)
        with eco2.Meter(options, name="outer") as outer, eco2.Meter(options, name="inner") as inner:
            spin(0.1)
        first, second = outer.report_object(), inner.report_object()
        merged = eco2.merge([first, inner.report(), second.to_dict()])
        self.assertEqual(merged.schema, "eco2.report/1")
        self.assertGreaterEqual(merged.energy.total_uj, max(first.energy.total_uj, second.energy.total_uj))
        self.assertLess(merged.energy.total_uj, (first.energy.total_uj + second.energy.total_uj) * 3 // 4)

    def test_m39_a_text_that_is_no_report_is_named(self):
        with self.refused("ECO2_ERR_ARGUMENT", "1"):
            eco2.merge([self.meter().report(), "{}"])
        with self.assertRaises(TypeError):
            eco2.merge([object()])


class Reports(unittest.TestCase):
    TEXT = '{"schema": "eco2.report/1", "energy": {"total_uj": 7, "high_uj": null}, "devices": [{"id": "a"}]}'

    def test_attribute_and_key_are_the_same(self):
        report = eco2.Report(self.TEXT)
        self.assertEqual(report.energy.total_uj, report["energy"]["total_uj"])
        self.assertIsNone(report.energy.high_uj)
        self.assertEqual(report.devices[0].id, "a")
        self.assertEqual(dict(report.energy), {"total_uj": 7, "high_uj": None})
        self.assertEqual(report.to_dict(), json.loads(self.TEXT))

    def test_nothing_can_be_changed(self):
        report, plain = eco2.Report(self.TEXT), {"energy": {"total_uj": 7}}
        other = eco2.Report(plain)
        with self.assertRaises(AttributeError):
            report.energy.total_uj = 8
        with self.assertRaises(TypeError):
            report["schema"] = "other"
        with self.assertRaises(AttributeError):
            report.devices.append("b")
        plain["energy"] = None
        other.to_dict()["energy"]["total_uj"] = 9
        self.assertEqual(other.energy.total_uj, 7)

    def test_a_name_that_does_not_exist_is_an_error(self):
        with self.assertRaisesRegex(AttributeError, "no 'total_kwh' here; there are total_uj"):
            eco2.Report(self.TEXT).energy.total_kwh
        for text in ("[]", "{"):
            with self.assertRaises(ValueError):
                eco2.Report(text)


if __name__ == "__main__":
    unittest.main()
