#!/usr/bin/env python3
"""What tests with containers need, on a Debian machine that has no engine or reaches no image registry.

usage: build-support/engine.py [--home FOLDER] up | down
       build-support/engine.py [--home FOLDER] run COMMAND [ARGUMENT...]

`up` starts an engine where none answers, with BuildKit in it, and makes `debian:trixie-slim` where it can't be pulled;
it prints the variables under which they are used, for `eval`. `down` stops what `up` started and keeps the images.
`run` does `up`, runs COMMAND with those variables, does `down`, and exits with COMMAND's code. Where an engine answers
already, that one is used and left running.

The engine, its client with buildx and Compose, a registry (docker-registry) and cosign are Debian 13's, unpacked into
FOLDER (~/.cache/moodle-platform/containers) and run from there; nothing of Debian 13 is installed. What is lacking of
iptables, runc and mmdebstrap is installed from the machine's own Debian. FOLDER is safe to delete when all is down.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import io
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SUITE = "trixie"
BASE = f"debian:{SUITE}-slim"
MIRROR = "http://deb.debian.org/debian"
PACKAGES = (
    "containerd",
    "cosign",
    "docker-buildx",
    "docker-cli",
    "docker-compose",
    "docker-registry",
    "docker.io",
    "tini",
)
OWN = {"iptables": "iptables", "mmdebstrap": "mmdebstrap", "runc": "runc"}
EPOCH = "1767225600"
IMAGE_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MADE = "moodle-platform.base"
"""The label of a base image that was made here."""
DAILY = {"RELEASE_IMAGE_BASE": BASE, "RELEASE_IMAGE_SNAPSHOT": "none"}
"""What lets `release image build` begin with that base and take the packages of the day."""
SLIM = (
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/doc/*",
    "path-exclude=/usr/share/locale/*",
    "path-include=/usr/share/doc/*/copyright",
)
SYSTEM_FOLDERS = "/usr/sbin:/sbin"
READY_SECONDS = 60
STOP_SECONDS = 30


class NoEngine(Exception):
    """There can be no engine here; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Home:
    """The folder of an engine of our own, and what is where in it."""

    root: Path

    @property
    def programs(self) -> Path:
        """Debian's packages, unpacked."""
        return self.root / f"debian-{key(SUITE, *PACKAGES)}"

    @property
    def base(self) -> Path:
        """The base image as `docker load` takes it."""
        return self.root / f"{SUITE}-{key(SUITE, EPOCH, MADE, *SLIM)}.tar"

    @property
    def runtime(self) -> Path:
        """The folder of sockets and process numbers: short, because the path of a socket has to be."""
        return Path("/run") / f"moodle-platform-{key(str(self.root))}"

    @property
    def socket(self) -> Path:
        """The engine's socket."""
        return self.runtime / "docker.sock"

    @property
    def process(self) -> Path:
        """The file in which the engine keeps its process number."""
        return self.runtime / "docker.pid"

    @property
    def kept(self) -> Path:
        """The file that is there while `up` keeps the engine up for others."""
        return self.runtime / "kept"

    @property
    def log(self) -> Path:
        """The engine's log."""
        return self.root / "engine.log"

    def environment(self) -> dict[str, str]:
        """Return the variables under which this engine and its tools are used."""
        folders = [self.programs / "usr" / "bin", self.programs / "usr" / "sbin"]
        return {
            "DOCKER_HOST": f"unix://{self.socket}",
            "DOCKER_CONFIG": str(self.root / "client"),
            "PATH": os.pathsep.join([*map(str, folders), os.environ.get("PATH", os.defpath), SYSTEM_FOLDERS]),
        }


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say and return the exit code."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, default=caches / "moodle-platform" / "containers", metavar="FOLDER")
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("up", help="start what is lacking and print its variables")
    actions.add_parser("down", help="stop what `up` started")
    actions.add_parser("run", help="run a command beside it").add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args(arguments)
    if options.action == "run" and not options.command:
        parser.error("run: name a command")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    home = Home(options.home.resolve())
    try:
        match options.action:
            case "up":
                for name, value in up(home, keep=True).items():
                    print(f"export {name}={shlex.quote(value)}")
            case "down":
                down(home)
            case _:
                return run(home, options.command)
    except NoEngine as error:
        print(f"containers: {error}", file=sys.stderr)
        return 2
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip() if error.stderr else ""
        print(f"containers: {shlex.join(error.cmd)}: exit code {error.returncode}\n{said}".rstrip(), file=sys.stderr)
        return 2
    return 0


def run(home: Home, command: Sequence[str]) -> int:
    """Run `command` beside an engine and return its exit code; the last of several ends an engine that none kept up."""
    home.root.mkdir(parents=True, exist_ok=True)
    with (home.root / "users").open("w") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        try:
            return subprocess.run(command, env={**os.environ, **up(home)}, check=False).returncode
        finally:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if running(home) and not home.kept.exists():
                    down(home)


def up(home: Home, *, keep: bool = False) -> dict[str, str]:
    """See to it that an engine answers and has the base image; return the variables that are needed to use it."""
    theirs = answers({})
    environment = {} if theirs else home.environment()
    if theirs:
        say(f"engine {theirs} answers already")
        if not has_base({}):
            prepare(home)
    else:
        prepare(home)
        with (home.root / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if running(home) is None:
                start(home)
        if keep:
            home.kept.touch()
    if not has_base(environment):
        load_base(home, environment)
    return environment | DAILY if is_made(environment) else environment


def down(home: Home) -> None:
    """Stop the engine that :func:`start` started, if it runs."""
    home.kept.unlink(missing_ok=True)
    engine = running(home)
    if engine is None:
        say("no engine of ours runs")
        return
    os.kill(engine, signal.SIGTERM)
    end = time.monotonic() + STOP_SECONDS
    while running(home) and time.monotonic() < end:
        time.sleep(0.1)
    if running(home):
        os.kill(engine, signal.SIGKILL)
        raise NoEngine(f"the engine had to be killed: {tail(home.log)}")
    say("the engine is stopped")


def answers(environment: Mapping[str, str]) -> str | None:
    """Return the version of the engine that answers under these variables, or nothing."""
    client = shutil.which("docker", path=environment.get("PATH"))
    if client is None:
        return None
    command = [client, "version", "--format", "{{.Server.Version}}"]
    done = subprocess.run(command, env={**os.environ, **environment}, check=False, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def has_base(environment: Mapping[str, str]) -> bool:
    """Tell whether the engine has the base image, or can pull it."""
    client = shutil.which("docker", path=environment.get("PATH")) or "docker"
    return any(
        subprocess.run(command, env={**os.environ, **environment}, check=False, capture_output=True).returncode == 0
        for command in ([client, "image", "inspect", BASE], [client, "pull", "--quiet", BASE])
    )


def is_made(environment: Mapping[str, str]) -> bool:
    """Tell whether the engine's base image is one that :func:`make_base` made."""
    client = shutil.which("docker", path=environment.get("PATH")) or "docker"
    command = [client, "image", "inspect", "--format", f'{{{{index .Config.Labels "{MADE}"}}}}', BASE]
    done = subprocess.run(command, env={**os.environ, **environment}, check=False, capture_output=True, text=True)
    return done.stdout.strip() == SUITE


def prepare(home: Home) -> None:
    """Install and unpack what is lacking; only one process at a time does."""
    lacking = sorted(package for program, package in OWN.items() if not shutil.which(program, path=search_path()))
    if os.geteuid() != 0:
        raise NoEngine(f"no engine answers that has or can pull {BASE}, and only root can start or fill one here")
    if not shutil.which("apt-get"):
        raise NoEngine(f"no engine answers that has or can pull {BASE}, and this machine isn't a Debian: start Docker")
    home.root.mkdir(parents=True, exist_ok=True)
    with (home.root / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if lacking:
            say(f"installing {', '.join(lacking)}")
            quiet("apt-get", "update", "-qq")
            quiet("apt-get", "install", "-y", "-qq", "--no-install-recommends", *lacking)
        if not home.programs.exists():
            unpack(home)
        if not home.base.exists():
            make_base(home)


def unpack(home: Home) -> None:
    """Unpack Debian 13's packages; apt checks their signatures with the machine's own Debian keys."""
    say(f"fetching {', '.join(PACKAGES)} of Debian's {SUITE}")
    with scratch(home) as folder:
        (folder / "sources.list").write_text(f"deb {MIRROR} {SUITE} main\n")
        (folder / "lists" / "partial").mkdir(parents=True)
        (folder / "apt.conf").write_text(
            f'Dir::Etc::sourcelist "{folder}/sources.list"; Dir::Etc::sourceparts "-"; Acquire::Languages "none";\n'
            f'Dir::State::lists "{folder}/lists"; Dir::State::status "/dev/null"; Dir::Cache "{folder}";\n'
            'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false"; APT::Sandbox::User "root";\n'
        )
        apart = {"APT_CONFIG": str(folder / "apt.conf")}
        quiet("apt-get", "update", "-qq", environment=apart)
        quiet("apt-get", "download", "-qq", *PACKAGES, folder=folder, environment=apart)
        unpacked = folder / "unpacked"
        for package in sorted(folder.glob("*.deb")):
            quiet("dpkg-deb", "--extract", str(package), str(unpacked))
        plugins = home.root / "client" / "cli-plugins"
        plugins.mkdir(parents=True, exist_ok=True)
        for plugin in (unpacked / "usr" / "libexec" / "docker" / "cli-plugins").iterdir():
            link = plugins / plugin.name
            link.unlink(missing_ok=True)
            link.symlink_to(home.programs / plugin.relative_to(unpacked))
        unpacked.rename(home.programs)


def make_base(home: Home) -> None:
    """Make the base image of Debian's packages, as small as the public one: the same packages give the same bytes."""
    say(f"making {BASE} of Debian's packages")
    with scratch(home) as folder:
        layer = folder / "layer.tar"
        options = [f"--dpkgopt={option}" for option in SLIM]
        quiet(
            *("mmdebstrap", "--quiet", "--variant=minbase", *options, SUITE, str(layer)),
            environment={"SOURCE_DATE_EPOCH": EPOCH},
        )
        archive = folder / "image.tar"
        write_image(layer, archive)
        archive.rename(home.base)


def write_image(layer: Path, archive: Path) -> None:
    """Write an image of one layer as `docker load` takes it."""
    digest = hashlib.sha256(layer.read_bytes()).hexdigest()
    architecture = subprocess.run(["dpkg", "--print-architecture"], check=True, capture_output=True, text=True).stdout
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(EPOCH)))
    config = json.dumps({
        "architecture": architecture.strip(), "os": "linux", "created": created,
        "config": {"Cmd": ["bash"], "Env": [IMAGE_PATH], "Labels": {MADE: SUITE}},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        "history": [{"created": created, "created_by": f"mmdebstrap {SUITE}"}],
    }).encode()  # fmt: skip
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = json.dumps([{"Config": name, "RepoTags": [BASE], "Layers": ["layer.tar"]}]).encode()
    with tarfile.open(archive, "w") as tar:
        for member, content in ((name, config), ("manifest.json", manifest)):
            entry = tarfile.TarInfo(member)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        tar.add(layer, "layer.tar")


def load_base(home: Home, environment: Mapping[str, str]) -> None:
    """Give the engine the base image."""
    quiet("docker", "load", "--quiet", "--input", str(home.base), environment=environment)
    say(f"{BASE} is made of Debian's packages")


def start(home: Home) -> None:
    """Start the engine; it goes on when this process ends."""
    home.runtime.mkdir(mode=0o700, exist_ok=True)
    command = [
        str(home.programs / "usr" / "sbin" / "dockerd"),
        f"--host=unix://{home.socket}",
        f"--pidfile={home.process}",
        f"--exec-root={home.runtime}",
        f"--data-root={home.root / 'engine'}",
        f"--config-file={settings(home)}",
    ]
    environment = {**os.environ, "PATH": home.environment()["PATH"]}
    with home.log.open("wb") as log:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end and process.poll() is None:
        version = answers(home.environment())
        if version:
            say(f"engine {version} is started; its log is {home.log}")
            return
        time.sleep(0.2)
    process.terminate()
    raise NoEngine(f"the engine doesn't start; the end of {home.log}:\n{tail(home.log)}")


def settings(home: Home) -> Path:
    """Write the engine's settings: images are kept where BuildKit can attest and export them; return their path."""
    path = home.root / "engine.json"
    path.write_text(json.dumps({
        "features": {"containerd-snapshotter": True},
        "init-path": str(home.programs / "usr" / "bin" / "tini-static"),
    }))  # fmt: skip
    return path


def running(home: Home) -> int | None:
    """Return the process number of our engine while it runs."""
    try:
        number = int(home.process.read_text())
        program = Path(f"/proc/{number}/exe").readlink()
    except (OSError, ValueError):
        return None
    return number if program == home.programs / "usr" / "sbin" / "dockerd" else None


@contextlib.contextmanager
def scratch(home: Home) -> Iterator[Path]:
    """Yield a folder in the home that is gone afterwards."""
    with tempfile.TemporaryDirectory(dir=home.root) as name:
        yield Path(name)


def quiet(*command: str, folder: Path | None = None, environment: Mapping[str, str] | None = None) -> None:
    """Run a command whose output matters only when it fails."""
    found = {**os.environ, "PATH": search_path(), "DEBIAN_FRONTEND": "noninteractive", **(environment or {})}
    program = shutil.which(command[0], path=found["PATH"]) or command[0]
    subprocess.run([program, *command[1:]], cwd=folder, env=found, check=True, capture_output=True)


def search_path() -> str:
    """Return PATH with the folders of system programs, which a user's may lack."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), SYSTEM_FOLDERS])


def key(*words: str) -> str:
    """Return a short name for what the words say."""
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:8]


def tail(log: Path) -> str:
    """Return the end of a log."""
    return log.read_text(errors="replace")[-3000:]


def say(text: str) -> None:
    """Report a step, out of the way of what `up` prints."""
    print(f"containers: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
