"""K8: `gpu_ids` limits what is measured, counts and is shown, on a fake driver with three GPUs of 100, 200 and 300 W."""

from __future__ import annotations

import os
import shutil
import unittest
from pathlib import Path

import eco2
from fixture import fake_driver
from hf_rig import HfTest, Loop, until

import hf_eco2ai as h
from hf_eco2ai import CarbonConfig, ConfigurationError


class Gpus(HfTest):
    """Three GPUs; each has a counter and a power sensor."""

    def setUp(self) -> None:
        super().setUp()
        shutil.copy2(fake_driver(), "libnvidia-ml.so.1")
        Path("fake-nvml.conf").write_text("".join(
            f"[gpu {number}]\nuuid=GPU-{number}\npower={100 * (number + 1)}\nenergy_period_ms=20\n" for number in range(3)),
            encoding="ascii")
        self.set_env("CUDA_VISIBLE_DEVICES", None)
        self.gpus = {"sysfs": self.folder + "/none", "nvml": os.path.abspath("libnvidia-ml.so.1"), "sources": ["nvml"],
                     "estimate": False, "log": False}

    def monitored(self, gpu_ids="auto"):
        """Ids of the GPUs that a monitor lists, and the components of the total, by id."""
        monitor = h.GPUMonitor(gpu_ids, meter_options=self.gpus)
        monitor.start_monitoring()
        self.assertTrue(until(lambda: all(gpu.energy_kwh for gpu in monitor.get_current_metrics()) and monitor.is_available))
        monitor.stop_monitoring()
        whole = monitor._tracker.session.report().eco2
        counted = {device["id"]: device["energy_uj"] for device in whole["devices"] if not device["overlaps"]}
        self.assertEqual(sum(counted.values()), whole["energy"]["total_uj"])
        return [gpu.device_id for gpu in monitor.get_current_metrics()], sorted(counted)

    def test_k08_monitor_lists_each_gpu_once(self) -> None:
        every = ["GPU-0", "GPU-1", "GPU-2"]
        self.assertEqual(self.monitored(), (every, every))

    def test_k08_gpu_ids_limits_the_list_and_the_total(self) -> None:
        self.assertEqual(self.monitored([1]), (["GPU-1"], ["GPU-1"]))
        self.assertEqual(self.monitored("2,0"), (["GPU-0", "GPU-2"], ["GPU-0", "GPU-2"]))

    def test_k08_gpu_ids_counts_within_the_visible_gpus(self) -> None:
        self.set_env("CUDA_VISIBLE_DEVICES", "2,0")
        self.assertEqual(self.monitored([0]), (["GPU-2"], ["GPU-2"]))
        self.set_env("CUDA_VISIBLE_DEVICES", "GPU-1,GPU-2")
        self.assertEqual(self.monitored([1]), (["GPU-2"], ["GPU-2"]))

    def test_k08_records_show_the_counter_of_the_gpu_that_was_chosen(self) -> None:
        callback = h.Eco2AICallback(gpu_ids=[1], per_gpu_metrics=True, save_report=False, log_to_console=False, meter_options=self.gpus)
        loop = Loop(callback)
        loop.begin()
        self.assertTrue(until(lambda: callback.session.figures()["gpu_metrics"].get("energy_kwh", {}).get("GPU-1")))
        loop.batches(1)
        loop.log(loss=1.0)
        report = loop.end()
        for record in report.detailed_metrics:
            self.assertEqual(list(record.gpu_metrics["name"]), ["GPU-1"])
        self.assertEqual({device["id"] for device in report.eco2["devices"]}, {"GPU-1", "GPU-1/power"})
        self.assertAlmostEqual(report.detailed_metrics[-1].gpu_metrics["energy_kwh"]["GPU-1"], report.summary.total_energy_kwh, 9)

    def test_k08_budget_counts_the_gpus_that_were_chosen(self) -> None:
        callback = h.CarbonBudgetCallback(1.0, gpu_ids=[0], meter_options=self.gpus)
        loop = Loop(callback)
        loop.begin()
        self.assertEqual({device.id.split("/")[0] for device in callback.session.meter.devices()}, {"GPU-0"})
        loop.call("on_train_end")

    def test_k08_gpu_that_is_not_there_is_none_and_no_error(self) -> None:
        monitor = h.GPUMonitor([7], meter_options=self.gpus)
        monitor.start_monitoring()
        self.assertEqual((monitor.get_current_metrics(), monitor.is_available), ([], False))
        monitor.stop_monitoring()

    def test_k08_no_gpus_and_negative_numbers_are_refused(self) -> None:
        for given in ([], (), "[]", [-1], [0, -2], "-1", "0,-1", -1, [0.5], ["x"]):
            for made in (lambda ids: CarbonConfig(gpu_ids=ids), h.GPUMonitor, h.EnergyTracker):
                with self.subTest(given), self.assertRaisesRegex(ConfigurationError, "gpu_ids"):
                    made(given)
        self.assertEqual([CarbonConfig(gpu_ids=given).gpu_ids for given in ("", "all", 3, "1,1,0", ["2"])],
                         ["auto", "auto", [3], [1, 0], [2]])

    def test_k08_meter_takes_numbers_and_uuids(self) -> None:
        for given, found in (([1], {"GPU-1"}), (["GPU-2", 0], {"GPU-0", "GPU-2"})):
            with eco2.Meter.apart(self.gpus, gpus=given) as meter:
                self.assertEqual({device.id.split("/")[0] for device in meter.devices()}, found, given)
        for wrong in ([], [-1], ["card"], "", [1.5]):
            with self.assertRaisesRegex(eco2.Error, "gpus"):
                eco2.Meter.apart(self.gpus, gpus=wrong)


if __name__ == "__main__":
    unittest.main()
