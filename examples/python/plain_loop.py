"""A training loop without a framework: energy per step and a report. Needs `pip install ./python` only.

    python3 examples/python/plain_loop.py [STEPS]
"""

import sys

from hf_eco2ai import track_training


def train(weights, batch):
    """One step of fitting a line, in plain Python, to have something to measure."""
    slope, offset = weights
    error = [slope * x + offset - (3 * x + 1) for x in batch]
    rate = 0.1 / len(batch)
    loss = sum(e * e for e in error) / len(batch)
    return (slope - rate * sum(e * x for e, x in zip(error, batch)), offset - rate * sum(error)), loss


def main(steps):
    """Trains, and prints what it took."""
    weights = (0.0, 0.0)
    with track_training(project_name="line", zone="DE", save_report=False) as run:
        for number in range(steps):
            batch = [(number * 31 + index) % 100 / 100 for index in range(20_000)]
            weights, loss = train(weights, batch)
            run.step(samples=len(batch), loss=loss)
            if (number + 1) % 50 == 0:
                now = run.log(loss=loss)
                print(f"step {number + 1}: loss {loss:.4f}, {now.energy_kwh} kWh, {now.co2_kg} kg CO2e")
    print(run.report.summary())


main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
