"""Forks, spawned processes, threads, and interpreters that end without closing."""

import gc
import json
import multiprocessing
import os
import threading
import time
import unittest

import eco2
from fixture import PEAK_W, Case, fake_gpu, nothing, spin

FORKS = 1000


def child(work) -> int:
    """The exit status of a forked child that does this; 99 if it raises."""
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(work())
        except BaseException:
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def records_in_a_child(meter) -> bool:
    """Whether every call of an inherited meter does nothing, quietly."""
    meter.step(samples=1, loss=0.5)
    meter.begin("new")
    meter.end("new")
    with meter.span("newer"):
        pass
    meter.extra("figure", 1.0)
    nothing_known = (meter.now(), meter.total("step"), meter.devices()) == (None, None, [])
    meter.close()
    return nothing_known and meter.forked


def spawned(folder, queue) -> None:
    """What a spawned worker does: measures by itself."""
    with eco2.Meter({**nothing(folder), "sources": ["synthetic"]}) as meter:
        meter.step()
        meter.step()
    queue.put(meter.total("step").count)


class Forks(Case):
    def test_m29_a_forked_child_records_nothing_and_raises_nothing(self):
        meter = self.meter()
        meter.step()
        self.assertFalse(meter.forked)
        self.assertEqual(child(lambda: 0 if records_in_a_child(meter) else 1), 0)
        self.assertEqual(child(lambda: meter.stepper()()), 30, "a prebound call returns ECO2_ERR_FORKED")
        with self.refused_in_child("ECO2_ERR_FORKED") as status:
            status.append(child(lambda: self.code_of(meter.report)))
        meter.step()
        meter.close()
        self.assertEqual((meter.total("step").count, meter.report_object().work.samples), (2, None))

    def test_m29_a_forked_child_may_open_a_meter_of_its_own(self):
        meter = self.meter()
        meter.step()

        def own() -> int:
            with eco2.Meter({**nothing(self.folder), "sources": ["synthetic"]}) as mine:
                for _ in range(3):
                    mine.step()
            return mine.total("step").count

        self.assertEqual(child(own), 3)
        meter.step()
        self.assertEqual(meter.total("step").count, 2)

    def test_m29_a_thousand_forks_while_sampling_lose_nothing_of_the_parents(self):
        meter = eco2.Meter({**fake_gpu(self.folder), "interval": "2ms"})
        done = threading.Event()

        def record() -> None:
            while not done.is_set():
                meter.step("thread")
                time.sleep(0.0005)

        thread = threading.Thread(target=record)
        thread.start()
        begun = time.monotonic_ns()
        with meter.span("forks"):
            for number in range(FORKS):
                meter.step("fork")
                # A child of a large test process costs most of its time in leaving: it leaves at once.
                self.assertEqual(child(lambda: meter.stepper()()), 30, number)
        took = time.monotonic_ns() - begun
        done.set()
        thread.join()
        meter.close()
        forks, total = meter.total("fork"), meter.total("forks")
        self.assertEqual((forks.count, total.count, meter.report_object()["self"].dropped), (FORKS, 1, 0))
        truth_uj = PEAK_W * total.duration_ns // 1000
        self.assertTrue(total.low_uj <= truth_uj <= total.high_uj, (total, truth_uj))
        device = meter.devices()[0]
        self.assertGreater(device.coverage, 0.99)
        print(f"\n{FORKS} forks in {took / 1e9:.2f} s while a thread recorded {meter.total('thread').count} steps")

    def test_a_worker_that_is_spawned_measures_by_itself(self):
        context = multiprocessing.get_context("spawn")
        queue = context.Queue()
        worker = context.Process(target=spawned, args=(self.folder, queue))
        worker.start()
        self.assertEqual(queue.get(timeout=60), 2)
        worker.join()
        self.assertEqual(worker.exitcode, 0)

    def test_workers_of_a_pool_record_nothing_and_work(self):
        meter = self.meter()
        track = eco2.track(meter=meter)

        @track
        def square(number: int) -> int:
            return number * number

        globals()["_square"] = square
        square(1)
        with multiprocessing.get_context("fork").Pool(2) as pool:
            self.assertEqual(pool.map(_call_square, range(20)), [n * n for n in range(20)])
        self.assertEqual(meter.total(square.__qualname__).count, 1)

    def code_of(self, call) -> int:
        """The code of the error that a call raises."""
        try:
            call()
        except eco2.Error as error:
            return error.code
        return 0

    def refused_in_child(self, name):
        """Expects children to end with that status."""
        test = self

        class Statuses(list):
            def __enter__(self):
                return self

            def __exit__(self, *raised):
                test.assertEqual({eco2.errors.NAMES[status] for status in self}, {name})

        return Statuses()


def _call_square(number: int) -> int:
    return globals()["_square"](number)


class Threads(Case):
    def test_many_threads_share_one_meter(self):
        meter, each, count = self.meter(), 200, 8
        span = meter.span("shared")

        def work() -> None:
            for _ in range(each):
                meter.step("loop")
                with span, span:
                    pass
                meter.now()
                time.sleep(0)

        threads = [threading.Thread(target=work) for _ in range(count)]
        for thread in threads:
            thread.start()
        for _ in range(20):
            meter.report()
        for thread in threads:
            thread.join()
        meter.close()
        self.assertEqual(meter.total("loop").count, count * each)
        self.assertEqual(meter.total("shared").count, 2 * count * each)

    def test_closing_while_others_record_is_reported_and_ends_nothing(self):
        meter, codes = self.meter(), []

        def work() -> None:
            try:
                while True:
                    meter.step()
                    time.sleep(0)
            except eco2.Error as error:
                codes.append(error.name)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        spin(0.02)
        closers = [threading.Thread(target=meter.close) for _ in range(3)]
        for thread in closers:
            thread.start()
        for thread in [*threads, *closers]:
            thread.join(timeout=30)
        self.assertEqual(codes, ["ECO2_ERR_CLOSED"] * 4)


class Ends(Case):
    def test_an_interpreter_that_ends_without_closing_writes_its_report(self):
        self.python("import eco2\n"
                    "meter = eco2.Meter(sources=['synthetic'], log=False, zone='DE', json='report.json')\n"
                    "meter.step(); meter.step(samples=3)\n")
        with open(f"{self.folder}/report.json") as file:
            report = json.load(file)
        self.assertEqual((report["spans"][0]["count"], report["work"]["samples"]), (2, 3))

    def test_an_exception_ends_the_span_and_the_run(self):
        done = self.python("import eco2\n"
                           "with eco2.Meter(sources=['synthetic'], log=False, zone='DE', json='report.json') as meter:\n"
                           "    with meter.span('work'):\n"
                           "        raise ValueError('of the program')\n", code=1)
        self.assertIn("of the program", done.stderr)
        with open(f"{self.folder}/report.json") as file:
            self.assertEqual(json.load(file)["spans"][0]["count"], 1)

    def test_an_end_by_a_forked_child_leaves_the_parents_report(self):
        self.python("import eco2, os, sys\n"
                    "meter = eco2.Meter(sources=['synthetic'], log=False, zone='DE', json='report.json')\n"
                    "meter.step(); meter.step()\n"
                    "if os.fork() == 0:\n"
                    "    sys.exit()\n"
                    "os.wait(); assert not os.path.exists('report.json')\n")
        self.assertTrue(os.path.exists(f"{self.folder}/report.json"))

    def test_nothing_is_printed(self):
        done = self.python("import eco2\n"
                           "with eco2.Meter(nvml='none', sysfs='none', log=False, zone='DE') as meter:\n"
                           "    meter.step(); meter.begin('open')\n")
        self.assertEqual((done.stdout, done.stderr), ("", ""))

    def test_import_and_first_reading_cost_little(self):
        done = self.python("import time; begun = time.process_time()\n"
                           "import eco2; imported = time.process_time()\n"
                           "meter = eco2.Meter(zone='DE', log=False)\n"
                           "while meter.now() is None: pass\n"
                           "print(f'import {(imported - begun) * 1e3:.1f} ms, import and first reading '\n"
                           "      f'{(time.process_time() - begun) * 1e3:.1f} ms of CPU time')")
        print("\n" + done.stdout, end="")

    def test_a_meter_in_a_cycle_is_collected(self):
        meter = self.meter()
        meter.itself = meter
        del meter
        self._cleanups.pop()
        gc.collect()


if __name__ == "__main__":
    unittest.main()
