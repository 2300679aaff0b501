"""Documented names of HF Eco2AI whose part is not built yet: each raises eco2.NotBuilt when it is used."""

from __future__ import annotations

from typing import Any

import eco2

CLASSES = ("CarbonDataAggregator", "CarbonDataStorage")
"""Names that raise when an object is made."""

FUNCTIONS = ("predict_training_impact",)
"""Names that raise when they are called."""


def _class(name: str) -> type:
    def refuse(self: Any, *arguments: Any, **keywords: Any) -> None:
        raise eco2.NotBuilt(name)

    return type(name, (), {"__init__": refuse, "__doc__": "Comes with a later part: raises eco2.NotBuilt.",
                           "__module__": __name__})


def _function(name: str) -> Any:
    def refuse(*arguments: Any, **keywords: Any) -> Any:
        """Comes with a later part: raises eco2.NotBuilt."""
        raise eco2.NotBuilt(name)

    refuse.__name__ = refuse.__qualname__ = name
    return refuse


globals().update({name: _class(name) for name in CLASSES}, **{name: _function(name) for name in FUNCTIONS})
