"""`import eco2.transformers` lets a Trainer take eco2 by name: `TrainingArguments(report_to="eco2")`.

transformers finds what `report_to` names in `transformers.integrations.INTEGRATION_TO_CALLBACK`. This module adds one entry to it
and changes nothing else. The callback is `hf_eco2ai.Eco2AICallback` with the options of the environment (`HF_ECO2AI_...`,
`ECO2_...`); to set options in code, pass the callback itself: `callbacks=[Eco2AICallback(...)]`.
"""

from __future__ import annotations

from transformers.integrations import INTEGRATION_TO_CALLBACK

from hf_eco2ai import Eco2AICallback

NAME = "eco2"
"""The name in `report_to`."""

INTEGRATION_TO_CALLBACK[NAME] = Eco2AICallback
