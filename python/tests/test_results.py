"""What a run gives: the object of `stop`, its line and its card, its formats, and the line in the log when it starts."""

import html.parser
import json
import logging
import math
import re
import subprocess
import sys
import unittest
from pathlib import Path
from unittest import mock

import eco2
from eco2 import _constants, _read, _shown
from fixture import PEAK_W, Case, nothing, spin


def report(**parts) -> eco2.Report:
    """A report of one device that took 10 W for an hour, and 20 W for another, with other values where given."""
    hour = 3_600 * 10**9
    curve = {"device": "cpu", "t_ns": [hour, 2 * hour], "energy_uj": [36 * 10**9, 108 * 10**9]}
    energy = {"total_uj": 108 * 10**9, "low_uj": 90 * 10**9, "high_uj": 126 * 10**9, "estimated_uj": 0, "measured_uj": 108 * 10**9}
    carbon = {"grams": 10.26, "low": 8.55, "high": 11.97, "zone": "DE", "zone_source": "given", "segments": [{"g_per_kwh": 342.0}]}
    whole = {"run": {"name": "bert", "duration_ns": 2 * hour, "state": "final"}, "energy": energy, "carbon": carbon,
             "devices": [{"id": "cpu", "component": "cpu", "source": "rapl-perf", "quality": "measured", "overlaps": []}],
             "curves": [curve]}
    return eco2.Report({name: {**value, **parts.get(name, {})} if isinstance(value, dict) else parts.get(name, value)
                        for name, value in whole.items()})


class Page(html.parser.HTMLParser):
    """Reads a card: its elements, their attributes, the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements, self.open, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag != "path":
            self.open.append(tag)

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag, tag

    def handle_startendtag(self, tag, attributes) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data) -> None:
        self.text += data


class Values(unittest.TestCase):
    def test_values_have_units_and_bounds(self):
        found = report()
        self.assertEqual((found.kwh, found.kwh_range, found.quality, found.duration_s), (0.03, (0.025, 0.035), "measured", 7200.0))
        self.assertEqual((found.co2_kg, found.co2_kg_range), (0.01026, (0.00855, 11.97 / 1e3)))

    def test_an_unknown_value_is_none_and_never_zero(self):
        for found in (report(energy={"total_uj": None, "low_uj": 0, "high_uj": None}, carbon={"grams": None, "low": 0, "high": None}),
                      eco2.Report({})):
            self.assertEqual((found.kwh, found.co2_kg, found.quality), (None, None, "missing"))
            self.assertEqual((found.kwh_range, found.co2_kg_range), ((0.0, None), (0.0, None)))
            self.assertRegex(repr(found), "energy not known, emissions not known")
            self.assertIn("not known", found._repr_html_())

    def test_a_report_is_made_of_another_one_or_of_its_parts(self):
        found = report()
        for again in (eco2.Report(found), eco2.Report({**found}), eco2.Report({"run": found.run, **found.to_dict()})):
            self.assertEqual((again.to_dict(), again.to_json(), repr(again)), (found.to_dict(), found.to_json(), repr(found)))
        with self.assertRaisesRegex(TypeError, "set"):
            eco2.Report({"run": set()}).to_dict()

    def test_quality_is_that_of_the_worst_part(self):
        self.assertEqual(report(energy={"estimated_uj": 1}).quality, "estimated")
        self.assertEqual(report(energy={"estimated_uj": 1, "synthetic_uj": 1}).quality, "synthetic")
        # An energy of 0 has no part: the quality is that of the devices.
        self.assertEqual(report(energy={"total_uj": 0, "measured_uj": 0}).quality, "measured")
        self.assertEqual(report(energy={"total_uj": 0, "measured_uj": 0}, devices=[]).quality, "missing")


class Line(unittest.TestCase):
    def test_the_line_has_values_units_and_ranges(self):
        self.assertEqual(repr(report()), "<eco2.Report 'bert': 30.0 Wh (measured, ± 17 %), 10.3 g CO₂e (± 17 %, DE, 342 g/kWh), 2 h 0 min>")
        estimate = report(energy={"range_kind": "plausible", "measured_uj": 0, "estimated_uj": 108 * 10**9, "low_uj": 54 * 10**9})
        self.assertIn("30.0 Wh (estimated, plausible range 15.0 – 35.0 Wh)", repr(estimate))
        zero = {"total_uj": 0, "low_uj": 0}
        self.assertIn(": 0 – 5.00 J (measured), 0 – 475 µg CO₂e (DE, 342 g/kWh)",
                      repr(report(energy={**zero, "high_uj": 5 * 10**6}, carbon={"grams": 0, "low": 0, "high": 475e-6})))
        self.assertIn(": 0 µJ (measured)", repr(report(energy={**zero, "high_uj": 0})))
        self.assertIn("at least 25.0 Wh (measured)", repr(report(energy={"high_uj": None})))
        self.assertIn("world average, no grid zone set", repr(report(carbon={"zone": "WORLD", "zone_source": "default-world"})))

    def test_numbers_have_three_digits_and_a_printed_range_holds_the_exact_one(self):
        for value, shown in [(0.00123, "0.00123"), (9.996, "10.0"), (999.6, "1000"), (1234, "1230"), (12345, "12 300"), (0, "0"), (5.1, "5.10")]:
            self.assertEqual(_shown._digits(value), shown)
        for value in (0.012345, 1.2345, 98.765, 999.9, 1001.0, 123456.0):
            low, high = (float(_shown._digits(value, rounding).replace(" ", "")) for rounding in (math.floor, math.ceil))
            self.assertTrue(low <= value <= high, (low, value, high))


class Card(unittest.TestCase):
    def test_power_over_time_is_the_slope_of_the_curve(self):
        watts = _shown.powers(report(), 4)
        self.assertEqual([round(each, 9) for each in watts], [10, 10, 20, 20])
        # A device that overlaps another, and one without a curve, add nothing.
        twice = report(devices=[*report()["devices"], {"id": "core", "quality": "measured", "overlaps": ["cpu"]}],
                       curves=[*(curve.to_dict() for curve in report().curves), {"device": "core", "t_ns": [1], "energy_uj": [10**9]}])
        self.assertEqual(_shown.powers(twice, 4), watts)
        self.assertEqual(_shown.powers(report(curves=[]), 4), [])

    def test_the_card_is_whole_requests_nothing_and_takes_the_colours_of_the_page(self):
        page = Page(report()._repr_html_())
        self.assertEqual(page.open, [])
        self.assertEqual([tag for tag, _ in page.elements if tag == "svg"], ["svg"])
        text = str(page.elements)
        self.assertNotRegex(text, r"(?i)http|url\(|script|#[0-9a-f]{3}|rgb")
        colours = {attributes[name] for tag, attributes in page.elements if tag == "path" for name in ("fill", "stroke") if name in attributes}
        self.assertEqual(colours, {"none", "currentColor"})
        self.assertRegex(page.text, r"Energy30\.0 Whmeasured, ± 17 %Emissions10\.3 g CO₂e.*Power.*mean 15\.0, highest 20\.0 W")
        (svg,) = [attributes for tag, attributes in page.elements if tag == "svg"]
        self.assertIn("mean 15.0, highest 20.0 W", svg["aria-label"])

    def test_text_of_a_report_is_no_markup(self):
        hostile = "<img src=x onerror=alert(1)>\"'&"
        page = Page(report(run={"name": hostile}, carbon={"zone": hostile}, energy={"range_kind": hostile})._repr_html_())
        self.assertEqual({tag for tag, _ in page.elements}, {"div", "b", "span", "svg", "path"})
        self.assertIn(hostile, page.text)


class StartAndStop(Case):
    def test_stop_gives_the_report_of_the_run(self):
        meter = self.gpu_meter(name="bert").start()
        spin(0.2)
        found = meter.stop()
        truth_kwh = PEAK_W * found.duration_s / 3.6e6
        self.assertAlmostEqual(found.kwh / truth_kwh, 1, delta=0.2)
        self.assertTrue(found.kwh_range[0] <= found.kwh <= found.kwh_range[1])
        self.assertAlmostEqual(found.co2_kg / found.kwh, 0.34206, places=5)
        self.assertEqual((found.quality, found.run.name), ("measured", "bert"))
        self.assertIn("<svg", found._repr_html_())
        self.assertEqual(meter.stop().kwh, found.kwh)

    def test_a_stopped_meter_starts_a_run_of_its_own(self):
        meter = self.meter()
        first = meter.stop()
        with meter.start() as again:
            again.step()
        second = again.report_object()
        self.assertIs(again, meter)
        self.assertNotEqual(first.run.id, second.run.id)
        self.assertEqual(second.work.steps, 1)

    def test_a_late_start_is_warned_of(self):
        meter = self.meter()
        meter.start()
        self.assertFalse([text for level, text in self.said if level == "warning"])
        with mock.patch("time.monotonic_ns", lambda: meter._opened_ns + 10**10):
            meter.start()
        self.assertTrue([text for level, text in self.said if level == "warning" and "start()" in text])

    def test_stop_never_raises(self):
        import pickle

        copied = pickle.loads(pickle.dumps(self.meter())).stop()
        self.assertEqual((copied.kwh, copied.quality), (None, "missing"))
        self.assertIn("copy", copied.summary())


class Formats(Case):
    def test_the_formats_are_those_of_the_command(self):
        done = eco2.run_cli(["report", "--format", "none-of-these", "x"], capture_output=True, text=True)
        listed = re.search(r"possible values: ([^\]]*)\]", done.stderr).group(1).split(", ")
        self.assertEqual(sorted(listed), sorted(eco2.report_formats()))
        in_c = [name.partition("_REPORT_")[2].lower().replace("_", "-") for name in vars(_constants) if "_REPORT_" in name]
        self.assertEqual(sorted(in_c), sorted(_read.FORMATS))

    def test_a_report_is_rendered_in_every_format_alike_by_the_library_and_the_command(self):
        meter = self.meter(name="one")
        meter.close()
        found = meter.report_object()
        for name in eco2.report_formats():
            with self.subTest(name):
                if name == "pdf":
                    continue  # needs a browser: see to_pdf
                made = found.to_format(name, f"{self.folder}/made")
                self.assertEqual(Path(f"{self.folder}/made").read_text(encoding="utf-8"), made)
                if name not in ("json", "text"):
                    self.assertEqual(meter.report(name), made)
        with self.refused("ECO2_ERR_RENDER", "none-of-these"):
            found.to_format("none-of-these")
        with self.refused("ECO2_ERR_ARGUMENT", "to_pdf"):
            meter.report("pdf")

    def test_names_of_0_1_are_still_known(self):
        meter = self.meter()
        self.assertEqual(list(json.loads(meter.report("hf.json"))), list(json.loads(meter.report("hf-json"))))
        self.assertTrue(meter.report("spans.csv"))

    def test_the_scope_of_the_command_holds_in_formats_that_state_one_energy(self):
        with eco2.Meter(nothing(self.folder), scope="command") as meter:
            spin(0.3)
        self.assertIn(",process,", meter.report("codecarbon"))


class Logged(Case):
    def setUp(self) -> None:
        super().setUp()
        self.logger, self.heard = logging.getLogger("eco2"), []
        handler = logging.Handler()
        handler.emit = self.heard.append
        self.logger.addHandler(handler)
        self.addCleanup(self.logger.removeHandler, handler)
        self.addCleanup(self.logger.setLevel, self.logger.level)
        eco2.set_log(None)

    def lines(self, level: int) -> list:
        """What is logged at a level when a meter without any sensor opens."""
        self.heard.clear()
        self.logger.setLevel(level)
        with eco2.Meter({**nothing(self.folder), "name": "bert", "zone": None}):
            pass
        return [(record.levelname, record.getMessage()) for record in self.heard]

    def test_a_run_starts_with_one_line_and_details_are_debug(self):
        (line,) = self.lines(logging.INFO)
        self.assertEqual(line[0], "INFO")
        self.assertRegex(line[1], r"^measuring 'bert': sensors: none; estimated: .*cpu.*; grid zone: world average, no grid zone set$")
        details = [text for level, text in self.lines(logging.DEBUG) if level == "DEBUG"]
        self.assertTrue([text for text in details if text.startswith("rapl-perf: ")], details)
        self.assertFalse([text for text in details if text.endswith("; ")], details)
        self.assertEqual(self.lines(logging.WARNING), [])

    def test_the_line_names_the_sensors(self):
        self.logger.setLevel(logging.INFO)
        self.gpu_meter(name="bert")
        self.assertEqual(self.heard[-1].getMessage(), "measuring 'bert': sensors: nvml (gpu); grid zone: DE")

    def test_no_report_is_made_where_no_one_reads_the_line(self):
        self.logger.setLevel(logging.WARNING)
        with mock.patch.object(eco2.Meter, "report_object", side_effect=AssertionError):
            self.meter()
        program = "import eco2, sys; eco2.Meter(sources=['synthetic'], log=False); assert 'logging' not in sys.modules"
        done = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()
