"""PrometheusExporter: serves a page of metrics, rendered by the library, on an address of this machine."""

from __future__ import annotations

import os
import selectors
import socket
import threading
import time
import weakref
from typing import Any, Callable, Dict, List, Optional, Tuple

import eco2

from .errors import warn_once

FORMAT = "openmetrics"
MOST_READERS = 128
"""Connections at once. A further one takes the place of the one whose time is over first."""
PATIENCE_S = 5.0
"""How long a reader may take to send its request, and then to take its answer, seconds."""
STOP_S = 0.05
"""How long `stop` waits for the page's thread, seconds."""
LONGEST_REQUEST = 16 << 10
"""Bytes of a request's head."""
CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class PrometheusExporter:
    """Serves a meter's metrics as OpenMetrics text at `/metrics`. A copy (pickle, deepcopy) serves nothing.

    Args:
        port: 0 selects a free one.
        host: the address to listen on; by default only this machine can read it.
        meter: an `eco2.Meter`; `start` may give another.
        prefix: `hf_training` for the names that HF Eco2AI documented, instead of `eco2`.
    """

    def __init__(self, port: int = 9091, host: str = "localhost", meter: Any = None, prefix: Optional[str] = None) -> None:
        self.port, self.host, self.meter, self.prefix = port, host, meter, prefix
        self._server: Optional[_Server] = None

    def __getstate__(self) -> Dict[str, Any]:
        return {**self.__dict__, "_server": None}

    def start(self, meter: Any = None) -> None:
        """Serves on a separate thread, until `stop` or the end of the process.

        Raises:
            OSError: the port is taken.
        """
        if meter is not None:
            self.meter = meter
        if self._server is None:
            self._server = _Server(self.host, self.port, lambda: self.render())
            self.port = self._server.port

    def stop(self) -> None:
        """Stops serving and closes open connections. Takes at most 100 ms."""
        if self._server is not None:
            self._server.stop()
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
        """Does nothing: the page shows the meter's values at the time of the request."""

    def get_metrics_url(self) -> str:
        """Returns the page's address."""
        return f"http://{self.host}:{self.port}/metrics"


class _Reader:
    """A connection: what it has sent, what it still gets, and until when it may take."""

    __slots__ = ("socket", "request", "answer", "until_s")

    def __init__(self, connection: socket.socket) -> None:
        self.socket, self.request, self.answer = connection, b"", memoryview(b"")
        self.until_s = time.monotonic() + PATIENCE_S


class _Server:
    """One thread that never waits for a reader: slow readers do not delay others."""

    def __init__(self, host: str, port: int, render: Callable[[], str]) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=128)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._render, self._readers = render, set()  # type: Callable[[], str], set
        self._woken, self._wake = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        for waited_for in (self._listener, self._woken):
            self._selector.register(waited_for, selectors.EVENT_READ)
        self._stopping = False
        self._thread = threading.Thread(target=self._serve, name="eco2-metrics", daemon=True)
        _SERVERS.add(self)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread and frees the port."""
        self._stopping = True
        self._wake.close()
        self._thread.join(STOP_S)
        self._listener.close()  # for a thread that is rendering still

    def close(self) -> None:
        """Closes every socket, without a word to the readers."""
        for reader in self._readers:
            reader.socket.close()
        for one in (self._listener, self._woken, self._wake, self._selector):
            one.close()

    def _serve(self) -> None:
        try:
            while not self._stopping:
                for key, _ in self._selector.select(self._until_next_s()):
                    self._ready(key.fileobj, key.data)
                self._answer([reader for reader in self._readers if not reader.answer and is_whole(reader.request)])
                self._drop_late()
        except (OSError, ValueError):
            if not self._stopping:  # a fault of the listener: there is nothing left to serve
                warn_once("prometheus:serve", "the metrics page has ended: its socket failed")
        finally:
            self.close()

    def _until_next_s(self) -> Optional[float]:
        return max(min(reader.until_s for reader in self._readers) - time.monotonic(), 0) if self._readers else None

    def _ready(self, ready: Any, reader: Optional[_Reader]) -> None:
        if ready is self._listener:
            self._accept()
        elif reader is not None and reader in self._readers:
            try:
                self._send(reader) if reader.answer else self._receive(reader)
            except BlockingIOError:
                pass
            except OSError:
                self._drop(reader)

    def _accept(self) -> None:
        try:
            reader = _Reader(self._listener.accept()[0])
        except (BlockingIOError, ConnectionError):
            return
        except OSError:  # no descriptor left: others have to be closed first
            time.sleep(0.01)
            return
        if len(self._readers) >= MOST_READERS:
            self._drop(min(self._readers, key=lambda one: one.until_s))
        reader.socket.setblocking(False)
        self._readers.add(reader)
        self._selector.register(reader.socket, selectors.EVENT_READ, reader)

    def _receive(self, reader: _Reader) -> None:
        found = reader.socket.recv(LONGEST_REQUEST)
        reader.request += found
        if not found or (len(reader.request) > LONGEST_REQUEST and not is_whole(reader.request)):
            self._drop(reader)

    def _answer(self, readers: List[_Reader]) -> None:
        """Renders once for all whose request is whole."""
        page: Optional[Tuple[int, str]] = None
        for reader in readers:
            method, path = requested(reader.request)
            status, body = 404, "the page is /metrics"
            if method not in ("GET", "HEAD"):
                status, body = 405, "only GET and HEAD are answered"
            elif path == "/metrics":
                page = page or self._page()
                status, body = page
            reader.answer = memoryview(answer_of(status, body, with_body=method != "HEAD"))
            reader.until_s = time.monotonic() + PATIENCE_S
            self._selector.modify(reader.socket, selectors.EVENT_WRITE, reader)
            self._ready(reader.socket, reader)

    def _page(self) -> Tuple[int, str]:
        try:
            return 200, self._render()
        except Exception as error:  # nothing of it may end the thread
            return 503, str(error)

    def _send(self, reader: _Reader) -> None:
        reader.answer = reader.answer[reader.socket.send(reader.answer):]
        if not reader.answer:
            self._drop(reader)

    def _drop_late(self) -> None:
        now_s = time.monotonic()
        for reader in [reader for reader in self._readers if reader.until_s < now_s]:
            self._drop(reader)

    def _drop(self, reader: _Reader) -> None:
        self._readers.discard(reader)
        self._selector.unregister(reader.socket)
        reader.socket.close()


_SERVERS: weakref.WeakSet = weakref.WeakSet()
_REASONS = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


def is_whole(request: bytes) -> bool:
    """Whether a request's head has come to its end."""
    return b"\r\n\r\n" in request or b"\n\n" in request


def requested(request: bytes) -> Tuple[str, str]:
    """A request's method, and its path without the query."""
    words = request.split(b"\n", 1)[0].decode("latin-1").split()
    return (words[0], words[1].split("?")[0]) if len(words) > 1 else ("", "")


def answer_of(status: int, body: str, with_body: bool) -> bytes:
    """A whole answer; a page is OpenMetrics, everything else a line of text."""
    kind = CONTENT_TYPE if status == 200 else "text/plain; charset=utf-8"
    content = (body if status == 200 else body + "\n").encode("utf-8", "replace")
    head = (f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n"
            "Connection: close\r\n\r\n")
    return head.encode("ascii") + (content if with_body else b"")


def _close_in_child() -> None:
    # The thread is the parent's; an open listener here would keep its port.
    for server in list(_SERVERS):
        for one in (server._listener, server._woken, server._wake, *(reader.socket for reader in list(server._readers))):
            one.close()
    _SERVERS.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)
