"""Run by the interpreter that the wheel was installed into: the library and the command that came along work."""

import subprocess
import sys
from pathlib import Path

import eco2


def main() -> None:
    """Measures, reports, and runs the command."""
    place = Path(eco2.__file__).parent
    assert Path(eco2._load.library().path).parent == place / "_native", "the library that came along"
    with eco2.Meter(sources=["synthetic"], log=False, zone="DE") as meter:
        for _ in range(3):
            meter.step(samples=2)
    report = meter.report_object()
    assert (report.work.samples, meter.total("step").count) == (6, 3)
    assert Path(eco2.command()) == Path(sys.prefix) / "bin" / "eco2", "the command that came along"
    demo = eco2.run_cli(["demo"], stdout=subprocess.PIPE, text=True)
    assert demo.returncode == 0 and "SYNTHETIC" in demo.stdout
    module = subprocess.run([sys.executable, "-I", "-m", "eco2", "--version"], stdout=subprocess.PIPE, text=True, check=True)
    assert eco2.__version__ in module.stdout
    print(f"eco2 {eco2.version()} under Python {sys.version.split()[0]}")


if __name__ == "__main__":
    main()
