"""The arena's own arithmetic, by hand."""

import unittest

import claims
import curve
import scores
from curve import MS, Curve


class Curves(unittest.TestCase):
    POWER = Curve(((0, 100), (200, 600)), 700)

    def test_energy_is_the_integral(self):
        # 0.2 s at 100 W and 0.1 s at 600 W.
        self.assertEqual(self.POWER.joules(0, 300 * MS), 20 + 60)
        # A round is 20 J + 300 J; from the middle of the first phase to the same of the next round.
        self.assertEqual(self.POWER.joules(100 * MS, 800 * MS), 320)
        self.assertEqual(self.POWER.nanojoules(7_000 * MS), 10 * 320_000_000_000)

    def test_the_driver_reads_the_same_curve(self):
        self.assertEqual(self.POWER.script(), "0:100,200:600 loop 700")
        self.assertEqual(curve.parse(self.POWER.script()), self.POWER)


def seen(joules, low=0.0, high=None):
    return {"from_ns": 0, "to_ns": 1, "reading": {"cpu": joules, "gpu": 0.0, "low": low, "high": high}}


def truth(_from_ns, _to_ns):
    return {"cpu": 10.0, "gpu": 0.0}


class Scores(unittest.TestCase):
    def test_errors_are_of_the_truth(self):
        score = scores.score([seen(9.0), seen(12.0), seen(0.0)], truth, "cpu")
        self.assertEqual((score.median, score.worst, score.zeros), (20.0, 100.0, 1))
        self.assertEqual(score.total, (21 - 30) / 30 * 100)

    def test_bounds_hold_or_do_not(self):
        cases = [seen(9, 8, 11), seen(9, 8, None), seen(9, 10.5, 11), seen(9, 8, 9.5)]
        self.assertEqual(scores.within(cases, truth), 2)
        self.assertIsNone(scores.within([{"from_ns": 0, "to_ns": 1, "reading": {"cpu": 1, "gpu": 1}}], truth))

    def test_a_quantile_is_one_of_the_values(self):
        self.assertEqual([scores.quantile(range(1, 11), share) for share in (0.0, 0.5, 0.9, 1.0)], [1, 6, 10, 10])


class Claims(unittest.TestCase):
    def found(self, **changed):
        good = {"label": "eco2", "count": 2, "within": 2, "cpu": scores.Score(0, 0, 0, 0), "gpu": scores.Score(0, 0, 0, 0)}
        rows = {case: [{**good, **changed}] for case in ("totals", "wraps", "long_spans", "short_spans")}
        return {**rows, "imports": [{"least_cpu_ms": changed.get("first", 30)}],
                "ranks": [{"cpu": changed.get("times", 1.0), "gpu": 1.0, "total": 1.0}]}

    def test_reached_targets_are_not_reported(self):
        self.assertEqual(list(claims.missed(self.found())), [])

    def test_every_miss_is_reported(self):
        for changed in ({"first": 51}, {"times": 4.0}, {"within": 1}, {"cpu": scores.Score(0, 0, -1.5, 0)}):
            self.assertTrue(list(claims.missed(self.found(**changed))), changed)


if __name__ == "__main__":
    unittest.main()
