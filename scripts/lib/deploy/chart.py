"""Fills the templates of the Helm chart, without Helm: as far as they use what is read here.

  chart.py VALUES...      prints the objects that the chart makes of values.yaml and these files, in the namespace eco2

Read are `{{ .Values.a | toJson }}`, `{{ .Release.Namespace }}`, and `if`, `if not`, `else` and `end` around lines or words. Any other
expression of a template is an error, so that no template holds more than what was filled in here.
"""

import json
import re
import sys
from pathlib import Path

import yaml

CHART = Path(__file__).resolve().parents[3] / "deploy/helm/eco2"
IF = re.compile(r"\{\{-? if (not )?\.Values\.(\w+) \}\}((?:(?!\{\{-? (?:if|end) ).)*?)(?:\{\{-? else \}\}((?:(?!\{\{-? (?:if|end) ).)*?))?"
                r"\{\{-? end \}\}", re.S)


def filled(template, values):
    """Returns a template with its expressions replaced.

    Raises:
        ValueError: for an expression that this function does not know.
    """
    def chosen(found):
        return (found[3] if bool(values[found[2]]) != bool(found[1]) else found[4] or "").rstrip("\n")

    # `{{-` removes the line break before it.
    text = re.sub(r"\n\{\{- ", "{{- ", template)
    while IF.search(text):
        text = IF.sub(chosen, text)
    text = re.sub(r"\{\{ \.Values\.(\w+) \| toJson \}\}", lambda found: json.dumps(values[found[1]]), text)
    text = text.replace("{{ .Release.Namespace }}", "eco2")
    if unknown := re.search(r"\{\{.*?\}\}", text):
        raise ValueError(f"{unknown[0]} is not known here: it could not be checked")
    return text


def chart(files):
    """Returns the objects that the chart makes of its values and those of these files, and the values."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    for file in files:
        values |= yaml.safe_load(Path(file).read_text())
    texts = [filled(path.read_text(), values) for path in sorted((CHART / "templates").glob("*.yaml"))]
    return [each for text in texts for each in yaml.safe_load_all(text) if each], values


if __name__ == "__main__":
    yaml.safe_dump_all(chart(sys.argv[1:])[0], sys.stdout)
