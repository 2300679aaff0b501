"""A PyTorch loop of several ranks, under DeepSpeed's launcher or torchrun: each rank records its steps.

    eco2 run --name ranks -- deepspeed --num_gpus 2 examples/python/distributed_loop.py
    eco2 run --name ranks -- torchrun --nproc-per-node 2 examples/python/distributed_loop.py
    eco2 merge last           # the records of all ranks: each counter counts once

Both launchers set RANK and WORLD_SIZE. `eco2 run` measures the machine, and the ranks join its run.
"""

import os

import torch
import torch.distributed as dist

import eco2


def main(steps):
    """Trains a line on each rank; the gradients are averaged over the ranks."""
    on_gpu = torch.cuda.is_available()
    dist.init_process_group("nccl" if on_gpu else "gloo")
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if on_gpu else torch.device("cpu")
    model = torch.nn.Linear(4, 1).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with eco2.Meter(name="ranks") as meter:
        meter.start_steps()
        for _ in range(steps):
            batch = torch.randn(8, 4, device=device)
            loss = (model(batch) - batch.sum(1, keepdim=True)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            for parameter in model.parameters():
                dist.all_reduce(parameter.grad)
                parameter.grad /= dist.get_world_size()
            optimizer.step()
            meter.step(samples=len(batch), loss=loss.item())
    print(f"rank {meter.rank}: loss {loss.item():.3f}")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(20)
