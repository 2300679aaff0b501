"""A grid search with scikit-learn: energy and emissions of each candidate and of the whole. Needs `pip install ./python scikit-learn`.

    python3 examples/python/sklearn_search.py [TREES...]

With RAPL the energy is measured; on a machine without sensors it is estimated, and labelled so.
"""

import sys

from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score

import eco2


def main(sizes):
    """Trains a forest of each size, and prints what accuracy costs."""
    images, digits = load_digits(return_X_y=True)
    with eco2.Meter(name="forest", zone="DE") as meter:
        for trees in sizes:
            # One process: workers of joblib would be measured too, as part of the machine.
            with meter.span(f"{trees} trees"):
                accuracy = cross_val_score(RandomForestClassifier(trees, random_state=0), images, digits, cv=3).mean()
            meter.extra(f"accuracy of {trees} trees", accuracy)
            # None where no sensor was read and nothing is estimated.
            joules = meter.total(f"{trees} trees").joules
            print(f"{trees} trees: accuracy {accuracy:.3f}, {'energy not known' if joules is None else f'{joules:.2f} J'}")
    print(meter.stop())


main([int(size) for size in sys.argv[1:]] or [10, 50, 200])
