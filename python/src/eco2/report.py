"""A report to read: the JSON of schema `eco2.report/1` by attribute or by key, and not to be changed."""

from __future__ import annotations

import ctypes
import json
import os
from collections.abc import Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from .records import UJ_PER_KWH


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
        return json.loads(_json(self._data))


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
            object.__setattr__(self, "_text", self.to_format("text"))
        return self._text

    def to_json(self) -> str:
        """The report as JSON text."""
        return _json(self._data, ensure_ascii=False, indent=2)

    def to_format(self, format: str, path: str | os.PathLike | None = None) -> str | bytes:
        """The report in a format of the command (`eco2 report --format`), also written to `path` if given.

        Args:
            format: one of `eco2.report_formats()`. `pdf` is bytes, printed by an installed Chromium or Chrome; every other is
                text. `html` is one page with charts, which requests nothing.
            path: the file to write.

        Raises:
            Error: there is no command `eco2`, it has no such format, the report is none of schema `eco2.report/1`, or no
                browser made a PDF.
            OSError: the file cannot be written.
        """
        from ._command import rendered

        data = rendered(self.to_dict(), format)
        if path is not None:
            with open(path, "wb") as out:
                out.write(data)
        return data if format == "pdf" else data.decode("utf-8")

    def to_html(self, path: str | os.PathLike | None = None) -> str:
        """`to_format("html", path)`."""
        return self.to_format("html", path)  # type: ignore[return-value]

    def to_pdf(self, path: str | os.PathLike | None = None) -> bytes:
        """`to_format("pdf", path)`."""
        return self.to_format("pdf", path)  # type: ignore[return-value]

    # The values that most programs read. The report has them all, with their bounds and sources.

    @property
    def kwh(self) -> float | None:
        """Energy use in kilowatt-hours, without the facility's overhead (PUE); None where it is not known."""
        return _scaled(self._part("energy").get("total_uj"), UJ_PER_KWH)

    @property
    def kwh_range(self) -> tuple[float, float | None]:
        """Lower and upper bound of `kwh`; an upper bound of None: not bounded. `energy.range_kind` has what they promise."""
        energy = self._part("energy")
        return (energy.get("low_uj") or 0) / UJ_PER_KWH, _scaled(energy.get("high_uj"), UJ_PER_KWH)

    @property
    def co2_kg(self) -> float | None:
        """Emissions in kilograms CO2e, location-based, with the facility's overhead; None where they are not known."""
        return _scaled(self._part("carbon").get("grams"), 1e3)

    @property
    def co2_kg_range(self) -> tuple[float, float | None]:
        """Lower and upper bound of `co2_kg`, from those of the energy; an upper bound of None: not bounded."""
        carbon = self._part("carbon")
        return (carbon.get("low") or 0) / 1e3, _scaled(carbon.get("high"), 1e3)

    @property
    def quality(self) -> str:
        """The worst quality among the parts of the energy: measured, derived, estimated, synthetic; missing where none is known."""
        from ._shown import quality

        return quality(self._data)

    @property
    def duration_s(self) -> float | None:
        """Duration of the run in seconds; None where it is not known."""
        return _scaled(self._part("run").get("duration_ns"), 1e9)

    def _part(self, name: str) -> Mapping:
        return self._data.get(name) or {}

    def __repr__(self) -> str:
        from ._shown import line

        return line(self._data)

    def _repr_html_(self) -> str:
        from ._shown import card

        return card(self._data)


def _scaled(value: float | None, divisor: float) -> float | None:
    return None if value is None else value / divisor


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
    if isinstance(report, Mapping):
        report = _json(report)
    return report.encode("utf-8", "replace") if isinstance(report, str) else bytes(report)


def _json(data: Mapping, **options: Any) -> str:
    return json.dumps(dict(data), default=_as_dict, **options)


def _as_dict(value: object) -> dict:
    """A `View`, or another mapping that json does not know: a report may be made of another one's parts."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"JSON has no {type(value).__name__}")


def _seen(value):  # type: ignore[no-untyped-def]
    if isinstance(value, Mapping):
        return View(value)
    if isinstance(value, (list, tuple)):
        return tuple(_seen(item) for item in value)
    return value
