"""`eco2.trackers.follow`: values at steps and the report at the end, by stand-ins; hf_real_frameworks has the real ones."""

import json
import unittest
from unittest import mock

import eco2.trackers
from fixture import Case, spin


class Follow(Case):
    def test_a_tracker_gets_values_at_steps_and_the_report_at_the_end(self):
        exporter = mock.Mock()
        meter = self.gpu_meter(name="bert")
        with mock.patch.dict(eco2.trackers.EXPORTERS, {"mlflow": lambda config: exporter.made(config) and exporter}):
            with eco2.trackers.follow(meter, "mlflow") as follower:
                spin(0.2)
                meter.step(samples=8)
                follower.log(1)
        self.assertEqual(exporter.made.call_args.args[0].experiment_name, "bert")
        figures, step = exporter.log_metrics.call_args.args
        self.assertEqual(step, 1)
        self.assertEqual({name.partition("/")[0] for name in figures}, {"carbon"})
        self.assertGreater(figures["carbon/energy_kwh"], 0)
        (report,) = exporter.log_report.call_args.args
        self.assertTrue(meter.closed)
        self.assertEqual(json.loads(report.to_json())["run"]["name"], "bert")
        self.assertAlmostEqual(report.summary["total_energy_kwh"], meter.report_object().kwh)
        self.assertIn("bert", report.summary())

    def test_values_that_are_not_known_are_left_out(self):
        exporter = mock.Mock()
        meter = eco2.Meter(sysfs=self.folder, sources=["rapl-sysfs"], estimate=False, log=False)
        follower = eco2.trackers.Follower(meter, [exporter])
        follower.log(1)
        self.assertNotIn("carbon/energy_kwh", exporter.log_metrics.call_args.args[0])
        self.assertIsNone(follower.end().kwh)

    def test_a_tracker_that_fails_is_a_warning_and_the_others_go_on(self):
        bad, good = mock.Mock(), mock.Mock()
        bad.log_metrics.side_effect = bad.log_report.side_effect = OSError("full")
        follower = eco2.trackers.Follower(self.meter(), [bad, good])
        for step in range(3):
            follower.log(step)
        self.assertIsNotNone(follower.end())
        self.assertEqual((good.log_metrics.call_count, good.log_report.call_count), (3, 1))
        self.assertEqual(len([text for level, text in self.said if level == "warning" and "full" in text]), 1)

    def test_a_tracker_that_does_not_exist_or_is_not_installed_is_named(self):
        with self.assertRaisesRegex(ValueError, "'wand'; allowed: mlflow, wandb, tensorboard"):
            eco2.trackers.follow(self.meter(), "wand")
        with mock.patch.dict("sys.modules", {"mlflow": None}), self.assertRaisesRegex(ImportError, "mlflow"):
            eco2.trackers.follow(self.meter(), "mlflow")


if __name__ == "__main__":
    unittest.main()
