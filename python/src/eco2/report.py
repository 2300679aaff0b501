"""A report to read: the JSON of schema `eco2.report/1` by attribute or by key, and not to be changed."""

from __future__ import annotations

import ctypes
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from functools import partial
from types import MappingProxyType


class View(Mapping):
    """A JSON object: `view.energy.total_uj` and `view["energy"]["total_uj"]` are the same; lists come as tuples.

    A field that is not known is None; a name that the report does not have raises AttributeError or KeyError.
    """

    __slots__ = ("_data",)

    def __init__(self, data: Mapping) -> None:
        object.__setattr__(self, "_data", MappingProxyType(dict(data)))

    def __getitem__(self, key: str):  # type: ignore[no-untyped-def]
        return _seen(self._data[key])

    def __getattr__(self, name: str):  # type: ignore[no-untyped-def]
        if name.startswith("__") or name == "_data":
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the report has no {name!r} here; there are {', '.join(self._data)}") from None

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a report is read-only: {name!r} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a report is read-only: {name!r} cannot be deleted")

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __dir__(self):  # type: ignore[no-untyped-def]
        return [*super().__dir__(), *self._data]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self._data)})"

    def __copy__(self) -> View:
        return self

    def __deepcopy__(self, memo: dict) -> View:
        return self

    def __reduce__(self):  # type: ignore[no-untyped-def]
        return type(self), (self.to_dict(),)

    def to_dict(self) -> dict:
        """Plain data, a copy of one's own."""
        return json.loads(json.dumps(dict(self._data)))


class Report(View):
    """A whole report.

    Args:
        source: JSON text, or a mapping with a report's keys.
        text: the summary for people, where it is known already.

    Raises:
        ValueError: the text is not JSON, or no object.
    """

    __slots__ = ("_text",)

    def __reduce__(self):  # type: ignore[no-untyped-def]
        return type(self), (self.to_dict(), self._text)

    def __init__(self, source: str | bytes | Mapping, text: str | None = None) -> None:
        data = source if isinstance(source, Mapping) else json.loads(source)
        if not isinstance(data, Mapping):
            raise ValueError("a report is a JSON object")
        super().__init__(data)
        object.__setattr__(self, "_text", text)

    def summary(self) -> str:
        """The summary for people. Of a report that no meter gave, the command `eco2` renders it.

        Raises:
            Error: there is no command, or the report is none of schema `eco2.report/1`.
        """
        if self._text is None:
            from ._command import render

            object.__setattr__(self, "_text", render(self.to_dict()))
        return self._text

    def to_json(self) -> str:
        """The report as JSON text."""
        return json.dumps(dict(self._data), ensure_ascii=False, indent=2)


    def to_html(self, path: str | os.PathLike | None = None) -> str:
        """The report as one HTML page with charts, which requests nothing; also written to `path` if given.

        Raises:
            Error: there is no command `eco2`, or the report is none of schema `eco2.report/1`.
            OSError: the file cannot be written.
        """
        from ._command import render

        page = render(self.to_dict(), "html")
        if path is not None:
            with open(path, "w", encoding="utf-8") as out:
                out.write(page)
        return page

    def to_pdf(self, path: str | os.PathLike | None = None) -> bytes:
        """The HTML page as PDF, printed by an installed Chromium or Chrome; also written to `path` if given.

        Raises:
            Error: as `to_html`, and if there is no browser or it made no PDF.
            OSError: the file cannot be written.
        """
        from ._command import render_file

        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "report.pdf")
            render_file(self.to_dict(), "pdf", file)
            with open(file, "rb") as made:
                pdf = made.read()
        if path is not None:
            with open(path, "wb") as out:
                out.write(pdf)
        return pdf


def merge(reports: Iterable[str | bytes | Mapping]) -> Report:
    """One report of the ranks and restarts of one run: every counter counts once, however many processes read it, in any order.

    Args:
        reports: reports as JSON text, mappings or `Report`; merged ones may be among them, and one may be there twice.

    Raises:
        Error: ECO2_ERR_ARGUMENT for a text that is no report, naming its place.
        TypeError, ValueError: something else than text and values that JSON has.
    """
    from ._handles import text_of
    from ._load import library

    texts = [_text(report) for report in reports]
    array = (ctypes.c_char_p * len(texts))(*texts)
    return Report(text_of(library(), partial(library().merge, array, len(texts))))


def _text(report: str | bytes | Mapping) -> bytes:
    if isinstance(report, View):
        report = report.to_dict()
    if isinstance(report, Mapping):
        report = json.dumps(report)
    return report.encode("utf-8", "replace") if isinstance(report, str) else bytes(report)


def _seen(value):  # type: ignore[no-untyped-def]
    if isinstance(value, Mapping):
        return View(value)
    if isinstance(value, (list, tuple)):
        return tuple(_seen(item) for item in value)
    return value
