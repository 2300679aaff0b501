"""EnergyTracker, GPUMonitor, SystemMonitor: measuring without a Trainer, in the names of HF Eco2AI."""

from __future__ import annotations

import time
from typing import Any, Dict, List, Optional, Tuple

from .config import CarbonConfig
from .models import NOTHING, CarbonSummary, Figures, GPUMetrics, SystemMetrics, gpus
from .report import rendered
from .session import Session


class EnergyTracker:
    """Energy and carbon from `start_tracking` to `stop_tracking`; a context manager too.

    Args:
        gpu_ids: `"auto"`, or the numbers of the GPUs that count, among those that this process may use.
        sampling_interval, country, region: as the options of CarbonConfig (the interval in seconds).
        options: further options of CarbonConfig.

    Raises:
        ConfigurationError: an option that cannot be used.
    """

    def __init__(self, gpu_ids: Any = "auto", sampling_interval: Optional[float] = None, country: Optional[str] = None,
                 region: Optional[str] = None, **options: Any) -> None:
        given = {"gpu_ids": gpu_ids, "gpu_sampling_interval": sampling_interval, "country": country, "region": region}
        self.config = CarbonConfig.from_env(**{name: value for name, value in given.items() if value is not None}, **options)
        self.session = Session(self.config)
        self._shown: Dict[str, Optional[float]] = {}

    def start_tracking(self) -> None:
        """Begins. Raises eco2.Error where no meter can be opened."""
        self._shown = {}
        self.session.start()

    def stop_tracking(self) -> CarbonSummary:
        """Ends, and gives the totals."""
        self.session.stop()
        return self.session.report().summary if self.session.meter is not None else CarbonSummary(NOTHING["summary"])

    def get_current_consumption(self) -> Tuple[Optional[float], Optional[float], Optional[float]]:
        """Mean watts, kilowatt-hours and kilograms CO2e since the start; None is not known.

        Energy and emissions never fall between two calls: a value that was extrapolated too high is held.
        """
        now = self.session.figures()["current"]
        for name in ("energy_kwh", "co2_kg"):
            value, shown = now.get(name), self._shown.get(name)
            self._shown[name] = value if value is None or shown is None else max(value, shown)
        return now.get("power_watts"), self._shown["energy_kwh"], self._shown["co2_kg"]

    def get_efficiency_metrics(self, samples_processed: int) -> Dict[str, Optional[float]]:
        """Figures by sample of the run until now, or of the whole one after `stop_tracking`; None is not known.

        Asking changes nothing: the report counts no sample by it. The command eco2 divides, which takes milliseconds.

        Args:
            samples_processed: samples since the start, 0 or more.
        """
        whole = self.session.report().eco2
        now = {} if whole is None else rendered({**whole, "work": {**whole["work"], "samples": samples_processed}})["current"]
        return {name: now.get(name) for name in ("samples_per_kwh", "energy_per_sample", "co2_per_sample", "watts_per_sample")}

    def is_available(self) -> bool:
        """Whether anything is known of the energy here."""
        if self.session.meter is not None:
            return self.session.meter.now() is not None
        with EnergyTracker(meter_options={"log": False, **self.config.meter_options}) as probe:
            return probe.session.meter.now() is not None

    def __enter__(self) -> EnergyTracker:
        self.start_tracking()
        return self

    def __exit__(self, *raised: object) -> None:
        self.session.stop()


class GPUMonitor:
    """GPUs from `start_monitoring` to `stop_monitoring`, each once; `gpu_ids` as for `EnergyTracker`. Without a GPU, a driver
    or its library the lists are empty."""

    def __init__(self, gpu_ids: Any = "auto", sampling_interval: Optional[float] = None, **options: Any) -> None:
        options["meter_options"] = {"log": False, **options.get("meter_options", {})}
        self._tracker = EnergyTracker(gpu_ids, sampling_interval, **options)

    def start_monitoring(self) -> None:
        """Begins. Raises eco2.Error where no meter can be opened."""
        self._tracker.start_tracking()

    def stop_monitoring(self) -> None:
        """Ends; the last figures can still be read."""
        self._tracker.session.stop()

    def get_current_metrics(self) -> List[GPUMetrics]:
        """Each GPU; power is its mean since the start."""
        return gpus(self._tracker.session.figures())

    def get_aggregated_metrics(self) -> Figures:
        """The whole machine's figures, as `get_current_metrics` of the callback. Reading them changes nothing."""
        return Figures(self._tracker.session.figures()["current"])

    def get_metrics_summary(self) -> Dict[str, Any]:
        """Both: `gpus` and `total`."""
        return {"gpus": self.get_current_metrics(), "total": self.get_aggregated_metrics()}

    @property
    def is_available(self) -> bool:
        """Whether a GPU is read."""
        return bool(self.get_current_metrics())


class SystemMonitor:
    """The machine without its GPUs: the power of processor packages (or its estimate), and the host's gauges."""

    def __init__(self, sampling_interval: Optional[float] = None, **options: Any) -> None:
        options["meter_options"] = {"log": False, **options.get("meter_options", {})}
        self._tracker = EnergyTracker(sampling_interval=sampling_interval, track_gpu_energy=False, **options)

    def start_monitoring(self) -> None:
        """Begins. Raises eco2.Error where no meter can be opened."""
        self._tracker.start_tracking()

    def stop_monitoring(self) -> None:
        """Ends; the last figures can still be read."""
        self._tracker.session.stop()

    def get_current_metrics(self) -> SystemMetrics:
        """Watts as a mean since the start, and the last reading of the host's gauges; None where there is none yet."""
        power = self._tracker.get_current_consumption()[0]
        report = self._tracker.session.report().eco2 or {}
        last = {gauge["name"]: gauge["last"] for gauge in report.get("host_gauges", ())}
        cpu, used, total = (last.get(name) for name in ("cpu_utilization", "memory_used", "memory_total"))
        return SystemMetrics(cpu_percent=None if cpu is None else 100 * cpu,
                             memory_percent=100 * used / total if used is not None and total else None,
                             power_watts=power, timestamp=time.time())
