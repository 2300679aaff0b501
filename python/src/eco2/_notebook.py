"""Notebooks: a cell that is run again measures once, and the cell magic `%%eco2`."""

from __future__ import annotations

import sys


def shell():  # type: ignore[no-untyped-def]
    """IPython's shell that this program runs in, or None."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None


def live(cls, opened, options: dict):  # type: ignore[no-untyped-def]
    """In a notebook: the open meter of the same options, if any, except those of `Meter.apart`."""
    if shell() is None:
        return None
    same = (meter for meter in list(opened) if type(meter) is cls and not meter._apart and meter.options == options)
    return next((meter for meter in same if not meter.closed and not meter.forked), None)


def cell_magic(line: str, cell: str) -> None:
    """`%%eco2 [NAME]`: runs the cell as a span of the default meter, and prints one line on what is known of it.

    The figures are those of all cells of that name so far. An interrupted or failing cell ends its span too.
    """
    from .tracking import default_meter

    meter, name = default_meter(), line.strip() or "cell"
    with meter.span(name):
        shell().run_cell(cell, store_history=False)
    print(described(name, meter.total(name)))


def described(name: str, total) -> str:  # type: ignore[no-untyped-def]
    """One line on a span."""
    if total is None:
        return f"eco2: {name}: nothing is known yet"
    high = "no upper bound" if total.high_uj is None else f"{total.high_uj / 1e6:.3f} J"
    energy = "energy not known" if total.joules is None else f"{total.joules:.3f} J"
    # Of an energy that was not read no bound is known either, unless a ceiling gives one.
    open_ended = total.joules is None and total.low_uj == 0 and total.high_uj is None
    notes = ([] if open_ended else [f"{total.low_uj / 1e6:.3f} J to {high}"]) + ([] if total.final else ["provisional"])
    return f"eco2: {name} × {total.count}: {total.seconds:.3f} s, {energy}" + (f" ({', '.join(notes)})" if notes else "")


def load_ipython_extension(ipython) -> None:  # type: ignore[no-untyped-def]
    """What `%load_ext eco2` calls: makes `%%eco2` known."""
    ipython.register_magic_function(cell_magic, magic_kind="cell", magic_name="eco2")


def unload_ipython_extension(ipython) -> None:  # type: ignore[no-untyped-def]
    """What `%unload_ext eco2` calls: forgets the magic and closes the default meter."""
    from .tracking import close_default

    ipython.magics_manager.magics["cell"].pop("eco2", None)
    close_default()
