"""The script `hf-eco2ai`, also `python -m hf_eco2ai`: HF Eco2AI's commands, run by the command `eco2`.

Exit codes: 0 done; 1 it failed, the configuration has issues, or a budget is exceeded (in every format); 2 usage.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Any, Callable, Dict, List, Optional

import eco2

from . import advise
from .errors import CarbonTrackingError
from .files import write_text

DIRECT = ("check-budget", "compare", "demo", "doctor", "grid", "merge", "optimize", "plan", "replay", "run", "verify")
"""Commands of eco2, passed on unchanged."""

METRICS = {"total_energy_kwh": "total_energy_kwh", "total_co2_kg": "total_co2_kg", "duration_hours": "total_duration_hours",
           "average_power_watts": "average_power_watts", "equivalent_km_driven": "equivalent_km_driven"}
"""Rows of `report --format csv`, and the field of the summary for each."""


def main(arguments: Optional[List[str]] = None) -> int:
    """Runs a command and returns its exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    name = given[0] if given else ""
    try:
        if name in DIRECT and not (name == "optimize" and advise.is_asked(given[1:])):
            return eco2.run_cli(given).returncode
        if name == "exec":
            return eco2.run_cli(["run", *given[1:]]).returncode
        if name == "schedule":
            return eco2.run_cli(["plan", *given[1:]]).returncode
        if name == "serve":
            return eco2.run_cli(["serve", *_listen(given[1:])]).returncode
        if name == "watch":
            return eco2.run_cli(["top", *given[1:]]).returncode
        parsed = parser().parse_args(given)
        code = parsed.command(parsed)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        return _reader_left()
    except (eco2.Error, CarbonTrackingError, OSError) as error:
        print(f"hf-eco2ai: {error}", file=sys.stderr)
        return 1
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 2


def _listen(given: List[str]) -> List[str]:
    """The flags of `eco2 serve`: HF Eco2AI had `--host` and `--port`, in place of `--listen`."""
    seeds = argparse.ArgumentParser(prog="hf-eco2ai serve", add_help=False, allow_abbrev=False)
    seeds.add_argument("--host")
    seeds.add_argument("--port", type=int)
    found, rest = seeds.parse_known_args(given)
    if found.host is None and found.port is None:
        return rest
    # The command takes addresses and no names.
    host = "127.0.0.1" if found.host in (None, "localhost") else found.host
    host = f"[{host}]" if ":" in host else host
    return ["--listen", f"{host}:{9862 if found.port is None else found.port}", *rest]


def _reader_left() -> int:
    """Done: the reader of a pipe (`| head`) has what it wanted. Nothing more is written, at the exit either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def parser() -> argparse.ArgumentParser:
    """The commands that are not eco2's own."""
    top = argparse.ArgumentParser(prog="hf-eco2ai", description="Measure the energy use and emissions of machine-learning training.",
                                  epilog=f"Also commands of eco2: {', '.join(DIRECT)}; exec is run, schedule is plan; serve [--host ADDR] [--port N] is eco2 serve.")
    top.add_argument("--version", action="version", version=f"hf-eco2ai {eco2.__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    _command(commands, "validate", "check a configuration, and what can be measured here", _validate, {
        ("-c", "--config"): {}, ("-p", "--project"): {}, ("--dry-run",): {"action": "store_true"}})
    _command(commands, "report", "show a report", _report, {
        ("-r", "--report"): {"required": True}, ("--format",): {"choices": ("text", "json", "csv"), "default": "text"},
        ("-o", "--output"): {}})
    _command(commands, "optimize", "suggestions for a project's newest run (flags of eco2: see eco2 optimize --help)", advise.advise, {
        ("-p", "--project"): {"required": True}, ("--model-size",): {"choices": advise.SIZES, "default": "medium"},
        ("--duration",): {"type": float, "default": 60.0, "metavar": "MIN"},
        ("--format",): {"choices": ("text", "json"), "default": "text"}})
    _command(commands, "config", "write a configuration with every option", _config, {
        ("-c", "--config"): {}, ("-o", "--output"): {"default": "config.json"}})
    return top


def _command(commands: Any, name: str, what: str, function: Callable[[Any], int], flags: Dict[tuple, dict]) -> None:
    command = commands.add_parser(name, help=what, description=what)
    for names, more in flags.items():
        command.add_argument(*names, **more)
    command.set_defaults(command=function)


def _read_config(path: Optional[str]) -> Any:
    from .config import CarbonConfig

    if path is None:
        return CarbonConfig.from_env()
    return CarbonConfig.from_json(path) if path.endswith(".json") else CarbonConfig.from_yaml(path)


def _validate(parsed: Any) -> int:
    from .diagnostics import validate

    config = _read_config(parsed.config)
    if parsed.project:
        config.project_name = parsed.project
    found: Dict[str, Any] = {"valid": True, "issues": [], "warnings": []} if parsed.dry_run else validate(config)
    print(f"project {config.project_name}: {'valid' if found['valid'] else 'not valid'}")
    for kind in ("issues", "warnings"):
        for text in found[kind]:
            print(f"{kind[:-1]}: {text}")
    return 0 if found["valid"] else 1


def _report(parsed: Any) -> int:
    from .report import CarbonReport

    report = CarbonReport.from_json(parsed.report)
    if parsed.format == "json":
        text = json.dumps(report.to_dict(), indent=2, ensure_ascii=False)
    elif parsed.format == "csv":
        values = {name: report.summary.get(figure) for name, figure in METRICS.items()}
        text = "\n".join(["metric,value", *(f"{name},{'' if value is None else value}" for name, value in values.items())])
    else:
        text = _text(report)
    if parsed.output:
        write_text(parsed.output, text + "\n")
    else:
        print(text)
    return 0


def _text(report: Any) -> str:
    if report.eco2 is None:
        return report.summary()
    return eco2.Report(report.eco2).summary().rstrip("\n")


def _config(parsed: Any) -> int:
    _read_config(parsed.config).to_json(parsed.output)
    print(f"written: {parsed.output}")
    return 0
