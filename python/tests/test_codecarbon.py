"""`eco2.codecarbon`: CodeCarbon's classes, by one import. test_upstream compares names and columns with CodeCarbon itself."""

import asyncio
import csv
import json
import logging
import os
import unittest
import warnings
from pathlib import Path
from unittest import mock

import eco2
from eco2.codecarbon import EmissionsTracker, OfflineEmissionsTracker, track_emissions
from fixture import PEAK_W, Case, fake_gpu, nothing, spin


class Tracker(Case):
    def setUp(self) -> None:
        super().setUp()
        self.gpu = fake_gpu(self.folder)  # once: a library that is loaded must not be written again

    def tracker(self, kind=EmissionsTracker, **options):
        """A tracker of the fake GPU, with its files in the test's folder."""
        return kind(**{**self.gpu, "zone": None, "output_dir": self.folder, **options})

    def rows(self, name="emissions.csv"):
        """The rows of a file."""
        with open(f"{self.folder}/{name}", encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def test_stop_gives_kilograms_and_writes_the_row(self):
        tracker = self.tracker(OfflineEmissionsTracker, project_name="bert", country_iso_code="DEU", experiment_id="7")
        tracker.start()
        spin(0.2)
        kg = tracker.stop()
        data, (row,) = tracker.final_emissions_data, self.rows()
        # 250 W at 342.06 g/kWh.
        self.assertAlmostEqual(kg / (PEAK_W * data.duration / 3.6e6 * 0.34206), 1, delta=0.2)
        self.assertEqual((kg, float(row["emissions"]), tracker.final_emissions), (data.emissions, kg, kg))
        self.assertAlmostEqual(data.emissions / data.energy_consumed, 0.34206, places=5)
        self.assertEqual((row["project_name"], row["country_iso_code"], row["experiment_id"], row["cpu_energy"]), ("bert", "DEU", "7", ""))
        self.assertIsNone(data.cpu_energy, "no CPU was read: not known, not 0")
        self.assertEqual(json.loads(data.toJSON())["project_name"], "bert")
        with self.assertWarnsRegex(RuntimeWarning, "stopped already"):
            self.assertEqual(tracker.stop(), kg)

    def test_rows_are_appended_or_updated_and_other_columns_are_kept(self):
        for _ in range(2):
            with self.tracker(zone="DE"):
                pass
        self.assertEqual(len(self.rows()), 2)
        with self.tracker(zone="DE", on_csv_write="update") as tracker:
            for _ in range(3):
                tracker.flush()
        self.assertEqual(len(self.rows()), 3)
        Path(self.folder, "other.csv").write_text("a,b\n1,2\n")
        with self.assertWarnsRegex(RuntimeWarning, "other.csv.bak"), self.tracker(zone="DE", output_file="other.csv"):
            pass
        self.assertEqual(Path(self.folder, "other.csv.bak").read_text(), "a,b\n1,2\n")
        self.assertEqual(len(self.rows("other.csv")), 1)

    def test_a_row_starts_on_a_line_of_its_own_and_bytes_and_cells_that_are_not_known_stay(self):
        path = Path(self.folder, "emissions.csv")
        with self.tracker(zone="DE"):
            pass
        header, row = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(header + row.replace(b"DE", b"\xff") + row.rstrip(b"\n") + b",more")
        for given in ({}, {"on_csv_write": "update"}):
            before = path.read_bytes()
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                with self.tracker(zone="DE", **given):
                    pass
            lines = path.read_bytes().splitlines(keepends=True)
            self.assertEqual(b"".join(lines[:-1]).rstrip(b"\n"), before.rstrip(b"\n"))
            self.assertEqual(len(next(csv.reader([lines[-1].decode()]))), len(header.split(b",")))

    def test_a_quoted_cell_that_was_cut_off_is_closed_before_the_next_row(self):
        path = Path(self.folder, "emissions.csv")
        with self.tracker(project_name='one "two", three', zone="DE"):
            pass
        whole = path.read_bytes()
        header = whole.splitlines(keepends=True)[0]
        for cut in range(len(header) + 1, len(whole)):
            path.write_bytes(whole[:cut])
            with self.tracker(project_name="next", zone="DE"):
                pass
            rows = self.rows()
            self.assertEqual((len(rows), rows[-1]["project_name"]), (2, "next"), whole[:cut][-30:])

    def test_no_backup_is_overwritten_and_a_single_line_is_backed_up(self):
        path = Path(self.folder, "emissions.csv")
        for text in ("a,b\n1,2\n", "my only line", "timestamp,proj"):
            path.write_text(text)
            with self.assertWarnsRegex(RuntimeWarning, "other columns"), self.tracker(zone="DE"):
                pass
        kept = {file.name: file.read_text() for file in Path(self.folder).glob("emissions.csv.*")}
        self.assertEqual(kept, {"emissions.csv.bak": "a,b\n1,2\n", "emissions.csv.bak.2": "my only line", "emissions.csv.bak.3": "timestamp,proj"})
        self.assertEqual(len(self.rows()), 1)

    def test_an_update_that_breaks_off_leaves_the_file_as_it_was(self):
        path = Path(self.folder, "emissions.csv")
        with self.tracker(zone="DE"):
            pass
        path.chmod(0o664)
        before = path.read_bytes()
        with self.assertWarnsRegex(RuntimeWarning, "not written: full"), self.tracker(zone="DE", on_csv_write="update"):
            self.enterContext_(mock.patch("os.replace", side_effect=OSError("full")))
        self.assertEqual(path.read_bytes(), before)
        self.assertEqual(list(Path(self.folder).glob("*.part")), [])

    def test_a_fault_of_writing_is_a_warning_whatever_it_is(self):
        with self.tracker(zone="DE"):
            pass
        with open(f"{self.folder}/emissions.csv", "a", encoding="utf-8") as file:
            file.write("x" * (csv.field_size_limit() + 1) + "\n")
        for given in ({"on_csv_write": "update"}, {"output_file": "a\0b"}):
            with self.subTest(given), self.assertWarnsRegex(RuntimeWarning, "not written"), self.tracker(zone="DE", **given) as tracker:
                pass
            self.assertIsNotNone(tracker.final_emissions)

    def test_a_file_that_is_not_wanted_or_cannot_be_written_ends_nothing(self):
        for given in ({"save_to_file": False}, {"output_methods": "logger,api"}):
            with self.tracker(zone="DE", **given):
                pass
        self.assertFalse(Path(self.folder, "emissions.csv").exists())
        tracker = self.tracker(zone="DE", output_dir=f"{self.folder}/missing")
        with self.assertWarnsRegex(RuntimeWarning, "not written"), tracker:
            spin(0.1)
        self.assertIsNotNone(tracker.final_emissions)

    def test_a_task_has_values_of_its_own(self):
        tracker = self.tracker(country_iso_code="DEU", experiment_name="night")
        tracker.start_task("load")
        spin(0.1)
        first = tracker.stop_task("load")
        tracker.start_task("load")
        with self.assertWarnsRegex(RuntimeWarning, "still measured"):
            tracker.start_task("more")
        spin(0.1)
        kg = tracker.stop()
        self.assertTrue(0 < first.emissions < kg, (first, kg))
        rows = self.rows(f"emissions_night_{tracker.final_emissions_data.run_id}.csv")
        self.assertEqual([row["task_name"] for row in rows], ["load", "load 2"])
        self.assertNotIn("pue", rows[0])
        with self.assertWarnsRegex(RuntimeWarning, "no such task"):
            self.assertIsNone(tracker.stop_task())

    def test_emissions_that_are_not_known_are_none_with_a_warning(self):
        tracker = EmissionsTracker(sysfs=self.folder, sources=["rapl-sysfs"], estimate=False, log=False, output_dir=self.folder)
        tracker.start()
        with self.assertWarnsRegex(RuntimeWarning, "not known"):
            self.assertIsNone(tracker.stop())
        (row,) = self.rows()
        self.assertEqual((row["emissions"], row["energy_consumed"]), ("", ""))

    def test_the_decorator_measures_each_call_and_hands_on_result_and_error(self):
        options = {**self.gpu, "output_dir": self.folder}

        @track_emissions(offline=True, country_iso_code="DEU", **{**options, "zone": None})
        def train(a, b=1):
            """Doc."""
            return a / b

        @track_emissions
        def plain():
            return 1

        self.assertEqual((train(4, b=2), train.__doc__, plain.__name__), (2, "Doc.", "plain"))
        with self.assertRaises(ZeroDivisionError):
            train(1, b=0)
        self.assertEqual([row["country_iso_code"] for row in self.rows()], ["DEU", "DEU"])

    def test_the_decorator_awaits_a_coroutine_and_refuses_a_generator(self):
        @track_emissions(**{**self.gpu, "output_dir": self.folder})
        async def train():
            spin(0.1)
            await asyncio.sleep(0)
            spin(0.1)
            return 1

        self.assertEqual(asyncio.run(train()), 1)
        (row,) = self.rows()
        self.assertGreater(float(row["duration"]), 0.2)
        with self.assertRaisesRegex(TypeError, "generator function"):
            @track_emissions
            def batches():
                yield

    def test_a_place_that_is_not_known_is_warned_of(self):
        for given, words in [({"country_iso_code": "XYZ"}, "'XYZ' is not known, the world average"),
                             ({"cloud_provider": "aws", "cloud_region": "nowhere"}, "'aws:nowhere' is not known, the world average"),
                             ({"country_iso_code": "FRA", "region": "california"}, "'california'.*average of 'FRA'")]:
            with self.subTest(given), self.assertWarnsRegex(RuntimeWarning, words), self.tracker(**given):
                pass
        for given in ({}, {"country_iso_code": "DEU"}, {"country_iso_code": "USA", "region": "california"},
                      {"force_carbon_intensity_g_co2e_kwh": 100}):
            with self.subTest(given), warnings.catch_warnings():
                warnings.simplefilter("error")
                with self.tracker(**given):
                    pass


class Keywords(Case):
    def options(self, **given) -> dict:
        """The options of the meter for CodeCarbon's keywords."""
        return EmissionsTracker(**given)._options

    def test_places_are_grid_zones(self):
        for given, zone in [({"country_iso_code": "DEU"}, "DEU"), ({"country_iso_code": "USA", "region": "california"}, "US-CA"),
                            ({"country_iso_code": "FRA", "region": "california"}, "FRA"), ({"country_2letter_iso_code": "FR"}, "FR"),
                            ({"cloud_provider": "aws", "cloud_region": "us-east-1"}, "aws:us-east-1"), ({}, None), ({"zone": "PL"}, "PL")]:
            with self.subTest(given), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.assertEqual(self.options(**given)["zone"], zone)

    def test_keywords_have_the_effect_of_options(self):
        found = self.options(project_name="p", gpu_ids="0, 1,GPU-3", tracking_mode="process", pue=1.2, wue=1.8, force_cpu_power=65,
                             force_carbon_intensity_g_co2e_kwh=100, experiment_id=7, labels={"a": "b"})
        self.assertEqual(found, {"zone": None, "zone_fallback": True, "name": "p", "gpus": [0, 1, "GPU-3"], "scope": "command",
                                 "pue": 1.2, "wue": 1.8, "cpu_watts": 65, "intensity": 100,
                                 "labels": {"experiment_id": "7", "a": "b"}})
        meter = eco2.Meter({**nothing(self.folder), **found, "gpus": None, "log": False})
        meter.close()

    def test_a_keyword_that_no_program_misses_is_silent_and_another_is_warned_of(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            self.options(measure_power_secs=15, allow_multiple_runs=True, save_to_file=False, on_csv_write="append")
        for given in ({"save_to_api": True}, {"api_key": "k"}, {"electricitymaps_api_token": "t"}, {"force_ram_power": 20}):
            with self.subTest(given), self.assertWarnsRegex(RuntimeWarning, next(iter(given))):
                self.options(**given)

    def test_the_log_level_is_that_of_the_logger(self):
        logger = logging.getLogger("eco2")
        self.addCleanup(logger.setLevel, logger.level)
        self.options(log_level="error")
        self.assertEqual(logger.level, logging.ERROR)
        with self.assertWarnsRegex(RuntimeWarning, "log_level"):
            self.options(log_level="loud")

    def test_a_keyword_that_does_not_exist_is_refused_when_the_run_starts(self):
        with self.refused("ECO2_ERR_OPTIONS", "zoen", "zone"):
            EmissionsTracker(zoen="DE").start()

    def test_a_meter_names_its_option_for_each_keyword(self):
        for given, words in [("country_iso_code", "'zone'"), ("tracking_mode", "'scope'"), ("log_level", "getLogger"),
                             ("gpu_ids", "'gpus'"), ("save_to_api", "no counterpart")]:
            with self.refused("ECO2_ERR_OPTIONS", given, words, "eco2.codecarbon"):
                eco2.Meter(**{given: "x"})

    def test_every_option_that_a_keyword_names_exists(self):
        from eco2._names import CODECARBON
        from eco2._options import Options

        self.assertEqual(set(CODECARBON.values()) - set(Options.__annotations__), set())


if __name__ == "__main__":
    os.environ.pop("ECO2_ZONE", None)
    unittest.main()
