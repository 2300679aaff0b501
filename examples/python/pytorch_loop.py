"""A plain PyTorch loop with energy per step, on a CPU or a CUDA GPU. Needs `pip install ./python torch`.

    python3 examples/python/pytorch_loop.py [STEPS]

`loss.item()` waits for the GPU, so that each step contains its own work. With RAPL or an NVIDIA GPU the energy is measured; on a
machine without sensors it is estimated, and labelled so.
"""

import sys

import torch

import eco2


def main(steps):
    """Fits a small network to random numbers, and prints what a step took."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = torch.nn.Sequential(torch.nn.Linear(64, 256), torch.nn.ReLU(), torch.nn.Linear(256, 1)).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    inputs, targets = torch.randn(4096, 64, device=device), torch.randn(4096, 1, device=device)
    with eco2.Meter(name="pytorch", zone="DE") as meter:
        meter.start_steps()  # what was loaded until here is no step
        for _ in range(steps):
            loss = torch.nn.functional.mse_loss(model(inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            meter.step(samples=len(inputs), loss=loss.item())
    result, step = meter.stop(), meter.total("step")
    print(result)
    if step.joules is not None:
        print(f"{step.count} steps, {step.joules / step.count:.3f} J each; {result.work.samples} samples")


main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
