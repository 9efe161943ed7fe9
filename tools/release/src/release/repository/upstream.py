"""The repositories of others, asked by git: what their tags lead to, and when a tag was made."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from release.errors import PinError

__all__ = ["GITHUB", "Refs", "Upstream", "UpstreamUnreachable"]

GITHUB = "https://github.com"
_SECONDS = 120
_LOCAL = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")
"""What a git hook sets, and which would lead git into the wrong repository."""
_ENVIRONMENT = {"GIT_TERMINAL_PROMPT": "0", "GIT_NO_REPLACE_OBJECTS": "1", "LC_ALL": "C"}


class UpstreamUnreachable(PinError):
    """The repository of an action can't be asked."""


@dataclass(frozen=True, slots=True)
class Refs:
    """``tags``: the commit that each tag leads to; ``objects``: the tag objects' own ids, of annotated tags."""

    tags: Mapping[str, str]
    objects: Mapping[str, str]
    branches: Mapping[str, str]

    def at(self, commit: str) -> list[str]:
        """Return the tags that lead to ``commit``."""
        return [name for name, leads in self.tags.items() if leads == commit]


class Upstream:
    """GitHub's repositories, or clones of them: ``folder`` holds ``OWNER/NAME`` or ``OWNER/NAME.git``, bare or not."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    def refs(self, repository: str) -> Refs:
        """Return the tags and branches of ``repository`` (``OWNER/NAME``).

        Raises:
            UpstreamUnreachable: there is no such repository, or it gives no answer.
        """
        out = self._git(repository, "ls-remote", "--tags", "--heads", "--", self._url(repository))
        tags: dict[str, str] = {}
        objects: dict[str, str] = {}
        branches: dict[str, str] = {}
        for line in out.splitlines():
            sha, _, ref = line.partition("\t")
            if ref.startswith("refs/heads/"):
                branches[ref.removeprefix("refs/heads/")] = sha
            elif ref.endswith("^{}"):
                name = ref.removeprefix("refs/tags/").removesuffix("^{}")
                objects[name] = tags[name]
                tags[name] = sha
            else:
                tags[ref.removeprefix("refs/tags/")] = sha
        return Refs(tags, objects, branches)

    def made(self, repository: str, tag: str) -> int:
        """Return when ``tag`` was made (seconds since the epoch): the later of its own date and its commit's.

        Whoever makes a tag or a commit can write any date into it.

        Raises:
            UpstreamUnreachable: the tag can't be fetched.
        """
        with TemporaryDirectory(prefix="release-pins-") as folder:
            here = ("--git-dir", folder)
            self._git(repository, "init", "--quiet", "--bare", folder)
            self._git(
                repository, *here, "fetch", "--quiet", "--no-tags", "--depth=1", "--filter=blob:none",
                self._url(repository), f"+refs/tags/{tag}:refs/tags/{tag}",
            )  # fmt: skip
            dates = self._git(
                repository, *here, "for-each-ref", f"refs/tags/{tag}",
                "--format=%(taggerdate:unix) %(committerdate:unix) %(*committerdate:unix)",
            )  # fmt: skip
        return max(int(date) for date in dates.split())

    def _url(self, repository: str) -> str:
        if self._folder is None:
            return f"{GITHUB}/{repository}"
        for name in (f"{repository}.git", repository):
            path = self._folder / name
            if path.is_dir():
                return path.resolve().as_uri()
        raise UpstreamUnreachable(
            f"there is no clone of {repository} in {self._folder}",
            fix=f"git clone --bare {GITHUB}/{repository} {self._folder / repository}.git",
        )

    def _git(self, repository: str, *arguments: str) -> str:
        try:
            done = subprocess.run(
                ["git", *arguments],
                env={name: value for name, value in os.environ.items() if name not in _LOCAL} | _ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=_SECONDS,
                encoding="utf-8",
                errors="replace",
            )
        except subprocess.TimeoutExpired:
            raise UpstreamUnreachable(
                f"{repository} gave no answer in {_SECONDS} s", fix="try again, or name clones with --from"
            ) from None
        if done.returncode:
            said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            raise UpstreamUnreachable(
                f"{repository} can't be asked: {said[-1]}", fix="see to the connection, or name clones with --from"
            )
        return done.stdout
