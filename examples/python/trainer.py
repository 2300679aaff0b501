"""A Hugging Face Trainer with energy per step and a carbon report; a tiny random model, nothing is downloaded.

    python3 examples/python/trainer.py [STEPS]

With RAPL or an NVIDIA GPU the energy is measured; on a machine without sensors it is estimated, and labelled so. Needs `pip install ./python transformers accelerate torch`.
"""

import os
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

from hf_eco2ai import Eco2AICallback


class Counting(torch.utils.data.Dataset):
    """Sequences of numbers that count up."""

    def __len__(self):
        return 256

    def __getitem__(self, index):
        tokens = (torch.arange(32) + index) % 60
        return {"input_ids": tokens, "labels": tokens}


def main(steps):
    """Trains, and prints what it took."""
    model = GPT2LMHeadModel(GPT2Config(n_layer=2, n_head=2, n_embd=64, vocab_size=64, n_positions=64))
    arguments = TrainingArguments("trainer-output", max_steps=steps, per_device_train_batch_size=8, logging_steps=10,
                                  report_to=[], save_strategy="no", disable_tqdm=True)
    carbon = Eco2AICallback(project_name="example", zone="DE", log_level="STEP", report_path="trainer-output/carbon.json")
    trainer = Trainer(model, arguments, train_dataset=Counting(), callbacks=[carbon])
    trainer.train()

    report = trainer.carbon_report
    step = carbon.session.meter.total("step")
    print(f"{step.count} steps, {step.joules / step.count:.3f} J each")
    print(f"quality: {dict(report.origin.quality)}")
    print(report.summary())


main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
