"""PrometheusExporter: a page of metrics, rendered by the library, on an address of this machine."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Optional

import eco2

from .errors import warn_once

FORMAT = "openmetrics"
MOST_READERS = 8
"""At once; the next ones wait, so that many readers take no more of the training's time than these."""
PATIENCE_S = 5
"""What a reader that sends or takes nothing is waited for, and one for whom there is no room."""
CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class PrometheusExporter:
    """Serves a meter's metrics as OpenMetrics text at `/metrics`.

    Args:
        port: 0 takes a free one.
        host: the address to listen on; by default only this machine can read it.
        meter: an `eco2.Meter`; `start` may give another.
        prefix: the names that HF Eco2AI documented (`hf_training`), in place of `eco2`.
    """

    def __init__(self, port: int = 9091, host: str = "localhost", meter: Any = None, prefix: Optional[str] = None) -> None:
        self.port, self.host, self.meter, self.prefix = port, host, meter, prefix
        self._server: Optional[_Server] = None

    def start(self, meter: Any = None) -> None:
        """Serves on a thread of its own, until `stop` or the end of the process.

        Raises:
            OSError: the port is taken.
        """
        if meter is not None:
            self.meter = meter
        if self._server is None:
            exporter = self
            handler = type("Handler", (_Page,), {"exporter": exporter})
            self._server = _Server((self.host, self.port), handler)
            self.port = self._server.server_address[1]
            threading.Thread(target=self._server.serve_forever, name="eco2-metrics", daemon=True).start()

    def stop(self) -> None:
        """Serves no more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def render(self) -> str:
        """The page.

        Raises:
            eco2.NotBuilt: this library has no such format.
            eco2.Error: there is no meter, or it cannot be read.
        """
        name = self._format()
        if self.meter is None:
            raise eco2.Error(23, "no meter was given to the exporter")
        return self.meter.report(name)

    def _format(self) -> str:
        formats = eco2.report_formats()
        if self.prefix is not None:
            legacy = next((name for name in formats if name.startswith(FORMAT) and name != FORMAT), None)
            if legacy is not None and self.prefix == "hf_training":
                return legacy
            warn_once("prometheus_prefix", f"prometheus_prefix {self.prefix!r} has no effect: names begin with eco2")
        if FORMAT not in formats:
            raise eco2.NotBuilt("the OpenMetrics page")
        return FORMAT

    def record_metrics(self, metrics: Any = None) -> None:
        """Nothing has to be handed over: the page shows the meter's account at the time it is read."""

    def get_metrics_url(self) -> str:
        """The page's address."""
        return f"http://{self.host}:{self.port}/metrics"


class _Server(ThreadingHTTPServer):
    """A thread for each of a few readers."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *arguments: Any) -> None:
        self._room = threading.BoundedSemaphore(MOST_READERS)
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._room.acquire(timeout=PATIENCE_S):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._room.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader that went away is no event of the training's."""


class _Page(BaseHTTPRequestHandler):
    exporter: PrometheusExporter
    timeout = PATIENCE_S

    def do_GET(self) -> None:  # noqa: N802, the server's name
        if self.path.split("?")[0] != "/metrics":
            self.send_error(404)
            return
        try:
            page = self.exporter.render().encode()
        except eco2.Error as error:
            self.send_error(503, explain=str(error))
            return
        self.send_response(200)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing is printed."""
