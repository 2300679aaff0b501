"""What a first reading costs: `first.py TOOL`, in a fresh interpreter.

Prints as JSON the CPU and wall time of the import and of import and first reading together, milliseconds, with the
processes that the tool starts, and the most memory, MiB.
"""

from time import perf_counter, process_time

BEGUN_CPU, BEGUN = process_time(), perf_counter()


def eco2() -> dict:
    """A meter and what it knows."""
    import eco2

    known = imported()
    meter = eco2.Meter(zone="DE")
    while meter.now() is None:
        pass
    return known


def codecarbon() -> dict:
    """A task of the offline tracker."""
    from codecarbon import OfflineEmissionsTracker

    known = imported()
    tracker = OfflineEmissionsTracker(country_iso_code="DEU", save_to_file=False, log_level="critical")
    tracker.start_task("first")
    tracker.stop_task()
    return known


def zeus() -> dict:
    """A window."""
    import warnings

    warnings.simplefilter("ignore")
    from zeus.monitor import ZeusMonitor

    known = imported()
    monitor = ZeusMonitor()
    monitor.begin_window("first", sync_execution=False)
    monitor.end_window("first", sync_execution=False)
    return known


def imported() -> dict:
    """The cost until now, of this process alone."""
    return {"import_cpu_ms": (process_time() - BEGUN_CPU) * 1e3, "import_ms": (perf_counter() - BEGUN) * 1e3}


def main() -> None:
    """Measures and prints."""
    import sys

    known = {"eco2": eco2, "codecarbon": codecarbon, "zeus": zeus}[sys.argv[1]]()
    wall_ms = (perf_counter() - BEGUN) * 1e3
    import json
    import resource

    import processes

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    cpu_ms = processes.cpu_ns() / 1e6 - BEGUN_CPU * 1e3
    print(json.dumps({**known, "first_cpu_ms": cpu_ms, "first_ms": wall_ms, "peak_mib": peak}))


if __name__ == "__main__":
    main()
