"""The options of a meter, for type checkers and editors.

Written by scripts/options from the rows in meter/src/options, and not to be edited. A value of None is left out.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TypedDict, Union

_Path = Union[str, "os.PathLike[str]"]


class BudgetOptions(TypedDict, total=False):
    """The table `budget`."""

    max_co2_kg: float | None
    """Limit on emissions, kg CO2e [default: no limit]."""

    max_energy_kwh: float | None
    """Limit on energy use, kWh with the facility's overhead (PUE) [default: no limit]."""

    max_cost: float | None
    """Limit on the cost of energy, money; requires a price or a tariff [default: no limit]."""

    max_co2_kg_per_hour: float | None
    """Limit per hour on emissions, kg CO2e: one event when the mean since the start exceeds it [default: no
    limit]."""

    max_energy_kwh_per_hour: float | None
    """Limit per hour on energy use, kWh with the facility's overhead (PUE): one event when the mean exceeds it
    [default: no limit]."""

    max_cost_per_hour: float | None
    """Limit per hour on the cost of energy, money: one event when the mean exceeds it; requires a price or a
    tariff [default: no limit]."""

    total_hours: float | None
    """Planned duration in hours, to forecast use at its end (90 % interval)."""

    total_steps: int | None
    """Planned number of steps, to forecast use at the last one."""

    reserve_percent: float | None
    """Percent of every limit reserved for a checkpoint and a step larger than any before [default: 0]."""

    check_steps: int | None
    """Steps between two checks of the budget; as many are reserved [default: 1]."""

    soft: str | None
    """Decision when the forecast exceeds a limit [default: warn]."""

    hard: str | None
    """Decision when a limit is used up except for the reserve [default: stop]."""

    strict: bool | None
    """Decide by the upper bound: one that reaches a limit, or is not known, counts like a value that does."""

    price_per_kwh: float | None
    """Electricity price per kWh."""

    currency: str | None
    """Currency of prices and limits, an ISO 4217 code such as EUR."""


class Options(TypedDict, total=False):
    """Keywords of `Meter`."""

    name: str | None
    """Name of the run [default: the command's name]."""

    run_id: str | None
    """Id that the run's processes and restarts share [default: the launcher's job id, or a new one]."""

    attempt: int | None
    """Number of earlier starts of the run [default: the launcher's count]."""

    labels: Mapping[str, str] | None
    """Labels of the run."""

    step_name: str | None
    """Name of the spans that are the run's own steps, which budgets, forecasts and the report's work count
    [default: step, else the first name that is stepped]."""

    pid: int | None
    """Process to measure until it ends, instead of a command."""

    json: _Path | None
    """File for the report as JSON; `-` is standard output."""

    trace: _Path | None
    """File for every reading, for `eco2 replay`."""

    quiet: bool | None
    """Print errors only."""

    summary: str | None
    """Length of the summary after the run [default: short]."""

    scope: str | None
    """Energy that summaries and exports show: the machine's or the command's [default: machine]."""

    live: bool | None
    """Show power, energy and emissions in the last line of the terminal while a command runs [default: true]."""

    redact: bool | None
    """Leave the command's arguments out of the report."""

    log: bool | _Path | None
    """Run log: kept in the folder of runs (true), not kept (false), or kept in a folder of this name [default:
    true]."""

    state_dir: _Path | None
    """Folder of runs [default: eco2 in $XDG_STATE_HOME]."""

    started_at: str | None
    """Start time of a replayed trace, e.g. 2026-03-01T12:00Z; a trace has no wall-clock time."""

    zone: str | None
    """Grid zone, e.g. DE, US-CA, France [default: world average]."""

    zone_fallback: bool | None
    """Replace a zone without a value by its country, else by the world average, instead of refusing it."""

    intensity: float | None
    """Carbon intensity in g CO2e/kWh, instead of the zone's value."""

    intensity_series: _Path | None
    """Carbon intensity over time from a CSV or JSON file."""

    intensity_column: str | None
    """Column of the intensity file [default: gco2e_per_kwh, or the only one]."""

    intensity_provider: Sequence[str] | None
    """Request carbon intensity over time from providers, in this order: electricity-maps, energy-charts,
    entsoe, neso, watttime, carbon-aware-sdk."""

    provider_zone: str | None
    """The provider's name for the zone, e.g. US-CAL-CISO [default: derived from the zone]."""

    provider_url: str | None
    """Address of the provider [default: its public address]."""

    locate: str | None
    """Find the zone from this machine's location: `cloud`, or LATITUDE,LONGITUDE."""

    pue: float | None
    """Power usage effectiveness (PUE) of the facility, 1 or more [default: 1]."""

    sources: Sequence[str] | None
    """Sources of readings to use [default: all]."""

    gpus: Sequence[int | str] | None
    """GPUs to read, by number or UUID among those visible to the process [default: all]."""

    estimate: bool | None
    """Estimate the energy of components without a sensor [default: true]."""

    sampling: str | None
    """When sensors are read: on-demand (around the edges of spans, else once a second), tight (narrower bounds
    of spans at a higher cost) or fixed (every 10 ms) [default: on-demand]."""

    interval: float | str | None
    """Fixed sampling interval, e.g. 10ms, from 0.1 ms to 60 s [default: none: sensors are read on demand]."""

    max_overhead_percent: float | None
    """CPU time that sampling may use, percent of a core; above it the interval grows, to one second at most
    [default: no limit]."""

    gpu_watts: float | None
    """Power of a busy GPU that has no sensor, watts."""

    cpu_watts: float | None
    """Power of all CPUs under full load, watts, where no sensor reads them [default: the value listed for the
    CPU model]."""

    cloud: str | None
    """Cloud provider of this machine, whose published watts per thread apply where no sensor reads the CPUs."""

    sysfs: _Path | None
    """Mount point of sysfs, e.g. /host/sys in a container [default: /sys]."""

    procfs: _Path | None
    """Mount point of procfs [default: /proc]."""

    nvml: _Path | None
    """NVIDIA management library (NVML) to load [default: the system's]."""

    amdsmi: _Path | None
    """AMD management library (libamd_smi) to load [default: the system's]."""

    redfish: str | None
    """BMC of this machine, whose power is shown as the machine's total, by Redfish; the account USER:PASSWORD
    is read from ECO2_TOKEN_REDFISH, or from the file of mode 0600 that ECO2_TOKEN_REDFISH_FILE names [default:
    no request is sent]."""

    redfish_ca: _Path | None
    """Certificate (PEM) of the BMC or of its authority, where it is not a public one."""

    redfish_insecure: bool | None
    """Do not check the BMC's certificate: any machine that answers at its address gets the account."""

    ipmi: _Path | None
    """IPMI device of this machine, through which its BMC shows the machine's total power (DCMI), e.g.
    /dev/ipmi0 [default: no device is opened]."""

    agent: _Path | None
    """Folder of the node agent, which is read for components whose sensors may not be read directly [default:
    /run/eco2, then eco2 in $XDG_RUNTIME_DIR]."""

    webhook: str | None
    """Send budget and anomaly events to a webhook in this format: slack, teams, discord or json; its address
    is read from ECO2_TOKEN_WEBHOOK, or from the file of mode 0600 that ECO2_TOKEN_WEBHOOK_FILE names."""

    email_to: Sequence[str] | None
    """Send budget and anomaly events by e-mail to these addresses; requires email_server."""

    email_server: str | None
    """Mail server that sends alerts: HOST or HOST:PORT with STARTTLS, smtps://HOST for TLS from the first
    byte. Nothing is sent without TLS."""

    email_user: str | None
    """User name at the mail server; the password is read from ECO2_TOKEN_EMAIL, or from the file of mode 0600
    that ECO2_TOKEN_EMAIL_FILE names [default: no login]."""

    email_from: str | None
    """Address of the sender [default: the user if it is an address, else the first recipient]."""

    email_ca: _Path | None
    """Root certificate (PEM) of the mail server's authority, where it is not a public one."""

    push: Mapping[str, str] | None
    """Push the metrics to these places, a run at its end and the agent every 10 s: otlp=URL, otlp-traces=URL,
    remote-write=URL, pushgateway=URL or textfile=FILE. A token is read from ECO2_TOKEN_OTLP,
    ECO2_TOKEN_REMOTE_WRITE or ECO2_TOKEN_PUSHGATEWAY, or from the file of mode 0600 that the variable with
    _FILE names."""

    tariff_series: _Path | None
    """Electricity prices over time from a CSV file, in the format of --intensity-series."""

    tariff_column: str | None
    """Column of the price file [default: price_per_kwh, or the only one]."""

    carbon_price: float | None
    """Carbon price per tonne CO2e."""

    embodied: str | None
    """Embodied emissions of the hardware: kg CO2e, LOW:BEST:HIGH, or parts such as server,8xa100-sxm4-40gb."""

    embodied_years: float | None
    """Service life of the hardware in years [default: 4]."""

    embodied_share: float | None
    """Share of the hardware reserved for the run, 0 to 1 [default: 1]."""

    market_instrument: str | None
    """Contract for market-based emissions; requires --market-intensity."""

    market_intensity: float | None
    """Emission factor of the contract, g CO2e/kWh; requires --market-instrument."""

    wue: float | None
    """Water usage effectiveness (WUE): litres used on site per kWh of IT equipment."""

    ewif: float | None
    """Energy-water intensity factor (EWIF): litres used by power plants per kWh of the facility."""

    offsets: Mapping[str, float] | None
    """Purchased offsets in kg CO2e, NAME=KG,…; listed and never subtracted."""

    functional_unit: str | None
    """Report software carbon intensity (SCI) per step, sample, token or run."""

    equivalents: bool | None
    """Show everyday equivalents (km driven, phone charges)."""

    budget: BudgetOptions
    """Limits and prices."""
