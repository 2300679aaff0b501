"""Alerts, anomalies, and options and names of HF Eco2AI that had no effect before."""

from __future__ import annotations

import json
import os
import pickle
import unittest
from pathlib import Path
from typing import Any, Dict, List

import eco2
from hf_rig import HfTest, printed

import hf_eco2ai as h
from hf_eco2ai import CarbonConfig, ConfigurationError, alerts, meter_options, place
from hf_eco2ai.cli import main
from hf_eco2ai.errors import Faults, UnknownOption

HOT = {"kind": "hot", "device": "gpu0", "text": "at its highest temperature", "at": "2026-01-01T00:00:00Z"}
SPENT = {"kind": "budget-stop", "device": "", "text": "spent", "at": "2026-01-01T00:00:01Z"}


class Passed(HfTest):
    """Which alerts reach the log and the listeners."""

    def test_effect_carbon_alerts(self) -> None:
        sent = alerts.Alerts(CarbonConfig(carbon_alerts=True), Faults())
        with self.warnings() as heard:
            for _ in range(3):
                sent.look(lambda: {"events": [HOT, SPENT, {"kind": "note", "device": "", "text": "x"}]})
        self.assertEqual(heard, ["alert: hot gpu0: at its highest temperature", "alert: budget-stop: spent"])
        quiet = alerts.Alerts(CarbonConfig(), Faults())
        with self.warnings() as heard:
            quiet.look(lambda: self.fail("without a listener the report is not made"))
        self.assertEqual(heard, [])

    def rates(self, kind: str, option: str, **options: Any) -> None:
        """A training above a limit per hour makes one event, which reaches listeners and the log without `carbon_alerts`."""
        run = h.track_training(**self.options(grid_carbon_intensity=3600, **{option: 0.5}, **options))
        events: List[Dict[str, Any]] = []
        with self.warnings() as heard, run:
            h.add_anomaly_callback(run, events.append)
            self.machine.turn(run.session.meter, 200_000_000)
        # 200 J in well under a second: more than 0.5 kWh, kilograms and dollars per hour.
        self.assertEqual([event["kind"] for event in events], [kind])
        self.assertEqual(len([text for text in heard if kind in text]), 1, heard)
        self.assertIn(kind, [event["kind"] for event in run.report.eco2["events"]], "and so webhook and e-mail")

    def test_effect_max_co2_per_hour(self) -> None:
        self.rates("co2-rate", "max_co2_per_hour")
        run = h.track_training(**self.options(max_co2_per_hour=1e6, grid_carbon_intensity=3600))
        with self.warnings() as heard, run:
            self.machine.turn(run.session.meter, 200_000_000)
        self.assertEqual(heard, [])

    def test_effect_max_energy_per_hour(self) -> None:
        self.rates("energy-rate", "max_energy_per_hour")

    def test_effect_max_cost_per_hour(self) -> None:
        self.rates("cost-rate", "max_cost_per_hour", estimate_costs=True, electricity_price_per_kwh=10)
        with self.warnings() as heard:
            CarbonConfig(max_cost_per_hour=1)
        self.assertIn("estimate_costs", heard[0])

    def test_effect_email_to(self) -> None:
        given = {"EMAIL_SMTP_HOST": "smtp.example.org", "EMAIL_SMTP_PORT": "587", "EMAIL_USERNAME": "u@example.org",
                 "EMAIL_PASSWORD": "hush", "EMAIL_TO": "a@example.org,b@example.org"}
        self.assertEqual(CarbonConfig.from_env(given).email_to, [], "another program's, unless alerts are wanted")
        config = CarbonConfig.from_env({**given, "ALERT_ENABLED": "true"})
        options = meter_options.options(config)
        self.assertEqual((options["email_to"], options["email_server"], options["email_user"]),
                         (["a@example.org", "b@example.org"], "smtp.example.org:587", "u@example.org"))
        with self.warnings() as heard:
            self.assertNotIn("email_to", meter_options.options(CarbonConfig(email_to=["a@example.org"])))
        self.assertIn("email_smtp_host", heard[0])

    def test_effect_email_password(self) -> None:
        self.set_env(place.EMAIL, None)
        config = CarbonConfig(email_to="a@example.org", email_smtp_host="localhost", email_username="u", email_password="hush")
        self.assertNotIn("hush", repr(config) + json.dumps(config.to_dict()))
        place.hand_over(config)
        self.assertEqual(os.environ[place.EMAIL], "hush")

    def test_k19_email_that_cannot_be_used_is_left_out_and_the_run_is_measured(self) -> None:
        self.set_env(place.EMAIL, None)
        run = h.track_training(**self.options(email_to="a@example.org", email_smtp_host="no host"))
        with self.warnings() as heard, run:
            self.machine.turn(run.session.meter, 1_000_000)
        self.assertEqual(len([text for text in heard if "email_to" in text]), 1, heard)
        self.assertGreater(run.report.summary.total_energy_kwh, 0)

    def test_listeners_hear_each_event_once_and_their_faults_are_counted(self) -> None:
        faults = Faults()
        sent, heard = alerts.Alerts(CarbonConfig(), faults), []  # type: Any, list
        sent.listeners += [lambda event: 1 / 0, heard.append]
        sent.look(lambda: {"events": [HOT]})
        sent.look(lambda: {"events": [HOT, SPENT]})
        self.assertEqual([event["kind"] for event in heard], ["hot", "budget-stop"])
        self.assertEqual(faults.count, 2)
        sent.begin()
        sent.look(lambda: {"events": [HOT]})
        self.assertEqual(len(heard), 3, "another run's alerts are sent again")
        self.assertEqual(pickle.loads(pickle.dumps(sent)).listeners, [])
        with self.assertRaises(h.CarbonTrackingError):
            h.add_anomaly_callback(object(), print)

    def test_the_anomaly_report_is_the_librarys(self) -> None:
        episode = {"kind": "hot", "device": "gpu0", "count": 1, "duration_ns": 5, "energy_uj": 7}
        data = {"schema": "eco2.report/1", "events": [HOT, SPENT, HOT], "spells": [episode]}
        found = h.get_anomaly_report(data)
        self.assertEqual(found, {"known": True, "anomalies": [HOT, HOT], "by_kind": {"hot": 2}, "spells": [episode]})
        self.assertFalse(h.get_anomaly_report(h.CarbonReport())["known"])
        with self.assertRaises(ConfigurationError):
            h.get_anomaly_report(7)

    def test_effect_alert_webhook(self) -> None:
        for address, form in (("https://hooks.slack.com/services/x", "slack"), ("https://discord.com/api/webhooks/1", "discord"),
                              ("https://x.webhook.office.com/y", "teams"), ("https://notslack.com/hooks", "json")):
            config = CarbonConfig(alert_webhook=address)
            self.assertEqual(meter_options.options(config)["webhook"], form)
            self.assertNotIn(address, repr(config) + json.dumps(config.to_dict()))
        self.set_env(place.WEBHOOK, "https://before.example")
        place.hand_over(CarbonConfig(alert_webhook="https://hooks.slack.com/services/x"))
        self.assertEqual(os.environ[place.WEBHOOK], "https://hooks.slack.com/services/x")
        given = {"SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/x"}
        self.assertIsNone(CarbonConfig.from_env(given).alert_webhook, "another program's, unless alerts are asked for")
        self.assertEqual(CarbonConfig.from_env({**given, "ALERT_ENABLED": "true"}).alert_webhook, given["SLACK_WEBHOOK_URL"])


class Named(HfTest):
    """Names that had nothing behind them."""

    def test_effect_carbon_api_key(self) -> None:
        given = {"CARBON_API_KEY": "k", "CARBON_API_ENABLED": "true", "CARBON_COUNTRY": "DE"}
        config = CarbonConfig.from_env(given)
        self.assertEqual(place.providers(config), ["electricity-maps"])
        self.set_env("ECO2_TOKEN_ELECTRICITY_MAPS", None)
        place.hand_over(config)
        self.assertEqual(os.environ["ECO2_TOKEN_ELECTRICITY_MAPS"], "k")
        self.set_env("ECO2_TOKEN_WATTTIME", None)
        place.hand_over(CarbonConfig(use_real_time_carbon=True, intensity_provider="watttime", carbon_api_key="w"))
        self.assertEqual(os.environ["ECO2_TOKEN_WATTTIME"], "w")

    def test_effect_carbon_api_url(self) -> None:
        config = CarbonConfig.from_env({"CARBON_API_URL": "https://maps.example", "CARBON_API_KEY": "k", "CARBON_API_ENABLED": "1"})
        self.assertEqual(meter_options.options(config)["provider_url"], "https://maps.example")
        with self.warnings() as heard:
            self.assertNotIn("provider_url", meter_options.options(CarbonConfig(carbon_api_url="https://maps.example")))
        self.assertIn("carbon_api_url", heard[0])

    def test_effect_gpu_simulation(self) -> None:
        with self.warnings() as heard:
            config = CarbonConfig.from_env({"TEST_GPU_SIMULATION": "true"}, save_report=False, log_to_console=False,
                                           meter_options={"log": False})
        self.assertIn("every value is synthetic", heard[0])
        with h.TrainingRun(config) as run:
            run.step()
        self.assertTrue(run.report.origin.synthetic)
        self.assertEqual(set(run.report.origin.quality.values()), {"synthetic"})

    def test_cpu_monitoring_is_switched_and_nothing_at_all_is_refused(self) -> None:
        self.assertEqual(meter_options.options(CarbonConfig.from_env({"CPU_MONITORING_ENABLED": "false"}))["sources"], ["nvml"])
        with self.assertRaisesRegex(ConfigurationError, "nothing would be measured"):
            CarbonConfig(track_cpu_energy=False, track_gpu_energy=False)
        with self.assertRaisesRegex(ConfigurationError, "aws, gcp, azure"):
            CarbonConfig(cloud="mars")

    def test_unknown_keywords_name_the_nearest_option(self) -> None:
        for name, near in (("prject_name", "'project_name'"), ("measure_power_secs", "gpu_sampling_interval"),
                           ("output_file", "csv_path"), ("cpuntry", "'country'")):
            for make in (CarbonConfig, h.Eco2AICallback, h.EnergyTracker):
                with self.assertRaisesRegex(UnknownOption, near):
                    make(**{name: 1})
        with self.assertRaises(TypeError):
            CarbonConfig(nothing_like_it=1)
        with self.assertRaisesRegex(eco2.Error, "CodeCarbon's measure_power_secs is 'interval'"):
            eco2.Meter(log=False, measure_power_secs=1)
        with self.assertRaisesRegex(eco2.Error, 'did you mean "zone"'):
            eco2.Meter(log=False, zoen="DE")

    def test_negative_gpus_are_refused(self) -> None:
        with self.assertRaisesRegex(ConfigurationError, "gpu_ids"):
            CarbonConfig(gpu_ids=[-1])

    def test_a_saved_record_keeps_its_integers(self) -> None:
        run = h.track_training(**self.options())
        with run:
            self.machine.turn(run.session.meter, 5_000_000)
        saved = json.loads(run.report.to_json())["detailed_metrics"][-1]
        self.assertEqual(saved["energy_uj"], 5_000_000)
        self.assertGreater(saved["elapsed_ns"], 0)
        run.report.to_json("saved.json")
        self.assertEqual(h.CarbonReport.from_json("saved.json").detailed_metrics[-1].energy_uj, 5_000_000)

    def test_offsets_and_equivalents_are_lines_of_their_own(self) -> None:
        options = dict(grid_carbon_intensity=3600, equivalents=True, carbon_offset_credits={"forest": 12})
        run = h.track_training(**self.options(**options))
        with run:
            self.machine.turn(run.session.meter, 36_000_000)
        summary = run.report.summary
        # 36 J are 1e-5 kWh, 36 mg at 3600 g/kWh; a kilogram of coal emits 1995.18 g.
        self.assertAlmostEqual(summary.total_co2_kg, 3.6e-5, delta=1e-9)
        self.assertAlmostEqual(summary.equivalent_coal_burned_kg, 3.6e-2 / 1995.183472773142, delta=1e-9)
        self.assertEqual(run.report.eco2["carbon"]["beside"]["offsets"], [{"name": "forest", "kg": 12.0}])


class Places(HfTest):
    """Regions, clouds, what is known of a place."""

    def test_regions_can_be_listed_and_one_without_a_figure_is_a_name_all_the_same(self) -> None:
        bavaria = h.regions.GERMANY.BAVARIA
        self.assertEqual(bavaria, "DE-BY")
        with self.assertRaisesRegex(ConfigurationError, "Germany"):
            bavaria.intensity
        self.assertIn("GERMANY", dir(h.regions))
        self.assertIn("BAVARIA", dir(h.regions.GERMANY))
        self.assertIn("CALIFORNIA", dir(h.regions.USA))
        for zone in (h.regions.GERMANY, h.regions.CANADA):
            for name in dir(zone):
                if name.isupper():
                    self.assertTrue(getattr(zone, name).startswith(zone + "-"), name)
        with self.assertRaises(AttributeError):
            h.regions.GERMANY.NARNIA

    def test_a_region_of_a_cloud_has_its_zone_and_its_pue(self) -> None:
        found = h.CloudProviderIntegration().get_aws_carbon_data("us-east-1", duration_hours=10, power_watts=300)
        self.assertEqual((found["zone"], found["pue"], found["energy_kwh"]), ("US-VA", 1.15, 3.0))
        self.assertAlmostEqual(found["co2_kg"], 3 * found["g_per_kwh"] / 1e3)
        self.assertIsNone(h.CloudProviderIntegration.get_gcp_carbon_data("europe-west1")["co2_kg"])
        config = h.CloudProviderIntegration.config_for("aws", "us-east-1")
        self.assertEqual((config.cloud, config.zone), ("aws", "aws:us-east-1"))
        with self.assertRaises(ConfigurationError):
            h.CloudProviderIntegration.get_aws_carbon_data("moon-1")

    def test_effect_tracking_mode(self) -> None:
        for mode, has_share in (("machine", False), ("process", True)):
            run = h.track_training(**self.options(tracking_mode=mode))
            with run:
                self.machine.turn(run.session.meter, 1_000_000)
            metadata = run.report.training_metadata
            self.assertEqual("process" in metadata, has_share)
            if has_share:
                self.assertEqual(metadata["process"]["energy_uj"], run.report.eco2["attribution"]["command_uj"])
        with self.warnings() as heard:
            CarbonConfig(tracking_mode="galaxy")
        self.assertIn("machine, process", heard[0])

    def test_effect_include_infrastructure(self) -> None:
        with self.warnings() as heard:
            run = h.track_training(**self.options(include_infrastructure=True))
            with run:
                self.machine.turn(run.session.meter, 1_000_000)
        self.assertIn("`pue`", heard[0])
        self.assertGreater(run.report.eco2["carbon"]["embodied"], 0)

    def test_effect_report_format(self) -> None:
        self.assertTrue(CarbonConfig.from_env({"REPORT_FORMAT": "csv"}).export_csv)
        self.assertFalse(CarbonConfig.from_env({"REPORT_FORMAT": "json"}).export_csv)
        with self.warnings() as heard:
            CarbonConfig(report_format="pdf")
        self.assertEqual(heard, [])
        with self.assertRaisesRegex(ConfigurationError, "report_format"):
            CarbonConfig(report_format="docx")

    def test_the_impact_of_a_place_by_table_mix_and_series(self) -> None:
        Path("gb.csv").write_text("time,GB\n2026-01-01T09:00Z,300\n2026-01-01T10:00Z,100\n2026-01-01T11:00Z,200\n", encoding="utf-8")
        impact = h.CarbonIntensityProvider("UK", series="gb.csv").get_environmental_impact()
        self.assertEqual((impact.peak_hours_co2, impact.off_peak_hours_co2), (300.0, 100.0))
        self.assertEqual(impact.optimal_training_window, "2026-01-01T10:00:00Z/2026-01-01T11:00:00Z")
        self.assertEqual((impact.timezone, impact.country_code), ("Europe/London", "GB"))
        self.assertIsNone(h.CarbonIntensityProvider("Australia").get_environmental_impact().timezone, "it has several")


class Advice(HfTest):
    """`hf-eco2ai optimize` and power limits."""

    def test_optimize_as_hf_eco2ai_has_it(self) -> None:
        self.set_env("ECO2_STATE_DIR", self.folder)
        self.assertEqual(main(["optimize", "-p", "mine"]), 1)
        run = h.track_training(**self.options(project_name="mine", save_report=True, grid_carbon_intensity=100))
        with run:
            self.machine.turn(run.session.meter, 5_000_000)
        with printed() as out:
            self.assertEqual(main(["optimize", "-p", "mine", "--model-size", "large", "--duration", "60", "--format", "json"]), 0)
        found = json.loads(out.getvalue())
        self.assertEqual((found["model_size"], found["duration_minutes"]), ("large", 60.0))
        # An hour at 100 W is 100 Wh; 100 g/kWh.
        self.assertAlmostEqual(found["expected"]["energy_kwh"], found["expected"]["power_watts"] / 1e3)
        self.assertAlmostEqual(found["expected"]["co2_kg"], found["expected"]["energy_kwh"] * 0.1)
        with printed() as out:
            self.assertEqual(main(["optimize", "-p", "mine", "--model-size", "small"]), 0)
        self.assertIn("has no effect", out.getvalue())
        self.assertEqual(main(["optimize", "-p", "mine", "--duration", "-5"]), 1)

    def test_power_settings_are_swept_or_refused(self) -> None:
        with self.assertRaisesRegex(h.APIError, "."):
            h.optimize_power_settings(["true"], [300], arguments=["--nvml", self.folder + "/none"])
        with self.assertRaises(ConfigurationError):
            h.optimize_power_settings("true")


if __name__ == "__main__":
    unittest.main()
