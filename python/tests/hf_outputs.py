"""Files, the metrics page, experiment trackers."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import shutil
import socket
import struct
import sys
import threading
import types
import unittest
import urllib.error
import urllib.request
from pathlib import Path
from unittest import mock

import eco2
from hf_rig import HfTest, Loop, until

import hf_eco2ai as h
from hf_eco2ai import (CarbonReport, ConfigurationError, Eco2AICallback, PrometheusExporter, ReportExporter, errors, neptune, prometheus,
                       trackers)
from hf_eco2ai.report import COLUMNS

SUMMARY = """total_energy_kwh total_co2_kg average_power_watts peak_power_watts total_duration_hours total_steps total_epochs
total_samples average_samples_per_kwh energy_per_sample co2_per_sample estimated_cost_usd carbon_credit_cost_usd
equivalent_km_driven equivalent_trees_needed equivalent_coal_burned_kg model_name model_parameters dataset_size
final_loss""".split()
RECORD = """timestamp datetime step epoch energy_kwh cumulative_energy_kwh power_watts co2_kg cumulative_co2_kg grid_intensity
gpu_metrics efficiency duration_seconds training_context environment""".split()


class Files(HfTest):
    """What is written."""

    def run_with(self, rank=0, **options):
        """A short training; its report."""
        loop = Loop(Eco2AICallback(**self.options(**options)))
        loop.args.process_index = rank
        loop.begin()
        loop.batches(2)
        self.machine.turn(loop.callback.session.meter, 10**9)
        loop.log(loss=0.5)
        return loop.end()

    def test_effect_save_report(self) -> None:
        self.run_with(save_report=True)
        data = json.loads(Path("carbon_report.json").read_text(encoding="utf-8"))
        self.assertEqual(set(SUMMARY), set(data["summary"]))
        self.assertLessEqual(set(RECORD), set(data["detailed_metrics"][0]))
        self.assertEqual((data["metadata"]["version"], data["metrics_count"]), ("1.0", 1))
        self.assertEqual(data["eco2"]["schema"], "eco2.report/1")
        self.run_with(save_report=False, report_path="no.json")
        self.assertFalse(Path("no.json").exists())

    def test_k13_the_known_renewable_share_is_reported(self) -> None:
        report = self.run_with(save_report=True, zone="DE")
        data = json.loads(Path("carbon_report.json").read_text(encoding="utf-8"))
        # Germany 2023: 264.56 of 504.79 TWh.
        shares = (data["system_metadata"]["renewable_percentage"], data["environmental_impact"]["renewable_percentage"],
                  data["detailed_metrics"][0]["environment"]["renewable_percentage"],
                  report.detailed_metrics[0].environment["renewable_percentage"])
        self.assertEqual(shares, (52.41,) * 4)

    def test_effect_report_path(self) -> None:
        self.run_with(save_report=True, report_path="a/b.json")
        self.assertTrue(Path("a/b.json").exists())

    def test_effect_export_csv(self) -> None:
        self.run_with(export_csv=True)
        rows = list(csv.DictReader(Path("carbon_metrics.csv").read_text(encoding="utf-8").splitlines()))
        self.assertEqual((list(rows[0]), len(rows), rows[0]["loss"]), (list(COLUMNS), 1, "0.5"))

    def test_effect_csv_path(self) -> None:
        self.run_with(export_csv=True, csv_path="c.csv")
        self.assertTrue(Path("c.csv").exists())

    def test_effect_output_dir(self) -> None:
        self.run_with(save_report=True, export_csv=True, output_dir="out")
        self.assertTrue(Path("out/carbon_report.json").exists() and Path("out/carbon_metrics.csv").exists())

    def test_every_rank_writes_a_file_of_its_own(self) -> None:
        self.run_with(save_report=True, rank=3)
        self.assertTrue(Path("carbon_report-rank3.json").exists())

    def test_a_full_disk_costs_the_file_and_not_the_training(self) -> None:
        Path("file").write_text("", encoding="utf-8")
        with self.warnings() as heard:
            report = self.run_with(save_report=True, report_path="file/report.json")
        self.assertIsNotNone(report.summary.total_energy_kwh)
        self.assertIn("report", heard[0])

    def test_k19_output_that_fails_is_a_fault_of_the_callback(self) -> None:
        Path("file").write_text("", encoding="utf-8")
        for made in (h.Eco2AICallback, h.track_training):
            errors.forget_warnings()
            with self.warnings() as heard:
                one = made(**self.options(save_report=True, report_path="file/report.json", export_csv=True, csv_path="file/m.csv"))
                if made is h.track_training:
                    with one:
                        one.step()
                else:
                    loop = Loop(one)
                    loop.begin()
                    loop.end()
            self.assertEqual(one.errors, 2, made)
            self.assertEqual([text.split(":")[0] for text in heard], ["report", "csv"])

    def test_k19_tracker_that_fails_is_counted_each_time_and_logged_once(self) -> None:
        stand_in = mock.Mock()
        stand_in.log_metrics.side_effect = [OSError("full"), OSError("full"), OSError("gone")]
        with mock.patch.object(trackers, "MLflowExporter", lambda config: stand_in), self.warnings() as heard:
            loop = Loop(Eco2AICallback(**self.options(mlflow_tracking=True)))
            loop.begin()
            for _ in range(3):
                loop.log(loss=1.0)
        self.assertEqual(loop.callback.errors, 3)
        self.assertEqual(len(heard), 2, "a second, different fault is logged too")
        loop.end()

    def test_a_report_comes_back_from_either_format(self) -> None:
        report = self.run_with(save_report=True)
        again = CarbonReport.from_json("carbon_report.json")
        self.assertEqual(again.summary.total_energy_kwh, report.summary.total_energy_kwh)
        Path("own.json").write_text(json.dumps(report.eco2), encoding="utf-8")
        own = CarbonReport.from_json("own.json")
        self.assertEqual(own.summary.total_co2_kg, report.summary.total_co2_kg)

    def test_a_report_that_was_read_is_the_one_that_was_written(self) -> None:
        self.run_with(save_report=True)
        path = Path("carbon_report.json")
        data = json.loads(path.read_text(encoding="utf-8"))
        data["system_metadata"].update(python_version="2.7", platform="elsewhere", added=1)
        data["metadata"]["generated_at"] = "then"
        path.write_text(json.dumps(data), encoding="utf-8")
        again = CarbonReport.from_json(path)
        self.assertEqual(again.to_dict(), data)
        self.assertEqual(len(again.detailed_metrics), 1)
        self.assertEqual(again.detailed_metrics[0].step, 2)
        self.assertEqual(again.to_csv().splitlines()[1].split(",")[2], "2")
        self.assertEqual(again.to_dict(detailed=False)["detailed_metrics"], [])
        Path("own.json").write_text(json.dumps(data["eco2"]), encoding="utf-8")
        system = CarbonReport.from_json("own.json").to_dict()["system_metadata"]
        self.assertEqual((system["python_version"], system["platform"]), (None, None))

    def test_exporters_write_and_return_the_path(self) -> None:
        report, exporter = self.run_with(), ReportExporter("there")
        for path in (exporter.export_json(report), exporter.export_csv(report), exporter.export_summary(report)):
            self.assertTrue(Path(path).read_text(encoding="utf-8"))
        page = Path(exporter.export_html_dashboard(report)).read_text(encoding="utf-8")
        self.assertIn("Energy by device", page)
        self.assertEqual(page, report.to_html())

    def test_report_format_writes_the_page_next_to_the_report(self) -> None:
        self.run_with(save_report=True, report_format="html")
        self.assertIn("Energy by device", Path("carbon_report.html").read_text(encoding="utf-8"))

    @unittest.skipUnless(any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "needs Chromium or Chrome")
    def test_pdf_of_a_report(self) -> None:
        pdf = self.run_with().to_pdf("report.pdf")
        self.assertTrue(pdf.startswith(b"%PDF-"))
        self.assertEqual(Path("report.pdf").read_bytes(), pdf)

    def test_pdf_without_a_browser_names_the_remedy(self) -> None:
        report = self.run_with()
        with mock.patch.dict(os.environ, {"PATH": "/nowhere", "CHROME_PATH": ""}), self.assertRaisesRegex(eco2.Error, "--format html"):
            report.to_pdf()

    def test_page_needs_the_measurements(self) -> None:
        with self.assertRaisesRegex(ConfigurationError, "without the measurements"):
            CarbonReport({"summary": {}}).to_html()


class Prometheus(HfTest):
    """The page."""

    def page(self, url):
        """Status and text."""
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def test_effect_export_prometheus(self) -> None:
        loop = Loop(Eco2AICallback(**self.options(export_prometheus=True, prometheus_port=0)))
        loop.begin()
        exporter = loop.callback.outputs.prometheus
        status, text = self.page(exporter.get_metrics_url())
        if "openmetrics" in eco2.report_formats():
            self.assertEqual((status, text.rstrip().splitlines()[-1]), (200, "# EOF"))
            self.assertIn("eco2_", text)
        else:
            self.assertEqual(status, 503)
        self.assertEqual(self.page(exporter.get_metrics_url().replace("metrics", "other"))[0], 404)
        loop.end()
        with self.assertRaises(OSError):
            urllib.request.urlopen(exporter.get_metrics_url(), timeout=1)

    def test_effect_prometheus_port(self) -> None:
        first = PrometheusExporter(port=0)
        first.start()
        self.addCleanup(first.stop)
        with self.warnings() as heard:
            loop = Loop(Eco2AICallback(**self.options(export_prometheus=True, prometheus_port=first.port)))
            loop.begin()
            loop.batches(1)
            loop.end()
        self.assertIn("prometheus", heard[0])

    def test_f46_a_taken_port_is_an_error_and_no_other_port(self) -> None:
        first, second = PrometheusExporter(0), PrometheusExporter(0)
        first.start()
        self.addCleanup(first.stop)
        second.port = first.port
        with self.assertRaises(OSError):
            second.start()
        second.stop()

    def test_f45_many_readers_and_silent_ones_all_get_whole_pages(self) -> None:
        loop = Loop(Eco2AICallback(**self.options(export_prometheus=True, prometheus_port=0)))
        loop.begin()
        exporter, heard, pages = loop.callback.outputs.prometheus, io.StringIO(), []
        address = (exporter.host, exporter.port)

        render, inside, most = exporter.render, [], []

        def read() -> None:
            pages.append(self.page(exporter.get_metrics_url()))

        def counted() -> str:
            inside.append(None)
            most.append(len(inside))
            page = render()
            inside.pop()
            return page

        exporter.render = counted
        with contextlib.redirect_stderr(heard), contextlib.ExitStack() as held, mock.patch.object(prometheus, "PATIENCE_S", 1):
            # Two that never ask, two that ask and never read, and one that is gone before it is answered.
            for request in (b"", b"GET /met", b"GET /metrics HTTP/1.0\r\n\r\n", b"GET /metrics HTTP/1.0\r\n\r\n"):
                held.enter_context(socket.create_connection(address)).sendall(request)
            with socket.create_connection(address) as gone:
                gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                gone.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            readers = [threading.Thread(target=read) for _ in range(60)]
            for reader in readers:
                reader.start()
            for reader in readers:
                reader.join()
        self.assertEqual(len(pages), 60)
        for status, text in pages:
            self.assertEqual((status, text.rstrip().splitlines()[-1]), (200, "# EOF"))
        self.assertEqual(max(most), 1, "the others wait and take no thread")
        self.assertEqual(heard.getvalue(), "")
        loop.batches(1)
        loop.end()

    def served(self, readers: int):
        """A page that has waited for readers who never ask, for as long as the test lasts."""
        self.stack.enter_context(mock.patch.object(prometheus, "PATIENCE_S", 600))
        exporter = PrometheusExporter(0)
        exporter.start()
        self.addCleanup(exporter.stop)
        for number in range(readers):
            held = self.stack.enter_context(socket.create_connection((exporter.host, exporter.port)))
            held.sendall(b"GET /met"[:number % 9])
        return exporter

    def test_k20_slow_readers_do_not_keep_the_next_one_waiting(self) -> None:
        for readers in (8, 50, prometheus.MOST_READERS + 20):
            with self.subTest(readers):
                exporter = self.served(readers)
                self.assertEqual(self.page(exporter.get_metrics_url())[0], 503)

    def test_k20_reader_that_sends_a_byte_at_a_time_is_answered_and_in_nobodys_way(self) -> None:
        exporter = self.served(8)
        with socket.create_connection((exporter.host, exporter.port), timeout=5) as slow:
            for byte in b"GET /metrics HTTP/1.1\r\n\r\n":
                slow.sendall(bytes([byte]))
                self.assertEqual(self.page(exporter.get_metrics_url())[0], 503)
            self.assertTrue(slow.recv(100).startswith(b"HTTP/1.1 503"))

    def test_k20_reader_whose_time_is_over_is_cut_off(self) -> None:
        exporter = self.served(0)
        with mock.patch.object(prometheus, "PATIENCE_S", 0.05), \
                socket.create_connection((exporter.host, exporter.port), timeout=5) as slow:
            self.assertEqual(slow.recv(1), b"")

    def test_k20_stop_waits_for_no_reader_and_frees_the_port(self) -> None:
        exporter, release, rendering = self.served(12), threading.Event(), threading.Event()
        self.addCleanup(release.set)
        exporter.render = lambda: rendering.set() or str(release.wait(60))
        with socket.create_connection((exporter.host, exporter.port)) as asking:
            asking.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
            self.assertTrue(rendering.wait(5))
            server, stopping = exporter._server, threading.Thread(target=exporter.stop)
            stopping.start()
            stopping.join(2)
            self.assertFalse(stopping.is_alive(), "stop() waits")
        self.assertTrue(server._thread.is_alive(), "the page was being rendered meanwhile")
        second = PrometheusExporter(exporter.port)
        second.start()
        second.stop()

    def test_k20_forked_child_does_not_keep_the_port(self) -> None:
        exporter, (wait, end) = self.served(2), os.pipe()
        child = os.fork()
        if child == 0:
            os.close(end)
            os.read(wait, 1)
            os._exit(0)
        os.close(wait)
        self.addCleanup(os.waitpid, child, 0)
        self.addCleanup(os.close, end)
        exporter.stop()
        self.assertTrue(until(lambda: not self.is_taken(exporter.port)))

    def is_taken(self, port: int) -> bool:
        try:
            second = PrometheusExporter(port)
            second.start()
            second.stop()
        except OSError:
            return True
        return False

    def test_k14_head_of_the_page_is_200_without_a_body(self) -> None:
        exporter = self.served(0)
        with mock.patch.object(exporter, "render", return_value="# EOF\n"):
            asked = urllib.request.Request(exporter.get_metrics_url(), method="HEAD")
            with urllib.request.urlopen(asked, timeout=5) as answer:
                self.assertEqual((answer.status, answer.headers["Content-Length"], answer.read()), (200, "6", b""))

    def test_head_has_no_body_and_other_methods_are_refused(self) -> None:
        exporter = self.served(0)
        for method, status in (("HEAD", 503), ("POST", 405)):
            asked = urllib.request.Request(exporter.get_metrics_url(), method=method)
            with self.assertRaises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(asked, timeout=5)
            self.assertEqual(caught.exception.code, status)
            self.assertEqual(caught.exception.read() == b"", method == "HEAD")

    def test_effect_prometheus_host(self) -> None:
        exporter = PrometheusExporter(0, "127.0.0.1")
        exporter.start()
        self.addCleanup(exporter.stop)
        self.assertEqual(exporter.get_metrics_url(), f"http://127.0.0.1:{exporter.port}/metrics")
        self.assertEqual(self.page(exporter.get_metrics_url())[0], 503)

    def test_effect_prometheus_prefix(self) -> None:
        with self.warnings() as heard:
            exporter = PrometheusExporter(0, prefix="mine")
            try:
                exporter.render()
            except eco2.Error:
                pass
        self.assertIn("prometheus_prefix", heard[0])


class Trackers(HfTest):
    """Experiment trackers, by stand-ins with their interface; the real ones run under `scripts/test --full`."""

    def run_with(self, exporter, module=trackers, **options):
        """A training whose tracker is a stand-in; what it was given."""
        stand_in = mock.Mock()
        with mock.patch.object(module, exporter, lambda config: stand_in):
            loop = Loop(Eco2AICallback(**self.options(**options)))
            loop.begin()
            loop.batches(2)

            def logged() -> bool:
                """Whether a log has the run's values, which need a first reading."""
                loop.log(loss=1.0)
                return "carbon/grid_intensity" in stand_in.log_metrics.call_args.args[0]

            until(logged)
            loop.end()
        return stand_in

    def check(self, stand_in):
        """Figures at log time, and the report at the end."""
        figures, step = stand_in.log_metrics.call_args.args
        self.assertEqual(step, 2)
        self.assertIn("carbon/grid_intensity", figures)
        self.assertIsInstance(stand_in.log_report.call_args.args[0], CarbonReport)

    def test_effect_mlflow_tracking(self) -> None:
        self.check(self.run_with("MLflowExporter", mlflow_tracking=True))

    def test_effect_wandb_tracking(self) -> None:
        self.check(self.run_with("WandbExporter", wandb_tracking=True))

    def test_effect_tensorboard_tracking(self) -> None:
        self.check(self.run_with("TensorBoardExporter", tensorboard_tracking=True))

    def test_effect_neptune_tracking(self) -> None:
        self.check(self.run_with("NeptuneExporter", neptune, neptune_tracking=True))

    def test_a_tracker_that_is_not_installed_costs_a_warning(self) -> None:
        with mock.patch.dict(sys.modules, {"mlflow": None}), self.warnings() as heard:
            loop = Loop(Eco2AICallback(**self.options(mlflow_tracking=True)))
            loop.begin()
            loop.batches(1)
            self.assertEqual(loop.end().summary.total_steps, 1)
        self.assertIn("mlflow", heard[0].lower())

    def test_a_run_of_ours_ends_though_its_report_cannot_be_logged(self) -> None:
        run, wandb = mock.Mock(), types.ModuleType("wandb")
        run.log_artifact.side_effect = OSError("full")
        wandb.run, wandb.Artifact, wandb.init = None, mock.MagicMock(), lambda **given: setattr(wandb, "run", run)
        with mock.patch.dict(sys.modules, {"wandb": wandb}), self.assertRaises(OSError):
            trackers.WandbExporter().log_report(CarbonReport({"summary": {}}))
        run.finish.assert_called_once()

    def test_wandb_gets_metrics_summary_and_artefact(self) -> None:
        run, wandb = mock.Mock(), types.ModuleType("wandb")
        wandb.run, wandb.Artifact = run, mock.MagicMock()
        with mock.patch.dict(sys.modules, {"wandb": wandb}):
            exporter = trackers.WandbExporter()
            exporter.log_metrics({"carbon/energy_kwh": 1.0}, 5)
            exporter.log_report(CarbonReport({"summary": {"total_energy_kwh": 2.0, "total_co2_kg": None}}))
        run.log.assert_called_once_with({"carbon/energy_kwh": 1.0, "train/global_step": 5})
        run.summary.update.assert_called_once_with({"carbon/total_energy_kwh": 2.0})
        run.log_artifact.assert_called_once()
        run.finish.assert_not_called()


if __name__ == "__main__":
    unittest.main()
