#!/usr/bin/env python3
"""A bare Kubernetes API server and Helm 3 and 4 for tests, all built from Go modules.

usage: build-support/cluster/throwaway.py build
       build-support/cluster/throwaway.py run COMMAND [ARGUMENT...]

`build` puts the programs into ~/.cache/moodle-platform/cluster; what is there already is kept, so a killed build goes
on where it was. It needs Go, and apt-get for etcd where that isn't installed: some 20 minutes of one core, once.
`run` starts etcd and the API server on loopback, with everything they write in a temporary folder, runs COMMAND with
KUBECONFIG, HELM3 and HELM4 set, ends them, and exits with COMMAND's code. CLUSTER_KUBECONFIG is set, too: by it a test
knows that the cluster may be written to. No controllers run: a Deployment never becomes ready there.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
KUBERNETES = "1.34.4"
HELM = ("3.22.0", "4.3.1")
SYMBOL = "k8s.io/component-base/version.gitVersion"
READY = 120


def cache() -> Path:
    """Return the folder that the programs are kept in."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "moodle-platform" / "cluster"


def apiserver() -> Path:
    """Return where kube-apiserver is, or will be."""
    return cache() / f"kube-apiserver-{KUBERNETES}"


def helm(version: str) -> Path:
    """Return where that Helm is, or will be."""
    return cache() / f"helm-{version}"


def etcd() -> Path | None:
    """Return etcd: the one on PATH, or the one unpacked from Debian's package."""
    found = shutil.which("etcd") or shutil.which("etcd", path=str(cache() / "etcd" / "usr" / "bin"))
    return Path(found) if found else None


def build() -> None:
    """Build what isn't there; only one process at a time does."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if etcd() is None:
            unpack_etcd()
        for version in HELM:
            if not helm(version).exists():
                build_helm(version)
        if not apiserver().exists():
            build_apiserver()


def unpack_etcd() -> None:
    """Unpack Debian's etcd-server into the cache: installed, it would start a service."""
    with tempfile.TemporaryDirectory(dir=cache()) as folder:
        subprocess.run(["apt-get", "download", "etcd-server"], cwd=folder, check=True)
        (package,) = Path(folder).glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", str(package), f"{folder}/unpacked"], check=True)
        Path(folder, "unpacked").rename(cache() / "etcd")


def build_helm(version: str) -> None:
    """Build one Helm."""
    major = version.partition(".")[0]
    stamp = f"helm.sh/helm/v{major}/internal/version.version=v{version}"
    with tempfile.TemporaryDirectory(dir=cache()) as folder:
        go("install", "-ldflags", f"-s -w -X {stamp}", f"helm.sh/helm/v{major}/cmd/helm@v{version}", bin_folder=folder)
        Path(folder, "helm").rename(helm(version))


def build_apiserver() -> None:
    """Build kube-apiserver from the module beside this file, whose go.sum holds every checksum."""
    with tempfile.TemporaryDirectory(dir=cache()) as folder:
        built = Path(folder, "kube-apiserver")
        go("build", "-mod=readonly", "-ldflags", f"-s -w -X {SYMBOL}=v{KUBERNETES}", "-o", str(built), ".")
        built.rename(apiserver())


def go(verb: str, *arguments: str, bin_folder: str = "") -> None:
    """Run Go with the toolchain that is installed, out of the way of what else the machine does."""
    environment = {**os.environ, "GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"}
    if bin_folder:
        environment["GOBIN"] = bin_folder
    module = HERE / "kube-apiserver"
    subprocess.run(["nice", "go", verb, "-trimpath", *arguments], cwd=module, env=environment, check=True)


def free_port() -> int:
    """Return a port of loopback that nothing listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


@contextlib.contextmanager
def started(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server while inside; it ends with this process, however that ends."""
    tied = ["setpriv", "--pdeathsig=KILL", *command]
    with log.open("wb") as out:
        process = subprocess.Popen(tied, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def etcd_command(program: Path, folder: Path, port: int, peer: int) -> list[str]:
    """Return how etcd is started: one member, on loopback, which need not survive a power cut."""
    client, other = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer}"
    return [
        str(program),
        f"--data-dir={folder / 'etcd'}",
        "--unsafe-no-fsync",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={other}",
        f"--initial-advertise-peer-urls={other}",
        f"--initial-cluster=default={other}",
    ]


def apiserver_command(folder: Path, port: int, etcd_port: int) -> list[str]:
    """Return how the API server is started; it makes its own serving certificate."""
    return [
        str(apiserver()),
        f"--etcd-servers=http://127.0.0.1:{etcd_port}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={folder / 'certificates'}",
        f"--token-auth-file={folder / 'tokens.csv'}",
        "--authorization-mode=RBAC",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={folder / 'accounts.key'}",
        f"--service-account-signing-key-file={folder / 'accounts.key'}",
        "--disable-admission-plugins=ServiceAccount",
        "--endpoint-reconciler-type=none",
    ]


def kubeconfig(folder: Path, port: int, token: str) -> Path:
    """Write the kubeconfig of the administrator and return its path."""
    path = folder / "kubeconfig"
    path.touch(mode=0o600)
    certificate = folder / "certificates" / "apiserver.crt"
    cluster = f"{{server: 'https://127.0.0.1:{port}', certificate-authority: '{certificate}'}}"
    path.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: test\n"
        f"clusters: [{{name: test, cluster: {cluster}}}]\n"
        f"users: [{{name: admin, user: {{token: '{token}'}}}}]\n"
        "contexts: [{name: test, context: {cluster: test, user: admin}}]\n"
    )
    return path


def wait_ready(config: Path, server: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the API server says that it is ready, and the default namespace is there."""
    end = time.monotonic() + READY
    asked = ["kubectl", "--kubeconfig", str(config), "get", "--raw"]
    while time.monotonic() < end and server.poll() is None:
        paths = ("/readyz", "/api/v1/namespaces/default")
        if all(subprocess.run([*asked, path], capture_output=True, check=False).returncode == 0 for path in paths):
            return
        time.sleep(0.3)
    sys.exit(f"cluster: the API server is not ready; the end of its log:\n{log.read_text(errors='replace')[-3000:]}")


def run(command: Sequence[str]) -> int:
    """Run `command` beside an API server and return its exit code."""
    program = etcd()
    missing = [path.name for path in (apiserver(), *map(helm, HELM)) if not path.exists()]
    if program is None or missing:
        sys.exit(f"cluster: {', '.join(missing) or 'etcd'} isn't there: run `{sys.argv[0]} build` first")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="cluster-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        token = secrets.token_hex(16)
        accounts = ["openssl", "genrsa", "-out", str(folder / "accounts.key"), "2048"]
        subprocess.run(accounts, check=True, capture_output=True)
        (folder / "tokens.csv").touch(mode=0o600)
        (folder / "tokens.csv").write_text(f"{token},admin,admin,system:masters\n")
        etcd_port, peer, port = free_port(), free_port(), free_port()
        stack.enter_context(started(etcd_command(program, folder, etcd_port, peer), folder / "etcd.log"))
        log = folder / "apiserver.log"
        server = stack.enter_context(started(apiserver_command(folder, port, etcd_port), log))
        config = kubeconfig(folder, port, token)
        wait_ready(config, server, log)
        programs = {f"HELM{version[0]}": str(helm(version)) for version in HELM}
        return subprocess.run(
            command,
            env={**os.environ, "KUBECONFIG": str(config), "CLUSTER_KUBECONFIG": str(config), **programs},
            check=False,
        ).returncode


def main(arguments: Sequence[str]) -> int:
    """Do what the arguments say and return the exit code."""
    if list(arguments) == ["build"]:
        build()
        return 0
    if len(arguments) > 1 and arguments[0] == "run":
        return run(arguments[1:])
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
