"""The exceptions: `Error` with the library's code, and two subclasses for a missing library and a missing feature."""

from __future__ import annotations

from . import _constants as c

NAMES = {value: name for name, value in vars(c).items() if name == "ECO2_OK" or name.startswith("ECO2_ERR_")}
"""Names of the status codes, by code."""


class Error(Exception):
    """A call that failed.

    Attributes:
        code: one of the header's `ECO2_ERR_...` numbers.
        name: its name, such as `"ECO2_ERR_OPTIONS"`.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.name = NAMES.get(code, "unknown status")

    def __reduce__(self):  # type: ignore[no-untyped-def]
        return Error, (self.code, str(self))


class LoadError(Error, ImportError):  # type: ignore[misc]  # both have a `name`: ours is the status's
    """The library is missing, cannot be loaded or has another version; the message lists what was tried."""

    def __init__(self, message: str) -> None:
        super().__init__(c.ECO2_ERR_VERSION, message)

    def __reduce__(self):  # type: ignore[no-untyped-def]
        return LoadError, (str(self),)


class NotBuilt(Error, NotImplementedError):
    """A documented name whose part of eco2 is not built yet.

    Args:
        what: the name, such as `"to_html"`.
    """

    def __init__(self, what: str) -> None:
        super().__init__(c.ECO2_ERR_NO_DATA, f"{what} is not built yet; docs/roadmap.md names the part that brings it")
        self.what = what

    def __reduce__(self):  # type: ignore[no-untyped-def]
        return NotBuilt, (self.what,)
