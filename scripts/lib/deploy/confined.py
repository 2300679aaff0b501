"""Starts the command exactly as a manifest has it, on a fake sysfs, and reads its metrics.

  confined.py ROOTFS MANIFEST...     ROOTFS: root file system of the image; MANIFEST: what kustomize printed, or a compose file

User, capabilities, `no new privileges`, the read-only root, the seccomp profile, arguments, environment, volumes, limits and the
address of the probes are read from the DaemonSet. runc, the runtime below containerd and Docker, starts the container from them.
"""

import contextlib
import fcntl
import http.client
import json
import os
import re
import secrets
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from fake_node import fake_sysfs

ROOT = Path(__file__).resolve().parents[3]
PROFILES = ROOT / "deploy/kubernetes/seccomp"
# The profile of the packages podman and CRI-O: what RuntimeDefault means there.
RUNTIME_DEFAULT = Path("/usr/share/containers/seccomp.json")
TOKEN = secrets.token_hex(32)
SERVER = "eco2.eco2.svc"


def named(objects, kind):
    """Returns the first object of a kind."""
    return next(each for each in objects if each["kind"] == kind)


def applies(rule, capabilities):
    """Whether a rule of a profile is for a container with these capabilities on this kind of processor."""
    def matches(conditions):
        caps, arches = conditions.get("caps"), conditions.get("arches")
        return (not caps or set(caps) <= capabilities) and (not arches or {"amd64", "x86_64"} & set(arches))

    included, excluded = rule.get("includes") or {}, rule.get("excludes") or {}
    return matches(included) and not (excluded and matches(excluded))


def seccomp(profile, capabilities):
    """Returns a profile as the runtime takes it."""
    rules = []
    for rule in profile["syscalls"]:
        if applies(rule, capabilities):
            rules.append({key: rule[key] for key in ("names", "action", "errnoRet", "args") if rule.get(key)})
    architectures = [each["architecture"] for each in profile["archMap"] if each["architecture"] == "SCMP_ARCH_X86_64"]
    return {"defaultAction": profile["defaultAction"], "defaultErrnoRet": profile.get("defaultErrnoRet", 1),
            "architectures": architectures, "syscalls": rules}


def profile_of(context):
    """Returns the seccomp profile that a security context names."""
    wanted = context["seccompProfile"]
    if wanted["type"] == "Localhost":
        return json.loads((PROFILES / wanted["localhostProfile"]).read_text())
    assert wanted["type"] == "RuntimeDefault", wanted
    return json.loads(RUNTIME_DEFAULT.read_text())


def secret_files(folder):
    """Writes a token, and a certificate that signs itself, with the mode that the manifest's volumes give them."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={SERVER}", "-addext",
                    f"subjectAltName=DNS:{SERVER}", "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", folder / "tls.key",
                    "-out", folder / "tls.crt"], check=True, stderr=subprocess.DEVNULL)
    (folder / "token").write_text(TOKEN + "\n")


def amount(text):
    """Returns a number of Kubernetes, such as 200m or 128Mi."""
    units = {"m": 1e-3, "Mi": 2**20, "Gi": 2**30}
    unit = next((unit for unit in units if text.endswith(unit)), "")
    return float(text.removesuffix(unit)) * units.get(unit, 1)


def resources(limits):
    """Returns limits of memory and CPU time as the runtime takes them."""
    period = 100_000
    return {"memory": {"limit": int(amount(limits["memory"]))}, "cpu": {"period": period, "quota": int(amount(limits["cpu"]) * period)}}


def mounts_of(container, folders):
    """Returns the mounts of a container; `folders` has the folder of each volume."""
    fixed = [{"destination": "/proc", "type": "proc", "source": "proc"},
             {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
             # As runtimes mount it, where the counters are hidden.
             {"destination": "/sys", "type": "tmpfs", "source": "tmpfs", "options": ["ro"]}]
    for mount in sorted(container["volumeMounts"], key=lambda each: each["mountPath"].count("/")):
        options = ["rbind", "ro" if mount.get("readOnly") else "rw"]
        fixed.append({"destination": mount["mountPath"], "type": "bind", "source": str(folders[mount["name"]]), "options": options})
    return fixed


def configuration(objects, folders, rootfs):
    """Returns the runtime's configuration of the DaemonSet's container."""
    pod = named(objects, "DaemonSet")["spec"]["template"]["spec"]
    [container] = pod["containers"]
    context = container["securityContext"]
    assert context["capabilities"]["drop"] == ["ALL"], context
    capabilities = {f"CAP_{name}" for name in context["capabilities"]["add"]}
    names = {source["configMapRef"]["name"] for source in container.get("envFrom", [])}
    environment = {key: value for each in objects if each["kind"] == "ConfigMap" and each["metadata"]["name"] in names
                   for key, value in each["data"].items()}
    environment |= {each["name"]: each["value"] for each in container.get("env", [])}
    # Kubernetes gives a user other than 0 no ambient capabilities.
    effective = sorted(capabilities) if context["runAsUser"] == 0 else []
    bounded = sorted(capabilities)
    namespaces = ["mount", "ipc", "uts"] + ([] if pod.get("hostPID") else ["pid"])
    return {
        "ociVersion": "1.0.2", "hostname": "node",
        "root": {"path": str(rootfs), "readonly": context["readOnlyRootFilesystem"]},
        "mounts": mounts_of(container, folders),
        "process": {
            "user": {"uid": context["runAsUser"], "gid": context["runAsGroup"]}, "cwd": "/",
            "args": ["/usr/bin/eco2", *container["args"]], "env": [f"{key}={value}" for key, value in environment.items()],
            "capabilities": {"bounding": bounded, "effective": effective, "permitted": effective, "inheritable": [], "ambient": []},
            "noNewPrivileges": not context["allowPrivilegeEscalation"],
        },
        "linux": {"cgroupsPath": f"/eco2-check-{os.getpid()}", "resources": resources(container["resources"]["limits"]), "namespaces": [{"type": each} for each in namespaces], "seccomp": seccomp(profile_of(context), capabilities)},
    }


def volume_folders(objects, scratch, sysfs):
    """Makes a folder for each volume and returns them by name."""
    folders = {}
    for volume in named(objects, "DaemonSet")["spec"]["template"]["spec"]["volumes"]:
        folder = scratch / volume["name"]
        if volume.get("hostPath", {}).get("path") == "/sys":
            folders[volume["name"]] = sysfs
            continue
        folder.mkdir()
        # As kubelet makes them: an empty folder is everyone's, a missing one of the host is user 0's.
        folder.chmod(volume.get("mode", 0o777 if "emptyDir" in volume else 0o755))
        if "secret" in volume:
            secret_files(folder)
            for file in folder.iterdir():
                file.chmod(volume["secret"]["defaultMode"])
        folders[volume["name"]] = folder
    return folders


def loopback_up():
    """Turns on the loopback interface, which is off in a new network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        # SIOCSIFFLAGS with IFF_UP and IFF_RUNNING.
        fcntl.ioctl(one, 0x8914, struct.pack("16sh22x", b"lo", 0x41))


def client(scheme, certificate):
    """Returns a function that reads a path of the agent and returns status and text, under the name and certificate of the service."""
    context = ssl.create_default_context(cafile=certificate) if scheme == "HTTPS" else None

    def read(path, token=None, host="127.0.0.1"):
        connection = http.client.HTTPConnection("127.0.0.1", 9862, timeout=5)
        try:
            connection.sock = socket.create_connection(("127.0.0.1", 9862), timeout=5)
            if context:
                connection.sock = context.wrap_socket(connection.sock, server_hostname=SERVER)
            connection.request("GET", path, headers={"Host": f"{host}:9862", **({"Authorization": f"Bearer {token}"} if token else {})})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException):
            return 0, ""
        finally:
            connection.close()
    return read


def energy_of_a_job(socket_path, read):
    """Begins a job of this machine over the agent's socket, waits, and returns its energy, joules: None where the metrics have none."""
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        body = json.dumps({"id": "check", "pid": busy.pid})
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(socket_path))
        connection.request("POST", "/api/v1/jobs", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert answer.status < 300, (answer.status, answer.read())
        for _ in range(50):
            time.sleep(0.2)
            found = re.search(r'^eco2_run_energy_joules_total\{run="check"\} (\S+)$', read("/metrics", TOKEN)[1], re.M)
            if found and float(found[1]) > 1:
                return float(found[1])
        return None
    finally:
        busy.kill()
        busy.wait()


def status_of(pid):
    """Returns what the kernel states of a process."""
    lines = (line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {line[0]: line[1] for line in lines if len(line) == 2}


@contextlib.contextmanager
def container(config, scratch):
    """Runs a container while the context is open and yields the id of its process."""
    bundle = scratch / "bundle"
    bundle.mkdir()
    (bundle / "config.json").write_text(json.dumps(config))
    name = f"eco2-check-{os.getpid()}"
    runtime = ["runc", "--root", str(scratch / "runc")]
    log = (scratch / "log").open("w")
    process = subprocess.Popen([*runtime, "run", "--bundle", bundle, name], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    def end(signal):
        subprocess.run([*runtime, "kill", name, signal], stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            state = subprocess.run([*runtime, "state", name], capture_output=True, text=True)
            if state.returncode == 0 and json.loads(state.stdout)["status"] == "running" or process.poll() is not None:
                break
            time.sleep(0.1)
        if process.poll() is not None:
            raise AssertionError(f"the container ended: {(scratch / 'log').read_text()}")
        yield json.loads(state.stdout)["pid"]
        end("TERM")
        assert process.wait(20) == 0, (process.returncode, (scratch / "log").read_text())
    finally:
        if process.poll() is None:
            end("KILL")
            process.wait(20)
        log.close()


def from_compose(service):
    """Returns the objects of Kubernetes that mean what a service of a compose file does."""
    uid, gid = (int(part) for part in service["user"].split(":"))
    profile = next(each.partition("=")[2] for each in service["security_opt"] if each.startswith("seccomp="))
    run, _, options = service["tmpfs"][0].partition(":")
    mounts = [{"name": "run", "mountPath": run}, {"name": "token", "mountPath": "/run/secrets", "readOnly": True}]
    volumes = [{"name": "run", "emptyDir": {}, "mode": int(re.search(r"mode=(\d+)", options)[1], 8)},
               {"name": "token", "secret": {"defaultMode": 0o600}}]
    for volume in service["volumes"]:
        mounts.append({"name": "sys", "mountPath": volume["target"], "readOnly": volume["read_only"]})
        volumes.append({"name": "sys", "hostPath": {"path": volume["source"]}})
    context = {"runAsUser": uid, "runAsGroup": gid, "allowPrivilegeEscalation": "no-new-privileges:true" not in service["security_opt"],
               "readOnlyRootFilesystem": service["read_only"], "capabilities": {"drop": service["cap_drop"], "add": service["cap_add"]},
               "seccompProfile": {"type": "Localhost", "localhostProfile": Path(profile).name}}
    probe = {"httpGet": {"path": "/ready", "scheme": "HTTP"}}
    container = {"name": "eco2", "args": service["command"], "securityContext": context, "volumeMounts": mounts,
                 "resources": {"limits": {"cpu": str(service["cpus"]), "memory": service["mem_limit"].upper() + "i"}},
                 "startupProbe": probe, "livenessProbe": probe, "readinessProbe": probe}
    return [{"kind": "DaemonSet", "spec": {"template": {"spec": {"containers": [container], "volumes": volumes}}}}]


def objects_of(manifest):
    """Returns the objects in a manifest or a compose file."""
    documents = [each for each in yaml.safe_load_all(Path(manifest).read_text()) if each]
    return from_compose(documents[0]["services"]["eco2"]) if "services" in documents[0] else documents


def check(manifest, rootfs, change=lambda config: None):
    """Runs one manifest and checks what it does.

    Args:
        manifest: file with the objects.
        rootfs: root file system of the image.
        change: changes the configuration, to see a check fail.
    """
    objects = objects_of(manifest)
    pod = named(objects, "DaemonSet")["spec"]["template"]["spec"]
    probes = {name: pod["containers"][0][name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    scratch = Path(tempfile.mkdtemp())
    try:
        with fake_sysfs(scratch / "fake") as sysfs:
            folders = volume_folders(objects, scratch, sysfs)
            config = configuration(objects, folders, rootfs)
            change(config)
            read = client(probes["readinessProbe"]["scheme"], folders.get("tls", scratch) / "tls.crt")
            with container(config, scratch) as pid:
                for _ in range(150):
                    if read(probes["startupProbe"]["path"])[0] == 200:
                        break
                    time.sleep(0.2)
                codes = {name: read(probe["path"])[0] for name, probe in probes.items()}
                assert set(codes.values()) == {200}, (codes, (scratch / "log").read_text())
                kernel = status_of(pid)
                assert kernel["NoNewPrivs"] == "1" and kernel["Seccomp"] == "2", kernel
                assert int(kernel["CapEff"], 16) == int(kernel["CapBnd"], 16) == 1 << 38, "no capability but CAP_PERFMON"
                secured = any(argument.startswith("--token-file") for argument in pod["containers"][0]["args"])
                time.sleep(2.5)
                host = next(argument.removeprefix("--host=") for argument in pod["containers"][0]["args"] if argument.startswith("--host="))
                # Prometheus and the kubelet name the pod's address, other clients the service.
                asked = {name: read("/metrics", TOKEN if secured else None, name)[0] for name in ("127.0.0.1", host, "elsewhere.example")}
                assert asked == {"127.0.0.1": 200, host: 200, "elsewhere.example": 421}, asked
                _, page = read("/metrics", TOKEN if secured else None, host)
                if secured:
                    assert read("/metrics")[0] in (401, 403), "metrics need the token"
                energy = 'eco2_energy_joules_total{component="cpu",device="package-0"} '
                joules = float(next(line for line in page.splitlines() if line.startswith(energy)).removeprefix(energy))
                assert 5 < joules < 2000 and 'source="rapl_sysfs",quality="measured"' in page, page
                published = folders["folder"] if "folder" in folders else folders["run"] / "eco2"
                files = {file.name for file in published.iterdir()}
                job = ""
                if pod.get("hostPID"):
                    used = energy_of_a_job(published / "eco2.sock", read)
                    assert used, "a job of the node has no energy"
                    job = f", {used:.1f} J of a job of the node"
                peak = int(status_of(pid)["VmHWM"].split()[0]) / 1024
                assert {"page", "page.fine", "journal.json", "eco2.sock"} <= files, files
        print(f"ok: {Path(manifest).stem}: user {config['process']['user']['uid']}, {', '.join(config['process']['capabilities']['bounding'])}, "
              f"{pod['containers'][0]['securityContext']['seccompProfile']['type']}, read-only root: {joules:.1f} J served{job}, "
              f"{len(files)} files published, {peak:.0f} MiB of memory at most")
    finally:
        shutil.rmtree(scratch)


def fails(what, manifest, rootfs, change):
    """Checks that a changed configuration is noticed."""
    try:
        check(manifest, rootfs, change)
    except AssertionError as error:
        print(f"ok: fails with {what}: {str(error).splitlines()[0][:100]}")
        return
    sys.exit(f"the check takes a container with {what}: it checks nothing")


def main(rootfs, *manifests):
    """Checks every manifest; then that changed ones fail."""
    loopback_up()
    for manifest in manifests:
        check(manifest, rootfs)
    def without_user(config):
        config["process"]["user"] = {"uid": 65532, "gid": 65532}
    def more_rights(config):
        for kind in ("bounding", "effective", "permitted"):
            config["process"]["capabilities"][kind].append("CAP_SYS_ADMIN")
    def no_sockets(config):
        for rule in config["linux"]["seccomp"]["syscalls"]:
            rule["names"] = [name for name in rule["names"] if name != "listen"]
    def nowhere_to_write(config):
        config["mounts"] = [mount for mount in config["mounts"] if not mount["destination"].startswith("/run")]
    def own_processes(config):
        config["linux"]["namespaces"].append({"type": "pid"})
    shared = [manifest for manifest in manifests if named(objects_of(manifest), "DaemonSet")["spec"]["template"]["spec"].get("hostPID")]
    for manifest in shared:
        fails("its own processes only", manifest, rootfs, own_processes)
    for what, change in {"another user": without_user, "more rights": more_rights, "no call to listen": no_sockets,
                         "nowhere to write": nowhere_to_write}.items():
        fails(what, manifests[-1], rootfs, change)


if __name__ == "__main__":
    main(*sys.argv[1:])
