"""The generated list of options against the library: every keyword exists there, and no literal elsewhere is wrong."""

import unittest

import fixture  # noqa: F401

import eco2
from eco2 import _options
from hf_eco2ai import meter_options


class Keywords(unittest.TestCase):
    def refused(self, **given):
        """The library's error for a value that no option takes."""
        with self.assertRaises(eco2.Error) as caught:
            eco2.Meter.apart(given)
        return str(caught.exception)

    def test_every_keyword_is_an_option_of_the_library(self):
        names = set(_options.Options.__annotations__) - {"budget"}
        self.assertGreater(len(names), 40)
        for name in names:
            self.assertIn(f"{name} is ", self.refused(**{name: [{}]}))
        for name in _options.BudgetOptions.__annotations__:
            self.assertIn(f"budget.{name} is ", self.refused(budget={name: [{}]}))
        self.assertIn("no option is named", self.refused(zoen="DE"))

    def test_names_that_the_callback_treats_separately_are_options(self):
        named = {*meter_options.FILES, *meter_options.NAMED_BY_VALUE, *meter_options.ESSENTIAL}
        named.update(name for _, names in meter_options._BLAMED for name in names)
        self.assertLessEqual(named, set(_options.Options.__annotations__))


if __name__ == "__main__":
    unittest.main()
