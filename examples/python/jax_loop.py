"""A JAX training loop with the energy of every step. Needs `pip install jax` and this package.

    python3 examples/python/jax_loop.py [STEPS]

JAX returns before the device has done the work. With `sync="synchronize"` eco2 calls the given function at both ends of a step, and
the report states that the spans were synchronised.
"""

import sys

import jax
import jax.numpy as jnp

import eco2


@jax.jit
def train_step(weights, batch):
    """One step of fitting a line by gradient descent."""
    def loss_of(weights):
        return jnp.mean((weights[0] * batch + weights[1] - (3 * batch + 1)) ** 2)

    loss, gradient = jax.value_and_grad(loss_of)(weights)
    return weights - 0.1 * gradient, loss


def main(steps):
    """Trains, and prints the report."""
    weights, batch = jnp.zeros(2), jnp.linspace(0, 1, 10_000)
    weights, loss = train_step(weights, batch)  # compiling is no step
    with eco2.Meter(name="jax", zone="DE", log=False) as meter:
        for _ in range(steps):
            with meter.span("step", sync="synchronize", synchronize=lambda: jax.block_until_ready(weights)):
                weights, loss = train_step(weights, batch)
        print(f"loss {float(loss):.6f}")
        report = meter.report_object().to_dict()
    print({span["name"]: (span["count"], span["sync"]) for span in report["spans"]})
    return report


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
