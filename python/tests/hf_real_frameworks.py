"""The real Lightning, Accelerate, MLflow (on sqlite) and Weights & Biases (offline). Each is skipped where it is not installed."""

from __future__ import annotations

import importlib.util
import json
import os
import unittest
from pathlib import Path

from hf_rig import HfTest

import eco2.trackers
import hf_eco2ai as h

REQUIRED = os.environ.get("REQUIRE_REAL") == "1"


def installed(name: str) -> bool:
    """Whether a package is there; always, where its absence is a failure."""
    return REQUIRED or importlib.util.find_spec(name) is not None


class Frameworks(HfTest):
    """One short run each."""

    def train(self, **options) -> None:
        """Trains on a machine that uses energy in each step: a counter that does not change for long is not believed, and nothing is priced."""
        from hf_real_trainer import trainer
        from transformers import TrainerCallback

        use = self.machine.use

        class Uses(TrainerCallback):
            """Uses 10 mJ a step."""

            def on_step_begin(self, *_args, **_more) -> None:
                use(10_000)

        trainer([Uses(), h.Eco2AICallback(**self.options(**options))]).train()

    @unittest.skipUnless(installed("lightning"), "lightning is not installed")
    def test_d32_lightning(self) -> None:
        import lightning.pytorch as pl
        import torch

        class Module(pl.LightningModule):
            """A line."""

            def __init__(self):
                super().__init__()
                self.line = torch.nn.Linear(4, 1)

            def training_step(self, batch, index):
                return self.line(batch[0]).square().mean()

            def configure_optimizers(self):
                return torch.optim.SGD(self.parameters(), 0.01)

        data = torch.utils.data.TensorDataset(torch.randn(37, 4))
        callback = h.Eco2AILightningCallback(**self.options(zone="DE"))
        run = pl.Trainer(max_epochs=2, callbacks=[callback], logger=False, enable_checkpointing=False, accelerator="cpu",
                         enable_progress_bar=False, enable_model_summary=False)
        run.fit(Module(), torch.utils.data.DataLoader(data, batch_size=4))
        summary = run.carbon_report.summary
        self.assertEqual((summary.total_steps, summary.total_samples, callback.errors), (20, 74, 0))

    @unittest.skipUnless(installed("accelerate"), "accelerate is not installed")
    def test_accelerate(self) -> None:
        from accelerate import Accelerator

        accelerator = Accelerator(cpu=True)
        run = h.wrap_accelerator(accelerator, **self.options())
        for _ in range(3):
            run.step(samples=2)
        accelerator.end_training()
        self.assertEqual((run.report.summary.total_samples, run.errors), (6, 0))

    @unittest.skipUnless(importlib.util.find_spec("tensorboard") is not None and installed("transformers"),
                         "tensorboard is not installed")
    def test_tensorboard_has_figures_by_step(self) -> None:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        with self.warnings() as heard:
            self.train(zone="DE", tensorboard_tracking=True, output_dir=self.folder)
        self.assertEqual(heard, [])
        events = EventAccumulator(f"{self.folder}/carbon").Reload()
        points = events.Scalars("carbon/grid_intensity")
        self.assertEqual({round(point.value, 2) for point in points}, {342.06})
        self.assertGreaterEqual(len(points), 10)
        self.assertIn("carbon/report/text_summary", events.Tags()["tensors"])

    @unittest.skipUnless(installed("mlflow") and installed("transformers"), "mlflow is not installed")
    def test_mlflow_has_figures_by_step_and_the_report(self) -> None:
        self.set_env("MLFLOW_TRACKING_URI", f"sqlite:///{self.folder}/mlflow.db")
        import mlflow

        mlflow.set_tracking_uri(f"sqlite:///{self.folder}/mlflow.db")
        mlflow.create_experiment("e", artifact_location=f"file://{self.folder}/artifacts")
        mlflow.set_experiment("e")
        with self.warnings() as heard:
            self.train(zone="DE", mlflow_tracking=True)
        self.assertEqual(heard, [])
        run = mlflow.search_runs(output_format="list")[0]
        history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "carbon/grid_intensity")
        self.assertEqual({point.value for point in history}, {342.06})
        self.assertGreaterEqual(len(history), 10)
        report = Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="carbon_report.json"))
        self.assertEqual(json.loads(report.read_text(encoding="utf-8"))["summary"]["total_steps"], 20)

    @unittest.skipUnless(installed("mlflow"), "mlflow is not installed")
    def test_mlflow_follows_a_meter_of_the_program(self) -> None:
        self.set_env("MLFLOW_TRACKING_URI", f"sqlite:///{self.folder}/mlflow.db")
        import mlflow

        mlflow.set_tracking_uri(f"sqlite:///{self.folder}/mlflow.db")
        mlflow.create_experiment("f", artifact_location=f"file://{self.folder}/artifacts")
        mlflow.set_experiment("f")
        with eco2.Meter(self.machine.options(), name="loop", zone="DE") as meter, eco2.trackers.follow(meter, "mlflow") as follower:
            for step in range(3):
                self.machine.turn(meter, 10**6)
                meter.step()
                follower.log(step)
        (run,) = mlflow.search_runs(output_format="list")
        self.assertEqual((run.info.run_name, run.info.status), ("loop", "FINISHED"))
        history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "carbon/energy_kwh")
        self.assertEqual([point.step for point in history], [0, 1, 2])
        path = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="carbon_report.json")
        self.assertEqual(json.loads(Path(path).read_text(encoding="utf-8"))["schema"], "eco2.report/1")

    @unittest.skipUnless(installed("wandb") and installed("transformers"), "wandb is not installed")
    def test_wandb_offline_has_a_run_with_the_figures(self) -> None:
        self.set_env("WANDB_MODE", "offline")
        self.set_env("WANDB_SILENT", "true")
        self.set_env("WANDB_DIR", self.folder)
        with self.warnings() as heard:
            self.train(zone="DE", wandb_tracking=True)
        self.assertEqual(heard, [])
        import wandb

        # The service writes a finished run's log when it ends.
        wandb.teardown(exit_code=0)
        logs = list(Path(self.folder).glob("wandb/offline-run-*/*.wandb"))
        self.assertEqual(len(logs), 1)
        self.assertIn(b"carbon/grid_intensity", logs[0].read_bytes())

    @unittest.skipUnless(installed("neptune"), "neptune is not installed")
    def test_neptune_offline_has_a_run_with_the_figures_and_the_report(self) -> None:
        self.set_env("NEPTUNE_MODE", "offline")
        with self.warnings() as heard:
            with h.track_training(**self.options(zone="DE", neptune_tracking=True)) as run:
                for _ in range(3):
                    run.step(samples=2)
        self.assertEqual((heard, run.errors), ([], 0))
        stored = list(Path(".neptune").glob("offline/run__*/data-*.log"))
        self.assertEqual(len(stored), 1)
        self.assertIn(b"total_steps", stored[0].read_bytes())
        report = next(Path(".neptune").glob("offline/run__*/upload_path/carbon_report*.json"))
        self.assertEqual(json.loads(report.read_text(encoding="utf-8"))["summary"]["total_steps"], 3)


if __name__ == "__main__":
    unittest.main()
