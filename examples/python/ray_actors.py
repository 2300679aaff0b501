"""Two Ray actors that join one run, because Ray sets `RAY_JOB_ID` in its workers. Needs `pip install ray` and this package.

    python3 examples/python/ray_actors.py
    eco2 report last          # the records of both, merged: each counter counts once
"""

import ray

import eco2


@ray.remote
class Trainer:
    """An actor with a meter of its own."""

    def train(self, steps):
        """Trains, and returns the id of the run."""
        with eco2.Meter(name="ray", zone="DE") as meter:
            meter.start_steps()
            for _ in range(steps):
                sum(number * number for number in range(200_000))
                meter.step(samples=8)
            return meter.report_object().to_dict()["run"]["id"]


def main():
    """Starts two actors and waits for both."""
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    actors = [Trainer.remote() for _ in range(2)]
    print(*ray.get([actor.train.remote(10) for actor in actors]))
    ray.shutdown()


if __name__ == "__main__":
    main()
