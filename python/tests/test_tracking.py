"""The decorator, the default meter, and notebooks."""

import asyncio
import contextlib
import io
import os
import signal
import sys
import types
import unittest

import eco2
from eco2 import tracking
from fixture import Case, nothing, spin


class Tracking(Case):
    def test_every_way_to_write_it(self):
        meter = self.meter()

        @eco2.track(meter=meter)
        def plain(a, b=2):
            """Doc."""
            return a + b

        @eco2.track("named", meter=meter)
        def other():
            return 5

        self.assertEqual((plain(1), plain(1, b=3), other()), (3, 4, 5))
        self.assertEqual((plain.__name__, plain.__doc__), ("plain", "Doc."))
        self.assertEqual((meter.total(plain.__qualname__).count, meter.total("named").count), (2, 1))
        with self.assertRaisesRegex(TypeError, "generator"):
            eco2.track(meter=meter)(lambda: (yield))

    def test_a_span_is_a_decorator_and_takes_coroutines_recursion_and_exceptions(self):
        meter = self.meter()
        span = meter.span("work")

        @span
        def fall(depth):
            return fall(depth - 1) if depth else 1 // 0

        @span
        async def later():
            await asyncio.sleep(0.05)
            return 7

        with self.assertRaises(ZeroDivisionError):
            fall(4)
        self.assertEqual(asyncio.run(later()), 7)
        total = meter.total("work")
        self.assertEqual(total.count, 6)
        self.assertGreaterEqual(total.seconds, 0.05)

    def test_the_default_meter_is_one_until_it_is_closed(self):
        self.addCleanup(tracking.close_default)
        options = {**nothing(self.folder), "sources": ["synthetic"]}
        meter = eco2.default_meter(**options)
        self.assertIs(eco2.default_meter(), meter)
        self.assertIs(eco2.default_meter(**options), meter)
        with self.refused("ECO2_ERR_OPTIONS", "other options"):
            eco2.default_meter(name="another")

        @eco2.track
        def work():
            return 1

        work()
        self.assertEqual(meter.total(work.__qualname__).count, 1)
        meter.close()
        again = eco2.default_meter(**options)
        self.assertIsNot(again, meter)
        work()
        self.assertEqual(again.total(work.__qualname__).count, 1)


class Notebook(Case):
    """A stand-in for IPython: what the extension uses of it."""

    def setUp(self):
        super().setUp()
        self.namespace: dict = {"eco2": eco2, "folder": self.folder}
        self.shell = types.SimpleNamespace(run_cell=self.run_cell, magics_manager=types.SimpleNamespace(magics={"cell": {}, "line": {}}))
        self.shell.register_magic_function = lambda f, magic_kind, magic_name: self.shell.magics_manager.magics[magic_kind].update({magic_name: f})
        sys.modules["IPython"] = types.SimpleNamespace(get_ipython=lambda: self.shell)
        self.addCleanup(sys.modules.pop, "IPython")
        self.addCleanup(tracking.close_default)
        eco2.default_meter(**nothing(self.folder), sources=["synthetic"])
        eco2.load_ipython_extension(self.shell)

    def run_cell(self, cell, store_history=True):
        """As IPython: an exception, an interrupt too, is shown and goes no further."""
        try:
            exec(cell, self.namespace)
        except BaseException as error:
            self.namespace["shown"] = repr(error)

    def magic(self, line, cell):
        """Runs `%%eco2`."""
        return self.shell.magics_manager.magics["cell"]["eco2"](line, cell)

    def session(self, line=""):
        """Runs `%eco2`."""
        return self.shell.magics_manager.magics["line"]["eco2"](line)

    def test_a_cell_that_is_run_again_does_not_start_a_second_meter(self):
        cell = "meter = eco2.Meter(sysfs=folder, sources=['synthetic'], log=False, zone='DE'); meter.step()"
        meters = []
        for _ in range(3):
            self.run_cell(cell)
            meters.append(self.namespace["meter"])
        self.addCleanup(meters[0].close)
        self.assertEqual(len(set(map(id, meters))), 1)
        self.assertEqual(meters[0].total("step").count, 3)
        meters[0].close()
        self.run_cell(cell)
        self.addCleanup(self.namespace["meter"].close)
        self.assertIsNot(self.namespace["meter"], meters[0])

    def test_a_separate_meter_is_never_handed_out(self):
        options = {**nothing(self.folder), "sources": ["synthetic"]}
        mine, other, third = eco2.Meter(options), eco2.Meter.apart(options), eco2.Meter.apart(options)
        self.addCleanup(mine.close)
        self.assertEqual(len({id(mine), id(other), id(third)}), 3)
        mine.close()
        self.assertIsNot(eco2.Meter(options), other)
        self.assertFalse(other.closed)
        other.close()
        third.close()

    def test_two_trackings_of_equal_options_do_not_close_each_other(self):
        import hf_eco2ai

        given = {"meter_options": {**nothing(self.folder), "sources": ["synthetic"]}}
        first, second = hf_eco2ai.EnergyTracker(**given), hf_eco2ai.EnergyTracker(**given)
        first.start_tracking()
        second.start_tracking()
        second.stop_tracking()
        self.assertTrue(first.session.going)
        first.stop_tracking()

    def test_a_cell_has_energy_emissions_and_a_range_of_its_own_and_is_a_span_of_the_session(self):
        first = self.magic("train", "x = sum(range(1000))")
        self.namespace["spin"] = spin
        second = self.magic("train --zone FR", "x += 1; spin(0.3)")
        self.magic("", "y = 1")
        self.assertEqual(self.namespace["x"], 499501)
        meter = eco2.default_meter()
        self.assertEqual((meter.total("train").count, meter.total("cell").count), (2, 1))
        self.assertEqual((first.run.name, first.carbon.zone, second.carbon.zone), ("train", "DE", "FR"))
        low, high = second.kwh_range
        self.assertTrue(low <= second.kwh <= high and second.co2_kg is not None, second)
        self.assertRegex(repr(second), r"^<eco2.Report 'train': .* [mµ]?J \(synthetic.*\), .*g CO₂e \(.*FR, 44.2 g/kWh\), [\d.]+ s")
        self.assertGreaterEqual(second.duration_s, 0.3)

    def test_the_line_magic_shows_the_session_so_far_in_the_zone_that_is_asked_for(self):
        self.magic("train", "x = sum(range(1000))")
        first, second = self.session(), self.session("--zone=FR")
        self.assertEqual([span.name for span in first.spans], ["train"])
        self.assertEqual((first.carbon.zone, second.carbon.zone, self.session().carbon.zone), ("DE", "FR", "FR"))
        self.assertFalse(eco2.default_meter().closed)
        with contextlib.redirect_stderr(io.StringIO()) as printed:
            self.assertIsNone(self.session("--zone Nowhere"))
        self.assertRegex(printed.getvalue(), r"\Aeco2: no carbon intensity for zone .*\n\Z")

    def test_an_argument_that_does_not_exist_is_named_with_the_usage(self):
        for line in ("--zoen DE", "one two", "don't", "é" * 129):
            with self.assertRaisesRegex(ValueError, "usage: %eco2"):
                self.magic(line, "x = 1")

    def test_k01_a_cell_without_a_measurement_is_not_known_and_never_zero(self):
        tracking.close_default()
        eco2.default_meter(sources=["rapl-sysfs"], sysfs=self.folder, estimate=False, log=False)
        report = self.magic("train", "x = 1")
        self.assertRegex(repr(report), r"^<eco2.Report 'train': energy not known, emissions not known, .* s>$")
        self.assertEqual((report.kwh, report.co2_kg, report.quality), (None, None, "missing"))
        self.assertNotIn("<svg", report._repr_html_())
        decorated = eco2.track("decorated")(lambda: 1)
        self.assertEqual(decorated(), 1)
        total = eco2.default_meter().total("decorated")
        self.assertEqual((total.count, total.energy_uj, total.joules, total.kwh, total.low_uj, total.high_uj),
                         (1, None, None, None, 0, None))

    def test_an_interrupt_ends_the_span(self):
        self.namespace.update(os=os, signal=signal, spin=spin)
        self.magic("slow", "os.kill(os.getpid(), signal.SIGINT); spin(5)")
        self.assertEqual(self.namespace["shown"], "KeyboardInterrupt()")
        total = eco2.default_meter().total("slow")
        self.assertEqual(total.count, 1)
        self.assertLess(total.seconds, 4)

    def test_unloading_closes(self):
        meter = eco2.default_meter()
        eco2.unload_ipython_extension(self.shell)
        self.assertTrue(meter.closed)
        self.assertEqual(self.shell.magics_manager.magics, {"cell": {}, "line": {}})

    def test_loading_opens_the_session_where_the_program_has_not(self):
        self.assertNotEqual(eco2.default_meter().options.get("name"), "notebook")
        eco2.unload_ipython_extension(self.shell)
        self.assertTrue(tracking.is_closed())
        eco2.load_ipython_extension(self.shell)
        self.assertEqual(eco2.default_meter().options["name"], "notebook")


class Outside(Case):
    def test_outside_a_notebook_two_meters_are_two(self):
        self.assertIsNot(self.meter(), self.meter())


if __name__ == "__main__":
    unittest.main()
