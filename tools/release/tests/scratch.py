"""Scratch repositories: real git repositories in temporary folders, and the real command run in them.

Nothing of the machine gets in: no git configuration, no home, no clock.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

__all__ = ["DAY", "Result", "Scratch", "chart", "crate", "image", "plugin", "workspace_toml"]

DAY = 1_767_225_600
"""Midnight UTC of 2026-01-01 (seconds since the epoch): commits are made from here on, a second apart."""

_SOURCE = Path(__file__).resolve().parents[1] / "src"


@dataclass(frozen=True, slots=True)
class Result:
    """What a run of the command left: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Return standard output, read as JSON."""
        return json.loads(self.out)

    def ok(self) -> Result:
        """Return this result; fail the test when the exit code is not 0."""
        if self.code:
            pytest.fail(f"exit code {self.code}\n{self.out}\n{self.err}")
        return self


class Scratch:
    """A git repository that a test builds, with the command to run in it."""

    def __init__(self, path: Path, *, init: bool = True, clock: int = DAY) -> None:
        """Make an empty repository with the branch ``main`` in ``path``, or take the one there."""
        self.path = path
        self.home = path.parent / f".home-{path.name}"
        self.home.mkdir(parents=True, exist_ok=True)
        self.clock = clock
        self.environment = {
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "Ada",
            "GIT_AUTHOR_EMAIL": "ada@example.org",
            "GIT_COMMITTER_NAME": "Ada",
            "GIT_COMMITTER_EMAIL": "ada@example.org",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "protocol.file.allow",
            "GIT_CONFIG_VALUE_0": "always",
            "HOME": str(self.home),
            "LC_ALL": "C.UTF-8",
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(_SOURCE),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        if init:
            path.mkdir(parents=True, exist_ok=True)
            self.git("init", "-q", "-b", "main")

    def git(self, *args: str, data: str | None = None, env: Mapping[str, str] | None = None) -> str:
        """Run git here and return what it printed, stripped; fail the test when git fails."""
        done = subprocess.run(
            ["git", *args],
            cwd=self.path,
            env={**self.environment, **(env or {})},
            input=data.encode() if data is not None else None,
            stdin=None if data is not None else subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            pytest.fail(f"git {' '.join(args)}: {done.stderr.decode(errors='replace')}")
        return done.stdout.decode(errors="replace").strip()

    def write(self, files: Mapping[str, str | bytes | None]) -> None:
        """Write ``files`` (path: text) into the work tree; ``None`` deletes."""
        for name, content in files.items():
            path = self.path / name
            if content is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(
        self,
        message: str,
        files: Mapping[str, str | bytes | None] | None = None,
        *,
        remove: Sequence[str] = (),
    ) -> str:
        """Commit all there is after writing ``files`` and deleting ``remove``; return the commit's id.

        An empty commit is one too. The clock goes on by a second.
        """
        self.write(files or {})
        if remove:
            self.git("rm", "-r", "-q", *remove)
        self.git("add", "-A")
        return self._committed("commit", "-q", "--allow-empty", "--cleanup=verbatim", "-F", "-", data=message)

    def touch(self, message: str, *paths: str) -> str:
        """Commit a change of each of ``paths`` (a line more); return the commit's id."""
        for name in paths:
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a") as file:
                file.write(f"// {self.clock}\n")
        return self.commit(message)

    def merge(self, branch: str, message: str | None = None) -> str:
        """Merge ``branch`` with a merge commit; return its id."""
        return self._committed("merge", "-q", "--no-ff", "-m", message or f"Merge branch '{branch}'", branch)

    def revert(self, commit: str, *options: str) -> str:
        """Revert ``commit`` as git does it; return the new commit's id."""
        return self._committed("revert", "--no-edit", *options, commit)

    def pick(self, commit: str) -> str:
        """Cherry-pick ``commit`` with ``-x``; return the new commit's id."""
        return self._committed("cherry-pick", "-x", commit)

    def branch(self, name: str, at: str = "HEAD") -> None:
        """Make and check out the branch ``name``."""
        self.git("switch", "-q", "-c", name, at)

    def switch(self, name: str) -> None:
        """Check out the branch ``name``."""
        self.git("switch", "-q", name)

    def tag(self, *names: str, at: str = "HEAD") -> None:
        """Make annotated tags at ``at``."""
        for name in names:
            self.git("tag", "-a", "-m", name, name, at, env=self._dates())

    def clone(self, path: Path, *options: str) -> Scratch:
        """Clone this repository into ``path`` through the real transport."""
        self.git("clone", "-q", *options, f"file://{self.path}", str(path))
        return Scratch(path, init=False, clock=self.clock)

    def run(self, *args: str, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Result:
        """Run ``release ARGS`` here, in its own process, at this repository's time."""
        done = self.start(*args, env=env, cwd=cwd)
        out, err = done.communicate()
        return Result(done.returncode, out.decode(), err.decode())

    def start(
        self, *args: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> subprocess.Popen[bytes]:
        """Start ``release ARGS`` here and return the process."""
        return subprocess.Popen(
            [sys.executable, "-m", "release", *args],
            cwd=cwd or self.path,
            env={**self.environment, "SOURCE_DATE_EPOCH": str(self.clock), **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def versions(self, *args: str) -> dict[str, str]:
        """Return the next version of each component that is planned, with its build number after a space."""
        plan = self.run("bump", "--dry-run", "--json", *args).ok().json
        return {
            one["name"]: one["to"] + (f" {one['build']['to']}" if one["build"] else "") for one in plan["components"]
        }

    def tags(self) -> list[str]:
        """Return all tags, sorted."""
        return self.git("tag", "--list").split()

    def text(self, name: str) -> str:
        """Return a file of the work tree, line ends as they are."""
        return (self.path / name).read_bytes().decode()

    def state(self) -> dict[str, str]:
        """Return all that a refused run must leave as it was: HEAD, refs, index and work tree."""
        return {
            "head": self._quiet("rev-parse", "HEAD"),
            "branch": self._quiet("symbolic-ref", "-q", "HEAD"),
            "refs": self._quiet("for-each-ref"),
            "status": self._quiet("status", "--porcelain=v1", "-uall"),
            "index": self._quiet("ls-files", "-s"),
            "changes": self._quiet("diff", "HEAD"),
        }

    def remove(self) -> None:
        """Delete the repository and its home."""
        shutil.rmtree(self.path, ignore_errors=True)
        shutil.rmtree(self.home, ignore_errors=True)

    def _quiet(self, *args: str) -> str:
        done = subprocess.run(["git", *args], cwd=self.path, env=self.environment, capture_output=True, check=False)
        return done.stdout.decode(errors="replace")

    def _dates(self) -> dict[str, str]:
        return {"GIT_AUTHOR_DATE": f"{self.clock} +0000", "GIT_COMMITTER_DATE": f"{self.clock} +0000"}

    def _committed(self, *args: str, data: str | None = None) -> str:
        self.clock += 1
        self.git(*args, data=data, env=self._dates())
        return self.git("rev-parse", "HEAD")


def plugin(
    component: str,
    build: int | str = 2025010100,
    release: str = "1.0.0",
    *,
    dependencies: Mapping[str, int] | None = None,
) -> str:
    """Return a ``version.php``."""
    lines = [
        "<?php",
        "defined('MOODLE_INTERNAL') || die();",
        "",
        f"$plugin->component = '{component}';",
        f"$plugin->version = {build};",
        "$plugin->requires = 2024100700;",
        f"$plugin->release = '{release}';",
        "$plugin->maturity = MATURITY_STABLE;",
    ]
    if dependencies:
        needs = ", ".join(f"'{name}' => {number}" for name, number in dependencies.items())
        lines.append(f"$plugin->dependencies = [{needs}];")
    return "\n".join(lines) + "\n"


def crate(name: str, version: str = "0.1.0", further: str = "") -> str:
    """Return a ``Cargo.toml``; ``version`` may be ``workspace``."""
    line = "version.workspace = true" if version == "workspace" else f'version = "{version}"'
    return f'[package]\nname = "{name}"\n{line}\nedition = "2021"\n{further}'


def workspace_toml(*members: str, version: str | None = None, further: str = "") -> str:
    """Return the top ``Cargo.toml`` of a workspace."""
    shared = f'\n[workspace.package]\nversion = "{version}"\n' if version else ""
    listed = ", ".join(f'"{member}"' for member in members)
    return f'[workspace]\nresolver = "2"\nmembers = [{listed}]\n{shared}{further}'


def image(name: str, version: str = "1.0.0", further: str = "") -> str:
    """Return an ``image.yaml``."""
    return f"name: {name}\nversion: {version}\n{further}"


def chart(name: str, version: str = "1.0.0", app_version: str | None = None, further: str = "") -> str:
    """Return a ``Chart.yaml``."""
    app = f'appVersion: "{app_version}"\n' if app_version else ""
    return f"apiVersion: v2\nname: {name}\nversion: {version}\n{app}{further}"
