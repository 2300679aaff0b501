#!/usr/bin/env python3
"""A small real training run: a two-layer network learns to classify the points of three spiral arms.

Uses only the Python standard library and one core; the seed is fixed, so every run has the same result. It takes about
five seconds, which is long enough for an energy counter to change. Prints the mean loss of every epoch and, at the end,
the share of unseen points that it classifies correctly.

    python3 examples/train.py [--epochs N] [--seconds N]
"""

import argparse
import math
import random
import sys
import time

ARMS, HIDDEN, RATE = 3, 24, 0.05


def spiral(count, rng):
    """Returns `count` points `((x, y), arm)` on three noisy arms around the origin."""
    points = []
    for index in range(count):
        arm, radius = index % ARMS, rng.random()
        angle = 2 * math.pi * arm / ARMS + 6 * radius + rng.gauss(0, 0.15)
        points.append(((radius * math.cos(angle), radius * math.sin(angle)), arm))
    return points


class Network:
    """2 inputs, `HIDDEN` tanh units, `ARMS` softmax outputs; the last weight of each row is the bias."""

    def __init__(self, rng):
        self.inner = [[rng.gauss(0, 1) for _ in range(3)] for _ in range(HIDDEN)]
        self.outer = [[rng.gauss(0, 0.3) for _ in range(HIDDEN + 1)] for _ in range(ARMS)]

    def forward(self, point):
        """Returns the hidden activations and the probability of each arm."""
        x, y = point
        hidden = [math.tanh(a * x + b * y + c) for a, b, c in self.inner]
        scores = [sum(w * h for w, h in zip(row, hidden)) + row[-1] for row in self.outer]
        top = max(scores)
        powers = [math.exp(score - top) for score in scores]
        total = sum(powers)
        return hidden, [power / total for power in powers]

    def step(self, point, arm):
        """One step of gradient descent on one point; returns its cross-entropy before the step."""
        hidden, chance = self.forward(point)
        error = [p - (k == arm) for k, p in enumerate(chance)]
        back = [sum(e * row[j] for e, row in zip(error, self.outer)) for j in range(HIDDEN)]
        for e, row in zip(error, self.outer):
            for j, h in enumerate(hidden):
                row[j] -= RATE * e * h
            row[-1] -= RATE * e
        for row, g, h in zip(self.inner, back, hidden):
            slope = RATE * g * (1 - h * h)
            row[0] -= slope * point[0]
            row[1] -= slope * point[1]
            row[2] -= slope
        return -math.log(max(chance[arm], 1e-300))


def accuracy(network, points):
    """Returns the share of `points` whose most probable arm is the right one."""
    hits = 0
    for point, arm in points:
        chance = network.forward(point)[1]
        hits += chance.index(max(chance)) == arm
    return hits / len(points)


def main():
    """Trains until the epochs or the seconds are used up."""
    parser = argparse.ArgumentParser(description="train a small network on three spiral arms")
    parser.add_argument("--epochs", type=int, default=50, help="passes over the data (default 50)")
    parser.add_argument("--seconds", type=float, default=math.inf, help="stop after the epoch that passes this time")
    options = parser.parse_args()
    rng = random.Random(7)
    train, unseen, network = spiral(4000, rng), spiral(1000, rng), Network(rng)
    start = time.monotonic()
    for epoch in range(1, options.epochs + 1):
        rng.shuffle(train)
        loss = sum(network.step(point, arm) for point, arm in train) / len(train)
        print(f"epoch {epoch:3d}  loss {loss:.4f}", flush=True)
        if time.monotonic() - start >= options.seconds:
            break
    print(f"accuracy on {len(unseen)} unseen points: {accuracy(network, unseen):.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
