"""K19: no option costs the measurement. One that cannot be used is left out, with one warning."""

from __future__ import annotations

import os
import unittest
import unittest.mock
from pathlib import Path

import eco2
from hf_rig import JOULE, HfTest, Loop

from hf_eco2ai import CarbonBudgetCallback, CarbonConfig, Eco2AICallback, EnergyTracker, track_training


class Lost(HfTest):
    """Options that cannot be used."""

    def measured(self, *words, warnings=1, **options):
        """The report of a training with an option that cannot be used: it is measured, and `warnings` messages contain `words`."""
        callback = Eco2AICallback(**self.options(**options))
        loop = Loop(callback)
        with self.warnings() as heard:
            loop.begin()
            self.machine.turn(callback.session.meter, 100 * JOULE)
            loop.batches(2)
            report = loop.end()
        self.assertAlmostEqual(report.summary.total_energy_kwh * 3.6e6, 100, 3)
        self.assertEqual(len(heard), warnings, heard)
        for word in words:
            self.assertIn(word, heard[0])
        self.assertEqual(callback.errors, 0)
        return report.eco2

    def test_k19_place_that_cannot_be_resolved_is_the_flagged_world(self) -> None:
        carbon = self.measured("locate", "latitude", latitude=0, longitude=-140)["carbon"]
        self.assertEqual(carbon["zone_source"], "default-world")
        carbon = self.measured("locate", meter_options={"locate": "the moon"})["carbon"]
        self.assertEqual(carbon["zone_source"], "default-world")

    def test_k19_zone_that_is_not_known_is_the_flagged_world(self) -> None:
        carbon = self.measured("Atlantis", zone="Atlantis")["carbon"]
        self.assertEqual(carbon["zone_source"], "unknown")
        carbon = self.measured("zone", "Lemuria", meter_options={"zone": "Lemuria"})["carbon"]
        self.assertEqual(carbon["zone_source"], "unknown")

    def test_k19_webhook_or_provider_that_cannot_be_used_is_left_out(self) -> None:
        self.set_env("ECO2_TOKEN_WEBHOOK", None)
        self.measured("webhook", meter_options={"webhook": "slack"})
        self.measured("webhook", meter_options={"webhook": "https://example.org/hook"})
        carbon = self.measured("intensity_provider", meter_options={"intensity_provider": ["nowhere"], "zone": "DE"})["carbon"]
        self.assertEqual(carbon["zone"], "DE")
        self.measured("ECO2_TOKEN_ELECTRICITY_MAPS", use_real_time_carbon=True, intensity_provider="electricity-maps")

    def test_k19_provider_in_a_build_without_network_is_left_out(self) -> None:
        opened = eco2.Meter.apart

        def without_network(given):
            if "intensity_provider" in given:
                raise eco2.Error(11, "intensity provider neso: this build has no network")
            if "webhook" in given:
                raise eco2.Error(10, "webhook: this build has no network")
            return opened(given)

        with unittest.mock.patch.object(eco2.Meter, "apart", without_network):
            self.measured("intensity_provider", use_real_time_carbon=True, intensity_provider="neso")
            self.measured("webhook", meter_options={"webhook": "slack"})

    def test_k19_long_name_is_cut(self) -> None:
        run = self.measured("experiment_name", "256 bytes", experiment_name="ü" * 200, warnings=2)["run"]
        self.assertEqual((run["name"], run["labels"]["experiment"]), ("ü" * 128, "ü" * 128))
        run = self.measured("experiment_name", experiment_name="two\nlines\x1b[31m", warnings=2)["run"]
        self.assertEqual(run["name"], "two lines [31m")

    def test_k19_hundred_tags_are_the_first_that_fit(self) -> None:
        run = self.measured("tag099", custom_tags={f"tag{number:03}": str(number) for number in range(100)})["run"]
        self.assertEqual((run["labels"]["project"], run["labels"]["tag000"], run["labels"]["tag061"]), ("hf-training", "0", "61"))
        self.assertNotIn("tag062", run["labels"])

    def test_k19_tags_that_are_no_labels_are_cut_or_left_out(self) -> None:
        labels = self.measured("x" * 64, custom_tags={"x" * 300: "v", "": "v", "empty": "", "seed": 3, "lines": "a\nb"},
                               warnings=2)["run"]["labels"]
        self.assertEqual((labels["x" * 256], labels["seed"], labels["lines"]), ("v", "3", "a b"))
        self.assertFalse({"", "empty"} & set(labels))

    def test_k19_missing_output_folder_is_made(self) -> None:
        self.measured(warnings=0, save_raw_metrics=True, save_report=True, output_dir="a/b/c")
        self.assertEqual(sorted(path.name for path in Path("a/b/c").iterdir()), ["carbon_report.json", "carbon_report.json.trace.csv"])

    def test_k19_output_folder_that_cannot_be_made_costs_the_file(self) -> None:
        Path("file").write_text("", encoding="utf-8")
        self.measured("trace", save_raw_metrics=True, output_dir="file/out")
        self.measured("json", meter_options={"json": "file/out.json"})
        self.measured("trace", meter_options={"trace": "file"} if os.path.isdir("file") else {"trace": self.folder})

    def test_k19_wrong_or_unknown_option_of_the_meter_is_left_out(self) -> None:
        for options in ({"no_such_option": 1}, {"pue": 0.5}, {"interval": "soon"}, {"started_at": "now"}, {"run_id": ""},
                        {"embodied": "12 bananas"}, {"tariff_series": "missing.csv"}, {"intensity_series": "missing.csv"},
                        {"labels": {"seed": 3}}, {"budget": {"max_co2": 1}}, {"budget": {"max_co2_kg": -1}}):
            with self.subTest(options):
                name = next(iter(options))
                self.measured(*([name] if options[name] != "" else []), warnings=int(options[name] != ""), meter_options=options)

    def test_k19_every_way_to_measure_does_without_it(self) -> None:
        options = self.options(latitude=0, longitude=-140, custom_tags={str(number): "x" for number in range(100)})
        with self.warnings() as heard, track_training(**options) as run:
            run.step()
        self.assertIsNotNone(run.report.eco2)
        tracker = EnergyTracker(**options)
        tracker.start_tracking()
        self.assertTrue(tracker.session.going)
        tracker.stop_tracking()
        del options["log_to_console"], options["save_report"], options["latitude"], options["longitude"]
        loop = Loop(CarbonBudgetCallback(1.0, **options))
        loop.begin()
        self.assertTrue(loop.callback.session.going)
        loop.call("on_train_end")
        self.assertEqual(len(heard), 2, "one warning each")

    def test_k19_option_that_no_message_names_is_found_by_trying(self) -> None:
        opened = eco2.Meter.apart

        def refused(given):
            if "run_id" in given:
                raise eco2.Error(11, "no")
            return opened(given)

        with unittest.mock.patch.object(eco2.Meter, "apart", refused):
            report = self.measured("run_id", run_id="mine", custom_tags={"kept": "yes"})
        self.assertEqual(report["run"]["labels"]["kept"], "yes")

    def test_k12_trace_of_an_earlier_run_is_kept(self) -> None:
        self.measured(warnings=0, save_raw_metrics=True)
        self.machine.next_run()
        self.measured(warnings=0, save_raw_metrics=True)
        self.assertEqual(len(list(Path(".").glob("carbon_report.json.trace*.csv"))), 2)


class Secrets(HfTest):
    """A saved configuration."""

    def test_k19_loaded_configuration_warns_that_secrets_were_left_out(self) -> None:
        with self.warnings():
            CarbonConfig(co2_signal_api_token="hush", alert_webhook="https://example.org/hush").to_json("c.json")
        self.assertNotIn("hush", Path("c.json").read_text(encoding="utf-8"))
        with self.warnings() as heard:
            again = CarbonConfig.from_json("c.json")
        self.assertEqual((again.co2_signal_api_token, again.alert_webhook), (None, None))
        said = [text for text in heard if "saved configuration" in text]
        self.assertEqual([text.split()[0] for text in said], ["co2_signal_api_token", "alert_webhook"])
        self.assertIn("CO2_SIGNAL_API_TOKEN", said[0])
        with self.warnings() as heard:
            CarbonConfig.from_dict({"co2_signal_api_token": None})
        self.assertEqual(heard, [])

    def test_k19_label_that_is_a_number_is_refused_by_the_meter(self) -> None:
        with self.assertRaises(eco2.Error) as caught:
            eco2.Meter(self.machine.options(), labels={"seed": 3})
        self.assertEqual(caught.exception.name, "ECO2_ERR_OPTIONS")
        self.assertIn("labels", str(caught.exception))


if __name__ == "__main__":
    unittest.main()
