"""Bad input and misuse: a status and a message that names the argument, never a crash."""

import gc
import os
import pickle
import stat
import unittest
import warnings
from pathlib import Path

import eco2
from fixture import Case, nothing


class Options(Case):
    def test_m39_a_wrong_option_is_named(self):
        for options, word in [({"zoen": "DE"}, "zoen"), ({"pue": 0.5}, "pue"), ({"sources": ["nwml"]}, "sources"),
                              ({"budget": {"max_co2": 1}}, "max_co2"), ({"json": "-"}, "json"), ({"pue": "x"}, "pue")]:
            with self.subTest(options), self.refused("ECO2_ERR_OPTIONS", word):
                eco2.Meter({**nothing(self.folder), **options})

    def test_m39_options_that_json_cannot_hold_are_refused(self):
        for options in [{"pue": float("nan")}, {"labels": {"a": object()}}, {"name": {1, 2}}]:
            with self.subTest(options), self.refused("ECO2_ERR_OPTIONS", "options"):
                eco2.Meter(options)
        with self.refused("ECO2_ERR_OPTIONS", "list"):
            eco2.Meter(["name"])
        with self.refused("ECO2_ERR_OPTIONS", "options"):
            eco2.Meter(name="\udcff")

    def test_paths_and_tuples_and_none_are_taken(self):
        meter = eco2.Meter({**nothing(self.folder), "sysfs": Path(self.folder)}, sources=("synthetic",), name=None)
        self.addCleanup(meter.close)
        self.assertEqual(meter.now().complete, True)


class Names(Case):
    def test_m39_a_name_that_cannot_be_is_refused(self):
        meter = self.meter()
        for name, status in [("", "ARGUMENT"), ("x" * 257, "ARGUMENT"), ("a\0b", "ARGUMENT"), (7, "ARGUMENT"),
                             (None, "ARGUMENT"), ("\udcff", "UTF8")]:
            for call in (meter.begin, meter.end, meter.step, meter.span, meter.stepper):
                with self.subTest(name=name, call=call.__name__), self.refused(f"ECO2_ERR_{status}", "name"):
                    call(name)
        meter.begin("x" * 256)

    def test_m39_a_device_or_format_that_cannot_be_is_named(self):
        meter = self.meter()
        with self.refused("ECO2_ERR_ARGUMENT", "device"):
            meter.series("a\0b")
        with self.refused("ECO2_ERR_ARGUMENT", "format", "'xml'", "json"):
            meter.report("xml")


class Work(Case):
    def test_m39_a_count_that_does_not_fit_is_refused_and_not_cut_off(self):
        meter = self.meter()
        for samples in (-1, 2**64, 1.5, "8"):
            with self.subTest(samples), self.refused("ECO2_ERR_ARGUMENT", "samples"):
                meter.step(samples=samples)
        with self.refused("ECO2_ERR_ARGUMENT", "loss"):
            meter.step(loss="low")
        meter.step(samples=2**63)
        self.assertEqual(meter.report_object().work.samples, 2**63)

    def test_a_loss_that_is_not_finite_is_no_figure(self):
        meter = self.meter()
        meter.step(loss=float("nan"), samples=1)
        meter.step(loss=0.25)
        meter.step(loss=float("inf"))
        self.assertIn("0.25", meter.report("text"))
        with self.refused("ECO2_ERR_ARGUMENT", "value"):
            meter.extra("figure", float("nan"))

    def test_numbers_of_other_libraries_are_taken(self):
        class Integer:
            def __index__(self):
                return 3

        class Tensor:
            def __float__(self):
                return 0.5

        meter = self.meter()
        meter.step(samples=Integer(), loss=Tensor())
        self.assertEqual(meter.report_object().work.samples, 3)


class Order(Case):
    def test_m39_an_end_without_begin_is_reported(self):
        meter = self.meter()
        with self.refused("ECO2_ERR_NOT_OPEN", "open"):
            meter.end("never")
        meter.begin("once")
        meter.end("once")
        with self.refused("ECO2_ERR_NOT_OPEN"):
            meter.end("once")

    def test_m39_a_record_after_close_is_reported_but_a_span_goes_on(self):
        meter = self.meter()
        span = meter.span("kept")
        meter.close()
        for call in (lambda: meter.begin("a"), lambda: meter.end("a"), meter.step, lambda: meter.step(samples=1),
                     meter.now, lambda: meter.extra("a", 1.0)):
            with self.refused("ECO2_ERR_CLOSED", "closed"):
                call()
        with span, meter.span("new"):
            pass
        self.assertEqual(meter.stepper()(), 20)
        self.assertIsNone(meter.total("kept"))

    def test_m39_a_fault_in_the_library_leaves_the_program_alone(self):
        meter = self.meter()
        self.assertEqual(meter._library.debug_panic(meter._handle), 31)
        meter.step()
        meter.begin("a")
        with meter.span("b"):
            pass
        with self.refused("ECO2_ERR_PANIC", "fault"):
            meter.report()
        meter.close()

    def test_what_finds_no_room_is_dropped_and_not_raised(self):
        meter = self.meter()
        for _ in range(50_000):
            meter.begin("deep")
        for _ in range(50_000):
            meter.end("deep")
        meter.close()
        self.assertGreater(meter.report_object()["self"].dropped, 0)

    def test_errors_survive_a_process_pool(self):
        for error in (eco2.Error(3, "name is empty"), eco2.LoadError("missing"), eco2.NotBuilt("to_html")):
            again = pickle.loads(pickle.dumps(error))
            self.assertEqual((type(again), again.code, str(again)), (type(error), error.code, str(error)))


class Files(Case):
    def test_m39_a_disk_that_cannot_be_written_costs_the_file_and_not_the_run(self):
        place = f"{self.folder}/missing/report.json"
        meter = self.meter(json=place)
        meter.step()
        with self.refused("ECO2_ERR_WRITE", f"{self.folder}/missing"):
            meter.close()
        self.assertEqual(meter.report_object().work.steps, 1)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with self.meter(json=place):
                pass
        self.assertIn(f"{self.folder}/missing", str(caught[0].message))

    def test_home_that_cannot_be_written_costs_the_log_and_the_remedy_is_named(self):
        Path(self.folder, "file").touch()
        program = ("import eco2, json, os\n"
                   "with eco2.Meter(sources=['synthetic'], sysfs='none', nvml='none') as meter: meter.step()\n"
                   "print(*(event.text for event in meter.report_object().events if event.kind == 'log-failed'))\n"
                   "print(meter.total('step').count)\n")
        done = self.python(program, HOME=f"{self.folder}/file/home", XDG_STATE_HOME="")
        self.assertRegex(done.stdout, r"no log: .*file/home.*; ECO2_STATE_DIR=FOLDER keeps it elsewhere\n1\n")

    @unittest.skipIf(os.geteuid() == 0, "root may write anywhere")
    def test_m39_a_log_that_cannot_be_written_is_reported(self):
        os.chmod(self.folder, stat.S_IRUSR | stat.S_IXUSR)
        self.addCleanup(os.chmod, self.folder, stat.S_IRWXU)
        self.meter(log=f"{self.folder}/runs").close()

    def test_a_lost_meter_is_freed(self):
        before = len(os.listdir("/proc/self/task"))
        for _ in range(20):
            eco2.Meter({**nothing(self.folder), "sources": ["synthetic"]}).step()
        gc.collect()
        self.assertLessEqual(len(os.listdir("/proc/self/task")), before + 1)


if __name__ == "__main__":
    unittest.main()
