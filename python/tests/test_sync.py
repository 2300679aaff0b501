"""What a span's edges do about queued GPU work: none, synchronize, event."""

import os
import time
import unittest

from fixture import PEAK_W, Case, spin


class Device:
    """A device that works through a queue: what is queued takes its time, and the host does not wait."""

    def __init__(self) -> None:
        self.free_ns = time.monotonic_ns()
        self.waits = 0

    def queue(self, seconds: float) -> None:
        """Queues work of that length."""
        self.free_ns = max(self.free_ns, time.monotonic_ns()) + int(seconds * 1e9)

    def synchronize(self) -> None:
        """Waits until all of it is done."""
        self.waits += 1
        time.sleep(max(0, self.free_ns - time.monotonic_ns()) / 1e9)

    def event(self):
        """Stamps the instant at which the device gets here."""
        stamp = max(self.free_ns, time.monotonic_ns())
        return lambda: stamp if time.monotonic_ns() >= stamp else None


class Edges(Case):
    def test_m41_without_a_word_queued_work_falls_outside(self):
        meter, device = self.gpu_meter(), Device()
        with meter.span("launch"):
            device.queue(0.1)
        meter.close()
        total = meter.total("launch")
        self.assertEqual(total.sync, "none")
        self.assertLess(total.duration_ns, 50_000_000)

    def test_m41_synchronize_waits_at_both_edges(self):
        meter, device = self.gpu_meter(), Device()
        device.queue(0.05)  # work of another thread
        with meter.span("kernel", sync="synchronize", synchronize=device.synchronize):
            device.queue(0.1)
        meter.close()
        total = meter.total("kernel")
        self.assertEqual((total.sync, device.waits), ("synchronize", 2))
        self.assertTrue(100_000_000 <= total.duration_ns < 145_000_000, total)

    def test_m41_event_stamps_both_edges_and_waits_for_nothing(self):
        meter, device = self.gpu_meter(), Device()
        span = meter.span("kernel", sync="event", event=device.event)
        spin(0.03)
        begun = time.monotonic_ns()
        for _ in range(3):
            with span:
                device.queue(0.05)
        self.assertLess(time.monotonic_ns() - begun, 40_000_000, "the host did not wait")
        self.assertIsNone(meter.total("kernel"))
        device.synchronize()
        spin(0.05)
        meter.close()
        total = meter.total("kernel")
        self.assertEqual((total.count, total.sync), (3, "event"))
        self.assertTrue(150_000_000 <= total.duration_ns < 160_000_000, total)
        truth_uj = PEAK_W * total.duration_ns // 1000
        self.assertTrue(total.low_uj <= truth_uj <= total.high_uj, (total, truth_uj))
        self.assertLess(abs(total.energy_uj - truth_uj), truth_uj // 10)

    def test_m41_closing_waits_for_stamps_a_limited_time(self):
        meter, device = self.gpu_meter(), Device()
        with meter.span("soon", sync="event", event=device.event):
            device.queue(0.1)
        with meter.span("never", sync="event", event=lambda: lambda: None):
            pass
        begun = time.monotonic()
        meter.close()
        self.assertLess(time.monotonic() - begun, 2)
        begun = time.monotonic()
        meter.close()
        self.assertLess(time.monotonic() - begun, 0.1, "a second close waits for nothing")
        self.assertEqual(meter.total("soon").count, 1)
        self.assertIsNone(meter.total("never"))
        self.assertTrue(any("1 spans were not recorded" in text for _, text in self.said), self.said)

    def test_m41_spans_made_inline_are_forgotten_when_they_are_recorded(self):
        meter, late = self.gpu_meter(), []
        stamp = time.monotonic_ns()

        def event():
            poll = len(late)
            late.append(None)
            return lambda: stamp if len(late) > poll + 40 else None

        for _ in range(1000):
            with meter.span("inline", sync="event", event=event):
                pass
        self.assertLessEqual(len(meter._owed), 25, "what the device still owes")
        late.extend([None] * 50)
        meter.close()
        self.assertEqual(len(meter._owed), 0)

    @unittest.skipUnless(hasattr(os, "fork"), "needs fork")
    def test_a_forked_child_waits_for_no_stamp_of_its_parent(self):
        meter = self.gpu_meter()
        with meter.span("never", sync="event", event=lambda: lambda: None):
            pass
        begun = time.monotonic()
        child = os.fork()
        if child == 0:
            meter.close()
            os._exit(0 if time.monotonic() - begun < 0.2 else 1)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)

    def test_what_the_framework_raises_ends_no_step(self):
        def fails():
            raise RuntimeError("CUDA error")

        meter = self.meter()
        for span in (meter.span("a", sync="synchronize", synchronize=fails), meter.span("b", sync="event", event=fails),
                     meter.span("c", sync="event", event=lambda: fails),
                     meter.span("d", sync="event", event=lambda: lambda: 5)):
            for _ in range(2):
                with span:
                    pass
        self.assertEqual(meter.total("a").count, 2, "measured, if not synchronised")
        self.assertEqual([meter.total(name) for name in "bcd"], [None] * 3)
        told = [text for _, text in self.said if text.startswith("span ")]
        self.assertEqual(len(told), 4, told)

    def test_m39_a_way_that_does_not_exist_is_refused(self):
        meter = self.meter()
        for sync, word in [("events", "events"), ("synchronize", "callable synchronize"), ("event", "callable event")]:
            with self.subTest(sync), self.refused("ECO2_ERR_ARGUMENT", word):
                meter.span("a", sync=sync)


if __name__ == "__main__":
    unittest.main()
