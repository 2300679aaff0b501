"""Runs the steps of deploy/github/carbon.yml on a fake sysfs, and checks that they fail where they should.

  workflow.py ECO2     file of the command

The training is a program that waits, so that it uses 20 W for as long. Steps that fetch from the network are left out.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml
from fake_node import fake_sysfs

ROOT = Path(__file__).resolve().parents[3]
LEFT_OUT = {"Check out", "Install"}


def steps(job, folder, environment):
    """Runs the steps as a runner does, which stops at the first that fails, and returns its name and exit code."""
    for step in job["steps"]:
        if step["name"] not in LEFT_OUT:
            done = subprocess.run(["bash", "-e", "-o", "pipefail", "-c", step["run"]], cwd=folder, env=environment, capture_output=True)
            if done.returncode:
                return step["name"], done.returncode
    return None, 0


def main(eco2):
    """Accepts a baseline, then runs the same training, a longer one, and one that fails."""
    job = yaml.safe_load((ROOT / "deploy/github/carbon.yml").read_text())["jobs"]["carbon"]
    faults = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "bin").mkdir()
        (folder / "bin/eco2").symlink_to(eco2)
        with fake_sysfs(folder / "sys") as sysfs:
            environment = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "XDG_STATE_HOME": scratch, "HOME": scratch, "CI": "true",
                           "ECO2_SYSFS": str(sysfs), "ECO2_AGENT": str(folder / "none"), "GITHUB_STEP_SUMMARY": str(folder / "summary.md"), **job["env"]}
            # Before there is a baseline, the last step has none to compare with.
            for what, program, expected in [("first run", "import time; time.sleep(4)", ("Increase over the baseline", 2)),
                                            ("same training", "import time; time.sleep(4)", (None, 0)),
                                            ("three times as long", "import time; time.sleep(12)", ("Increase over the baseline", 1)),
                                            ("training that fails", "raise SystemExit(3)", ("Train", 3))]:
                (folder / "train.py").write_text(program)
                found = steps(job, folder, environment)
                if found != expected:
                    faults.append(f"{what}: {found} instead of {expected}")
                if what == "first run":
                    (folder / "report.json").rename(folder / "carbon-baseline.json")
        if not (folder / "summary.md").read_text().strip():
            faults.append("the summary of the job is empty")
    print("\n".join(faults) or "workflow: passes with the same training, fails with a longer one and with one that fails")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
