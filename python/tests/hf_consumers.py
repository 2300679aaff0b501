"""Containers, pods and jobs of SLURM by a real agent (`ECO2_COMMAND`) on a tree of files: `hf_eco2ai.integrations`."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
import unittest
from pathlib import Path
from typing import Any, Callable, List
from unittest import mock

from hf_dashboard import COMMAND, has_top
from hf_rig import JOULE, HfTest, printed, until

from hf_eco2ai import (CarbonTrackingError, ConfigurationError, DockerIntegration, KubernetesIntegration, Monitored, MonitoredEnergy,
                       SLURMIntegration, integrations)

DOCKER = "0123456789ab" + "c" * 52
OTHER = "0123456789ab" + "d" * 52
UID = "6f5902ac-237d-4b43-9f32-8a6c5b3fd1c2"
IN_POD = "f" * 64
RESTING = "9" * 64
GROUPS = {f"system.slice/docker-{DOCKER}.scope": 6, f"kubepods/burstable/pod{UID}/{IN_POD}": 2, f"kubepods/burstable/pod{UID}": 2,
          "slurm/uid_0/job_77": 1, f"docker/{RESTING}": 0}
"""Control groups, and the tenths of the CPU time that each uses; one tenth is this process's, which is in none of them."""


@unittest.skipUnless(has_top() and os.geteuid() == 0, "needs root, and the command with its agent (ECO2_COMMAND)")
class Consumers(HfTest):
    """An agent on a machine of one package and one CPU."""

    def setUp(self) -> None:
        super().setUp()
        self.sysfs, self.dir, self.turns = self.machine.folder, str(Path(self.folder, "run")), 0
        for name in [name for name in os.environ if name.startswith(("SLURM", "POD_", "ECO2_AGENT"))] + ["HOSTNAME"]:
            self.set_env(name, None)
        self.put("proc/cpuinfo", "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Test CPU\n")
        self.put("proc/sys/kernel/random/boot_id", "11111111-2222-3333-4444-555555555555\n")
        for pid in (1, 77, os.getpid()):
            self.put(f"proc/{pid}/cgroup", "0::/\n")
        self.put("proc/77/environ", "POD_NAMESPACE=ml\0POD_NAME=train-0\0HOSTNAME=web\0")
        for group in GROUPS:
            self.put(f"sys/fs/cgroup/{group}/cgroup.procs", "77\n")
        self.turn()
        stop = threading.Event()
        works = threading.Thread(target=lambda: [self.turn() for _ in iter(lambda: stop.wait(0.1), True)])
        works.start()
        self.addCleanup(works.join)
        self.addCleanup(stop.set)

    def put(self, name: str, text: str) -> None:
        """Writes a file below the machine, at once for a reader."""
        path = Path(self.folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".next").write_text(text, encoding="ascii")
        path.with_suffix(".next").replace(path)

    def turn(self) -> None:
        """A tenth of a second passes, in which the package uses 2 J and the CPU works throughout."""
        self.turns += 1
        self.put("proc/stat", f"cpu  {self.turns * 10} 0 0 1000 0 0 0 0 0 0\nprocesses 5\n")
        for pid, ticks in ((1, 0), (77, 0), (os.getpid(), self.turns)):
            self.put(f"proc/{pid}/stat", f"{pid} (x) S 0 1 1 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 1 0 5 0 0\n")
        for group, tenths in GROUPS.items():
            if Path(self.folder, "sys/fs/cgroup", group).exists():
                self.put(f"sys/fs/cgroup/{group}/cpu.stat", f"usage_usec {self.turns * tenths * 10_000}\n")
        self.machine.use(2 * JOULE)

    def serve(self, *flags: str) -> None:
        """Starts the agent, which ends with the test."""
        words = [COMMAND, "serve", "--dir", self.dir, "--listen", "127.0.0.1:0", "--sysfs", self.sysfs, "--procfs", self.folder + "/proc"]
        agent = subprocess.Popen([*words, "--nvml", self.folder + "/none", *flags], stderr=subprocess.PIPE, text=True)
        self.addCleanup(agent.stderr.close)
        self.addCleanup(agent.wait)
        self.addCleanup(agent.kill)
        self.address = agent.stderr.readline().partition("http://")[2].split("/")[0]
        self.assertTrue(self.address)

    def job(self, *words: str) -> str:
        return subprocess.run([COMMAND, "job", *words, "--dir", self.dir], check=True, capture_output=True, text=True).stdout

    def wait_for(self, condition: Callable[[], Any]) -> None:
        """Waits for what comes with the agent's next sums, one per second."""
        self.assertTrue(until(condition, seconds=60, pause=0.2))

    def work(self, _: str = "") -> None:
        """Lets four seconds pass, within which the agent sums up twice."""
        at = self.turns + 40
        self.wait_for(lambda: self.turns > at)

    def assert_known(self, energy: MonitoredEnergy, quality: str = "measured") -> None:
        self.assertLessEqual(energy.low_joules, energy.joules)
        self.assertLessEqual(energy.joules, energy.high_joules)
        self.assertLessEqual(energy.joules, 2 * self.turns)
        self.assertEqual(energy.quality, quality)

    def test_container_is_monitored_from_the_call_to_the_end(self) -> None:
        self.serve()
        container = DockerIntegration.monitor_container(DOCKER[:12], folder=self.dir, sysfs=self.sysfs)
        self.assertIsNone(container.energy().joules, "nothing was attributed yet")
        self.wait_for(lambda: (container.energy().joules or 0) > 10)
        running = container.energy()
        self.assert_known(running)
        self.assertTrue(running.is_running and container.labels == {"container": DOCKER[:12]})
        ended = container.end(steps=8)
        self.assert_known(ended)
        self.assertFalse(ended.is_running)
        self.assertGreaterEqual(ended.joules, running.joules)
        listed = json.loads(self.job("list", "--json"))
        self.assertEqual([(job["id"], job["total_uj"], job["steps"]) for job in listed], [(container.id, round(ended.joules * JOULE), 8)])
        self.assertEqual(container.end(), container.energy(), "it ends once")

    def test_container_that_rests_has_no_energy_and_an_upper_bound(self) -> None:
        self.serve()
        container = DockerIntegration.monitor_container(RESTING, folder=self.dir, sysfs=self.sysfs)
        self.wait_for(lambda: container.energy().seconds > 2)
        energy = container.end()
        self.assertEqual((energy.joules, energy.low_joules, energy.quality), (None, 0.0, "measured"))
        self.assertGreater(energy.high_joules, 0)

    def test_block_ends_the_job_and_its_error_is_the_one_that_is_raised(self) -> None:
        self.serve()
        with self.assertRaisesRegex(KeyError, "mine"):
            with DockerIntegration.monitor_container(DOCKER, folder=self.dir, sysfs=self.sysfs) as container:
                self.wait_for(lambda: container.energy().joules)
                self.job("end", container.id)
                raise KeyError("mine")
        self.wait_for(lambda: not container.energy().is_running)

    def test_containers_and_pods_are_those_that_the_agent_counts(self) -> None:
        self.serve("--by", "container,pod")
        found: List[Monitored] = []
        self.wait_for(lambda: found.extend(DockerIntegration.containers(folder=self.dir)) or len(found) == 3)
        self.assertEqual({one.id for one in found}, {f"container:{id_[:12]}" for id_ in (DOCKER, IN_POD, RESTING)})
        self.set_env("POD_NAMESPACE", "ml")
        self.set_env("POD_NAME", "train-0")
        for name in ("", "ml/train-0", "train-0", UID):
            pod = KubernetesIntegration.monitor_training_job(name, folder=self.dir)
            self.assertEqual((pod.kind, pod.id, pod.name), ("pod", f"pod:{UID}", "ml/train-0"))
        whole = next(one for one in found if one.id.endswith(DOCKER[:12]))
        self.wait_for(lambda: (pod.energy().joules or 0) > 2 and whole.energy().joules)
        self.assert_known(pod.energy())
        of_pod = pod.energy().joules
        self.assertGreater(whole.energy().joules, 2 * of_pod, "6 tenths of the time against 2")
        self.assertTrue(pod.end().is_running, "a pod goes on")
        for unknown in ("ml/other", "ml"):
            with self.assertRaisesRegex(CarbonTrackingError, "--by pod"):
                KubernetesIntegration.monitor_training_job(unknown, folder=self.dir)
        # All containers have the host name of process 77.
        with self.assertRaisesRegex(CarbonTrackingError, "3 of the containers"):
            DockerIntegration.monitor_container("ml/train-0", folder=self.dir, sysfs=self.sysfs)
        # Over TCP without the token, no consumers are shown.
        with self.assertRaisesRegex(CarbonTrackingError, "no pod 'train-0'"):
            KubernetesIntegration.monitor_training_job("train-0", url=f"http://{self.address}")

    def test_job_of_the_prolog_is_found_and_goes_on_and_without_one_this_process_is_the_job(self) -> None:
        self.serve()
        self.job("begin", "77", "--cgroup", "/slurm/uid_0/job_77", "--label", "account=nlp")
        self.job("begin", "88@n1", "--cgroup", "/slurm/uid_0/job_77")
        self.wait_for(lambda: len(json.loads(self.job("list", "--json"))) == 2)
        with SLURMIntegration.monitor_slurm_job(77, folder=self.dir) as job:
            self.wait_for(lambda: job.energy().joules)
        self.assertEqual((job.id, job.labels, job.energy().is_running), ("77", {"account": "nlp"}, True))
        with mock.patch.dict(os.environ, {"SLURM_JOB_ID": "88", "SLURMD_NODENAME": "n1"}):
            self.assertEqual(SLURMIntegration.monitor_slurm_job(folder=self.dir).id, "88@n1")
        with mock.patch.dict(os.environ, {"SLURM_JOB_ID": "99", "SLURM_JOB_ACCOUNT": "nlp"}):
            with SLURMIntegration.monitor_slurm_job(folder=self.dir) as own:
                self.wait_for(lambda: own.energy().joules)
        self.assert_known(own.energy())
        self.assertEqual((own.name, own.labels, own.energy().is_running), ("99", {"account": "nlp"}, False))
        with self.assertRaisesRegex(CarbonTrackingError, "no job 99 .*prolog"):
            SLURMIntegration.monitor_slurm_job(99, folder=self.dir)
        with self.assertRaisesRegex(CarbonTrackingError, "SLURM_JOB_ID is not set"):
            SLURMIntegration.monitor_slurm_job(folder=self.dir)

    def test_page_shows_requests_and_a_program_that_work(self) -> None:
        page = Path(__file__).parents[2] / "docs" / "node.md"
        if not page.exists() or not shutil.which("curl"):
            self.skipTest("needs curl, and the page: it is not installed")
        blocks = re.findall(r"runs it on another\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S)
        requests, program = (block.replace("/run/eco2", self.dir) for block in blocks)
        self.serve("--by", "container,pod")
        self.wait_for(lambda: len(DockerIntegration.containers(folder=self.dir)) == 3)
        keys = [json.loads(subprocess.run(["sh", "-c", line], check=True, capture_output=True, text=True).stdout)["key"]
                for line in requests.splitlines()]
        self.assertEqual((len(keys), keys[0]), (2, keys[1]))
        self.wait_for(lambda: any(job["id"] == "48213" and job["end_reason"] for job in json.loads(self.job("list", "--json"))))
        self.set_env("ECO2_AGENT", self.dir)
        with printed() as out, mock.patch("builtins.input", self.work), \
                mock.patch.object(integrations, "SYSFS", self.sysfs):
            exec(program, {})
        self.assertRegex(out.getvalue(), r"^\d+\.\d+\nMonitoredEnergy\(joules=\d")

    def test_container_that_is_not_there_is_ambiguous_or_within_another_is_an_error_with_the_remedy(self) -> None:
        with self.assertRaisesRegex(CarbonTrackingError, "eco2 serve"):
            DockerIntegration.monitor_container(DOCKER, folder=self.dir, sysfs=self.sysfs)
        groups = Path(self.sysfs, "fs/cgroup")
        begin = lambda name: DockerIntegration.monitor_container(name, folder=self.dir, sysfs=self.sysfs)  # noqa: E731
        Path(groups, f"kubepods/pod{UID}/{IN_POD}/{OTHER}").mkdir(parents=True)
        Path(groups, f"user.slice/user-1000.slice/docker-{OTHER}.scope").mkdir(parents=True)
        Path(groups, f"machine.slice/libpod-conmon-{OTHER}.scope").mkdir(parents=True)
        with self.assertRaisesRegex(CarbonTrackingError, f"no container {OTHER}"):
            begin(OTHER)
        Path(groups, f"machine.slice/libpod\\x2d{OTHER}.scope").mkdir()
        with self.assertRaisesRegex(CarbonTrackingError, "2 containers have an id that begins with 0123456789ab: give more"):
            begin("0123456789ab")
        self.serve()
        self.assertEqual(begin(OTHER).name, "container-0123456789ab")
        with self.assertRaisesRegex(CarbonTrackingError, "--by container"):
            begin("train")
        with self.assertRaises((ConfigurationError, ValueError)):
            KubernetesIntegration.monitor_training_job("a", token_file="t")

    def test_energy_without_a_sensor_is_none_and_an_estimate_is_called_one(self) -> None:
        for source, quality in (("nvml", "missing"), ("model", "estimated")):
            with self.subTest(source):
                self.dir = str(Path(self.folder, source))
                self.serve("--source", source)
                with DockerIntegration.monitor_container(DOCKER, folder=self.dir, sysfs=self.sysfs) as container:
                    # Without a device there is no sum to wait for.
                    self.work() if source == "nvml" else self.wait_for(lambda: container.energy().joules)
                    energy = container.energy()
                if source == "nvml":
                    self.assertEqual((energy.joules, energy.low_joules, energy.high_joules, energy.quality), (None, 0.0, None, "missing"))
                else:
                    self.assertEqual(energy.quality, quality)
                    self.assertGreater(energy.joules, 0)


if __name__ == "__main__":
    unittest.main()
