"""The modality of a training as a label of its run, and stored runs compared by it. Nothing is detected and no benchmark is built in."""

from __future__ import annotations

import json
import os
from enum import Enum
from typing import Any, Dict, Mapping, Optional, Sequence, Union

from .commands import command_output

LABEL = "modality"
"""The label of a run that has its modality."""


class ModalityType(str, Enum):
    """What a training works on; the value of the run's label `modality`."""

    TEXT = "text"
    VISION = "vision"
    AUDIO = "audio"
    VIDEO = "video"
    TABULAR = "tabular"
    MULTIMODAL = "multimodal"
    OTHER = "other"

    def __str__(self) -> str:
        return self.value


def primary_modality(labels: Mapping[str, str]) -> Optional[ModalityType]:
    """The modality that a run's labels state; None without the label, OTHER for a value that is not listed.

    >>> primary_modality({"modality": "text"})
    <ModalityType.TEXT: 'text'>
    """
    stated = labels.get(LABEL)
    if stated is None:
        return None
    known = {kind.value: kind for kind in ModalityType}
    return known.get(str(stated), ModalityType.OTHER)


def get_modality_analytics(runs: Sequence[Union[str, "os.PathLike[str]"]], per: Optional[str] = None) -> Dict[str, Any]:
    """Energy, emissions and time of runs by modality, by `eco2 compare --by modality`.

    `runs` are at least two paths, IDs or names of runs; `per` is step, sample, token or run. The result is the comparison's `grouping`:
    for each group its `label`, `runs`, and means with 95 % intervals in `energy_kwh`, `grams`, `seconds` and `loss`. Only these runs are
    compared. Raises APIError with the command's message.
    """
    words = ["compare", *map(str, runs), "--by", LABEL, "--json", *(["--per", per] if per else [])]
    return json.loads(command_output(words))["grouping"]
