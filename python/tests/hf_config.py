"""CarbonConfig: every option has an effect or warns; types, ranges, aliases, files, environment."""

from __future__ import annotations

import dataclasses
import unittest
from pathlib import Path

from hf_rig import HfTest

from hf_eco2ai import CarbonConfig, ConfigurationError, meter_options
from hf_eco2ai.config import overlaid
from hf_eco2ai.effects import ALIASES, LATER
from hf_eco2ai.environment import EMAIL

SEED = """project_name experiment_name run_id country region latitude longitude grid_carbon_intensity gpu_ids
track_gpu_energy aggregate_gpus per_gpu_metrics gpu_sampling_interval log_level log_to_console console_log_level
export_prometheus prometheus_port prometheus_host save_report report_path export_csv csv_path use_real_time_carbon
auto_detect_location update_interval enable_carbon_budget max_co2_kg budget_action check_frequency mlflow_tracking
wandb_tracking custom_tags enable_recommendations track_model_size track_dataset_size estimate_costs
electricity_price_per_kwh enable_performance_optimization enable_health_monitoring expected_load cache_size batch_size
enable_caching enable_batching""".split()
DOCUMENTED = """tracking_mode experiment_id output_dir co2_signal_api_token country_iso_code prometheus_enabled
prometheus_prefix measurement_interval debug verbose_logging save_raw_metrics carbon_alerts max_co2_per_hour alert_webhook
integrations tracking_frequency include_infrastructure detailed_gpu_tracking wandb_integration mlflow_integration""".split()

SHOWN = {
    "log_to_console": "hf_callback", "console_log_level": "hf_callback", "log_level": "hf_callback",
    "export_prometheus": "hf_outputs", "prometheus_port": "hf_outputs", "prometheus_host": "hf_outputs",
    "prometheus_prefix": "hf_outputs", "save_report": "hf_outputs", "report_path": "hf_outputs", "export_csv": "hf_outputs",
    "csv_path": "hf_outputs", "output_dir": "hf_outputs", "budget_action": "hf_budget", "check_frequency": "hf_budget",
    "grace_period": "hf_budget", "mlflow_tracking": "hf_outputs", "wandb_tracking": "hf_outputs",
    "tensorboard_tracking": "hf_outputs", "neptune_tracking": "hf_outputs", "enable_recommendations": "hf_callback", "track_model_size": "hf_callback",
    "track_dataset_size": "hf_callback", "per_gpu_metrics": "hf_callback", "aggregate_gpus": "hf_callback",
    "gpu_ids": "hf_callback", "carbon_price_per_tonne": "hf_callback", "use_real_time_carbon": "hf_live",
    "intensity_provider": "hf_live", "co2_signal_api_token": "hf_live", "latitude": "hf_live", "longitude": "hf_live",
    "auto_detect_location": "hf_live", "carbon_alerts": "hf_alerts",
    **dict.fromkeys(("alert_webhook", "carbon_api_key", "carbon_api_url", "gpu_simulation", "max_co2_per_hour", "max_energy_per_hour",
                     "max_cost_per_hour", "email_to", "email_password", "tracking_mode", "include_infrastructure", "report_format"),
                    "hf_alerts"),
}
"""Options whose effect other tests show, as `test_effect_<option>` in that file."""

METER = {
    "project_name": ("x", ("labels", "project")), "experiment_name": ("x", ("name",)), "run_id": ("r1", ("run_id",)),
    "grid_carbon_intensity": (12.5, ("intensity",)), "track_gpu_energy": (False, ("sources",)),
    "gpu_sampling_interval": (0.25, ("interval",)), "custom_tags": ({"team": "nlp"}, ("labels", "team")),
    "pue": (1.5, ("pue",)), "save_raw_metrics": (True, ("trace",)), "meter_options": ({"redact": True}, ("redact",)),
    "track_cpu_energy": (False, ("sources",)), "cloud": ("aws", ("cloud",)), "equivalents": (True, ("equivalents",)),
    "carbon_offset_credits": ({"forest": 12}, ("offsets", "forest")), "max_overhead_percent": (0.5, ("max_overhead_percent",)),
}
"""Options that reach the meter: a value, and its place in the meter's options."""


class Options(HfTest):
    """What each option does."""

    def test_every_option_of_hf_eco2ai_is_there(self) -> None:
        self.assertEqual(len(SEED), 45)
        self.assertEqual(set(SEED + DOCUMENTED) - set(CarbonConfig.names()), set())

    def test_no_option_is_silent(self) -> None:
        accounted = {*SHOWN, *METER, *LATER, *ALIASES, *EMAIL, "country", "region", "zone", "enable_carbon_budget", "max_co2_kg",
                     "estimate_costs", "electricity_price_per_kwh", "debug", "verbose_logging", "integrations"}
        self.assertEqual(set(CarbonConfig.names()) - accounted, set())
        for name, file in SHOWN.items():
            text = Path(__file__).with_name(file + ".py").read_text(encoding="utf-8")
            self.assertIn(f"def test_effect_{name}(", text)

    def test_options_of_the_meter_reach_it(self) -> None:
        for name, (value, path) in METER.items():
            before, found = meter_options.options(CarbonConfig()), meter_options.options(CarbonConfig(**{name: value}))
            for key in path:
                before, found = (before or {}).get(key), found.get(key)
            self.assertIsNotNone(found, name)
            self.assertNotEqual(before, found, name)

    def test_options_without_effect_warn_once_each(self) -> None:
        other = {"update_interval": 5, "expected_load": "high", "cache_size": 1, "batch_size": 1,
                 "enable_caching": False, "enable_batching": False, "tracking_frequency": 1}
        for name in LATER:
            with self.warnings() as heard:
                CarbonConfig(**{name: other.get(name, True)})
                CarbonConfig(**{name: other.get(name, True)})
            self.assertEqual(len(heard), 1, (name, heard))
            self.assertIn(name, heard[0])

    def test_defaults_warn_of_nothing(self) -> None:
        with self.warnings() as heard:
            CarbonConfig()
        self.assertEqual(heard, [])

    def test_aliases_set_what_they_stand_for(self) -> None:
        values = {"experiment_id": "e", "country_iso_code": "DE", "measurement_interval": 2.0}
        for alias, name in ALIASES.items():
            config = CarbonConfig(**{alias: values.get(alias, True)})
            self.assertEqual(getattr(config, name), values.get(alias, True))
        self.assertTrue(CarbonConfig(integrations=["mlflow", "WandB"]).wandb_tracking)
        self.assertEqual(CarbonConfig(debug=True).console_log_level, "DEBUG")
        self.assertEqual(CarbonConfig(verbose_logging=True).console_log_level, "DEBUG")

    def test_limits_and_prices_reach_the_meters_budget(self) -> None:
        config = CarbonConfig(enable_carbon_budget=True, max_co2_kg=2, estimate_costs=True, electricity_price_per_kwh=0.3)
        self.assertEqual(meter_options.budget(config), {"max_co2_kg": 2.0, "check_steps": 100, "price_per_kwh": 0.3,
                                                        "currency": "USD"})
        self.assertEqual(meter_options.budget(CarbonConfig()), {})
        with self.warnings() as heard:
            CarbonConfig(max_co2_kg=2)
        self.assertIn("enable_carbon_budget", heard[0])

    def test_no_zone_is_no_zone(self) -> None:
        self.assertEqual(meter_options.zones(CarbonConfig()), [None])
        self.assertEqual(meter_options.zones(CarbonConfig(country="USA", region="California")), ["USA/California", "USA", None])
        self.assertEqual(meter_options.zones(CarbonConfig(zone="DE", country="FR")), ["DE", None])

    def test_a_region_without_a_value_falls_back_with_a_warning(self) -> None:
        config = CarbonConfig(**self.options(country="Germany", region="Bavaria"))
        with self.warnings() as heard, meter_options.opened(config) as meter:
            carbon = meter.report_object().carbon
            self.assertEqual((carbon.zone, carbon.zone_source), ("DE", "country"))
        self.assertIn("Bavaria (DE-BY)", heard[0])

    def test_k16_a_zone_without_a_value_is_the_world_and_called_unknown(self) -> None:
        config = CarbonConfig(**self.options(country="Atlantis"))
        with self.warnings() as heard, meter_options.opened(config) as meter:
            carbon = meter.report_object().carbon
            self.assertEqual((carbon.zone, carbon.zone_source), ("WORLD", "unknown"))
        self.assertIn("Atlantis", heard[0])


class Values(HfTest):
    """Types, ranges, files."""

    def test_what_does_not_fit_is_refused_by_name(self) -> None:
        for name, value in (("max_co2_kg", "much"), ("prometheus_port", 70000), ("log_level", "LOUD"), ("gpu_ids", "0,x"),
                            ("budget_action", "explode"), ("pue", 0.5), ("save_report", "perhaps"), ("check_frequency", 0),
                            ("check_frequency", 1.5), ("max_co2_kg", float("nan")), ("integrations", ["fax"])):
            with self.assertRaises(ConfigurationError, msg=(name, value)) as caught:
                CarbonConfig(**{name: value})
            self.assertIn(name, str(caught.exception))
        with self.assertRaises(ConfigurationError):
            CarbonConfig(enable_carbon_budget=True)

    def test_paths_are_taken_and_nothing_is_refused_by_an_error_of_another_kind(self) -> None:
        self.assertEqual(CarbonConfig(report_path=Path("a/b.json")).report_path, "a/b.json")
        for name in ("project_name", "report_path"):
            with self.assertRaisesRegex(ConfigurationError, name):
                CarbonConfig(**{name: None})

    def test_messages_hold_no_secret(self) -> None:
        for line in ("  co2_signal_api_token:hush", "  hush", "  co2_signal_api_token hush: x"):
            Path("bad.yaml").write_text("carbon:\n" + line + "\n", encoding="utf-8")
            with self.assertRaises(ConfigurationError) as caught:
                CarbonConfig.from_yaml("bad.yaml")
            self.assertIn("bad.yaml:2", str(caught.exception))
            if line != "  co2_signal_api_token hush: x":
                self.assertNotIn("hush", str(caught.exception))
        with self.assertRaises(ConfigurationError) as caught:
            CarbonConfig(co2_signal_api_token=["hush"])
        self.assertNotIn("hush", str(caught.exception))

    def test_options_that_show_nothing_more_warn(self) -> None:
        with self.warnings() as heard:
            CarbonConfig(debug=True)
        self.assertIn("no further lines", heard[0])

    def test_an_unknown_name_gets_a_suggestion(self) -> None:
        with self.assertRaisesRegex(ConfigurationError, "did you mean 'max_co2_kg'"):
            CarbonConfig.from_dict({"max_co2": 1})

    def test_json_and_back_without_secrets(self) -> None:
        config = CarbonConfig(project_name="p", gpu_ids=[1], co2_signal_api_token="hush", custom_tags={"a": "b"})
        text = config.to_json("config.json")
        self.assertNotIn("hush", text + repr(config))
        again = CarbonConfig.from_json("config.json")
        self.assertEqual((again.project_name, again.gpu_ids, again.custom_tags), ("p", [1], {"a": "b"}))
        self.assertIsNone(again.co2_signal_api_token)

    def test_yaml_of_the_documentation(self) -> None:
        Path("eco2ai.yaml").write_text("# eco2ai\ntracking:\n  mode: full  # all\n  project_name: \"bert: base\"\n"
                                       "  output_dir: out\ncarbon:\n  country_iso_code: DE\nmonitoring:\n"
                                       "  prometheus_enabled: true\n  prometheus_port: 9200\n", encoding="utf-8")
        config = CarbonConfig.from_yaml()
        self.assertEqual((config.project_name, config.country, config.export_prometheus, config.prometheus_port,
                          config.output_dir), ("bert: base", "DE", True, 9200, "out"))

    def test_yaml_that_is_not_understood_names_its_line(self) -> None:
        for text in ("tracking:\n  - a\n", "what\n", "elsewhere:\n  a: b\n", "  a: b\n", "a:b\n"):
            Path("bad.yaml").write_text(text, encoding="utf-8")
            with self.assertRaisesRegex(ConfigurationError, r"bad.yaml:\d", msg=text):
                CarbonConfig.from_yaml("bad.yaml")


class Environment(HfTest):
    """Variables."""

    def test_d31_variables_have_the_types_of_their_options(self) -> None:
        given = {"HF_ECO2AI_MAX_CO2_KG": "5", "HF_ECO2AI_ENABLE_CARBON_BUDGET": "true", "HF_ECO2AI_GPU_IDS": "0,1",
                 "HF_ECO2AI_PROMETHEUS_PORT": "9100", "HF_ECO2AI_LOG_LEVEL": "step", "HF_ECO2AI_SAVE_REPORT": "0",
                 "HF_ECO2AI_PROJECT_NAME": "", "CARBON_COUNTRY": "DE"}
        config = CarbonConfig.from_env(given)
        self.assertEqual((config.max_co2_kg, config.gpu_ids, config.prometheus_port, config.log_level, config.save_report,
                          config.project_name, config.country), (5.0, [0, 1], 9100, "STEP", False, "hf-training", "DE"))
        self.assertIsInstance(config.max_co2_kg, float)

    def test_every_option_has_its_variable(self) -> None:
        kinds = {"bool": "1", "float": "2", "int": "3", "str": "x"}
        special = {"carbon_offset_credits": "forest=1", "gpu_ids": "1", "cloud": "aws", "budget_action": "stop", "report_format": "csv", "email_to": "a@b.example", "console_log_level": "ERROR", "custom_tags": "a=b",
                   "meter_options": '{"redact": true}', "integrations": "mlflow", "log_level": "STEP"}
        for field in dataclasses.fields(CarbonConfig):
            name = field.name
            kind = str(field.type).replace("Optional[", "").rstrip("]")
            value = special.get(name) or ("0" if field.default is True else kinds[kind])
            also = {"HF_ECO2AI_MAX_CO2_KG": "1"} if name == "enable_carbon_budget" else {}
            with self.warnings():
                config = CarbonConfig.from_env({f"HF_ECO2AI_{name.upper()}": value, **also})
            self.assertNotIn(getattr(config, name), (field.default, {}, []), name)

    def test_unknown_variables_are_noticed(self) -> None:
        with self.warnings() as heard:
            CarbonConfig.from_env({"HF_ECO2AI_CONTRY": "DE", "HF_ECO2AI_MASTER_KEY": "k", "HF_ECO2AI_AUDIT_KEY": "k", "OTHER": "x"})
        self.assertEqual(len(heard), 2)
        self.assertIn("HF_ECO2AI_COUNTRY", heard[0])
        self.assertIn("encrypted", heard[1])

    def test_a_file_lies_below_the_variables_and_keywords_above(self) -> None:
        Path("base.json").write_text('{"project_name": "file", "country": "FR", "region": "x"}', encoding="utf-8")
        config = CarbonConfig.from_env({"HF_ECO2AI_CONFIG_PATH": "base.json", "HF_ECO2AI_COUNTRY": "DE"}, region="y")
        self.assertEqual((config.project_name, config.country, config.region), ("file", "DE", "y"))

    def test_a_keyword_goes_over_every_name_of_the_option_below(self) -> None:
        def made(variables, **keywords):
            with self.warnings():
                return CarbonConfig.from_env({f"HF_ECO2AI_{name}": value for name, value in variables.items()}, **keywords)

        self.assertEqual(made({"COUNTRY_ISO_CODE": "DE"}, country="FR").country, "FR")
        self.assertEqual(made({"COUNTRY": "DE"}, country_iso_code="FR").country, "FR")
        self.assertEqual(meter_options.zones(made({"ZONE": "DE"}, country="FR")), ["FR", None])
        self.assertEqual(meter_options.zones(made({"COUNTRY": "US", "REGION": "CA"}, country="FR")), ["FR", None])
        self.assertEqual(meter_options.zones(made({"COUNTRY": "US"}, region="CA")), ["US/CA", "US", None])
        self.assertEqual(meter_options.zones(made({"COUNTRY": "US"}, zone="DE")), ["DE", None])
        for name in ("wandb", "mlflow", "tensorboard", "neptune"):
            self.assertIs(getattr(made({"INTEGRATIONS": name}, **{f"{name}_tracking": False}), f"{name}_tracking"), False)
            self.assertIs(getattr(made({f"{name.upper()}_TRACKING": "0"}, integrations=[name]), f"{name}_tracking"), True)
            self.assertIs(getattr(CarbonConfig(**{"integrations": [name], f"{name}_tracking": False}), f"{name}_tracking"), False)

    def test_a_file_below_the_variables_loses_its_zone_to_their_country(self) -> None:
        Path("base.json").write_text('{"country_iso_code": "DE", "zone": "PL"}', encoding="utf-8")
        config = CarbonConfig.from_env({"HF_ECO2AI_CONFIG_PATH": "base.json", "HF_ECO2AI_COUNTRY": "FR"})
        self.assertEqual(meter_options.zones(config), ["FR", None])

    def test_given_variables_are_all_that_is_looked_at(self) -> None:
        self.set_env("EXPERIMENT_NAME", "other")
        config = CarbonConfig.from_env({"MLFLOW_TRACKING_URI": "x", "WANDB_RUN_ID": "r"})
        self.assertEqual((config.mlflow_tracking, config.run_id, config.experiment_name), (True, "r", "hf-training"))

    def test_options_over_a_config_take_along_what_follows_from_them(self) -> None:
        base = CarbonConfig(project_name="a", country_iso_code="DE", debug=True)
        over = overlaid(base, {"project_name": "b", "country": "FR", "debug": False})
        self.assertEqual((over.experiment_name, over.country, over.console_log_level), ("b", "FR", "INFO"))
        self.assertEqual((base.experiment_name, base.country), ("a", "DE"))
        self.assertEqual(overlaid(CarbonConfig(experiment_name="e"), {"project_name": "b"}).experiment_name, "e")

    def test_names_of_other_trackers_are_taken_over(self) -> None:
        self.set_env("MLFLOW_TRACKING_URI", "sqlite:///x.db")
        self.set_env("MLFLOW_RUN_ID", "abc")
        self.set_env("EXPERIMENT_NAME", "exp")
        config = CarbonConfig()
        self.assertEqual((config.mlflow_tracking, config.wandb_tracking, config.run_id, config.experiment_name),
                         (True, False, "abc", "exp"))
        self.assertFalse(CarbonConfig(mlflow_tracking=False).mlflow_tracking)


if __name__ == "__main__":
    unittest.main()
