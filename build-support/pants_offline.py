"""Runs PyPI's newest Pants on this repository, with nothing downloaded from elsewhere.

Called as `python build-support/pants_offline.py PYTHON [PANTS-ARGUMENT...]`, where PYTHON is a CPython 3.7 to
3.9, the only ones that this Pants runs on. The first time it installs what pants-offline.lock names into the
cache folder and builds the pex that Pants would download. An overlay for pants.toml says where that pex is.
Pants then replaces this process.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "build-support" / "pants-offline.lock"
OVERLAY_FOLDER = ROOT / ".pants.offline"
PIP_OPTIONS = ("--quiet", "--disable-pip-version-check", "--no-input")

OVERLAY = """\
# Written by build-support/pants_offline.py for this machine.
[GLOBAL]
pants_version = "{pants}"

[GLOBAL.backend_packages]
add = ["pants.backend.experimental.python.lint.ruff"]
remove = [
  "pants.backend.experimental.python.lint.ruff.check",
  "pants.backend.experimental.python.lint.ruff.format",
]

[lint]
skip_fixers = true

[ruff]
args = ["check"]

[pex-cli]
version = "v{pex}"
url_template = "file://%(buildroot)s/.pants.offline/pex"
known_versions = ["v{pex}|{platform}|{digest}|{length}"]
"""


def main(arguments: list[str]) -> None:
    """Prepare what is missing, then hand over to Pants."""
    interpreter, *goals = arguments
    folder = prepare(interpreter)
    environment = os.environ | {"PANTS_CONFIG_FILES": f"+['{write_overlay(folder / 'pex')}']"}
    program = folder / "bin" / "pants"
    os.execve(program, [str(program), "--no-pantsd", *goals], environment)


def prepare(interpreter: str) -> Path:
    """Return the folder of a Pants installation: the one made earlier from the same lock, or a new one."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "moodle-platform"
    key = hashlib.sha256(LOCK.read_bytes() + os.fsencode(Path(interpreter).resolve())).hexdigest()[:12]
    folder = cache / f"pants-{pinned('pantsbuild-pants')}-{key}"
    if (folder / "pex").exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    print(f"pants: installing {pinned('pantsbuild-pants')} into {folder}", flush=True)
    run(interpreter, "-m", "venv", str(folder))
    run(str(folder / "bin" / "pip"), "install", *PIP_OPTIONS, "--require-hashes", "--requirement", str(LOCK))
    requirement = folder / "pex.lock"
    requirement.write_text(entry("pex"))
    unfinished = folder / "pex.unfinished"
    make = [str(folder / "bin" / "pex"), "--requirement", str(requirement), "--script", "pex"]
    run(*make, "--output-file", str(unfinished))
    unfinished.rename(folder / "pex")
    return folder


def write_overlay(pex: Path) -> Path:
    """Write the overlay and, beside it, the pex that it names; return the overlay's path."""
    OVERLAY_FOLDER.mkdir(exist_ok=True)
    content = pex.read_bytes()
    (OVERLAY_FOLDER / "pex").write_bytes(content)
    overlay = OVERLAY_FOLDER / "pants.offline.toml"
    overlay.write_text(
        OVERLAY.format(
            pants=pinned("pantsbuild-pants"),
            pex=pinned("pex"),
            platform=pants_platform(),
            digest=hashlib.sha256(content).hexdigest(),
            length=len(content),
        )
    )
    return overlay


def pants_platform() -> str:
    """Return this machine's name as Pants writes it in `known_versions`."""
    system = {"Linux": "linux", "Darwin": "macos"}[platform.system()]
    machine = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine()]
    return f"{system}_{machine}"


def entry(name: str) -> str:
    """Return the lock's lines for one package: its version and its hashes."""
    found = re.search(rf"^{name}==[^#]*", LOCK.read_text(), re.MULTILINE)
    if found is None:
        sys.exit(f"pants: {LOCK} names no {name}: `./dev nox -s lock` writes it")
    return found.group().rstrip() + "\n"


def pinned(name: str) -> str:
    """Return the version that the lock names for the package."""
    return entry(name).split()[0].partition("==")[2]


def run(*command: str) -> None:
    """Run the command; end with its exit code when it fails."""
    code = subprocess.run(command, check=False).returncode
    if code != 0:
        sys.exit(f"pants: exit code {code} from: {' '.join(command)}")


if __name__ == "__main__":
    main(sys.argv[1:])
