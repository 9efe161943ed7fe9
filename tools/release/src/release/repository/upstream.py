"""The repositories of others, asked by git: what their tags lead to, when a tag was made, the files of a commit."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from release.errors import InputsRefused, PinError

__all__ = ["GITHUB", "Refs", "Upstream", "UpstreamUnreachable", "fetch_commit"]

GITHUB = "https://github.com"
_SECONDS = 120
_SECONDS_TO_FETCH = 1800
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


def fetch_commit(url: str, tag: str, commit: str, kept: Path, folder: Path) -> None:
    """Write the files of ``commit``, to which ``tag`` of the repository at ``url`` must lead, into ``folder``.

    The bare repository ``kept`` keeps it, so that it is fetched once; git checks what it reads there by its hash.

    Raises:
        InputsRefused: the tag can't be fetched, or leads to another commit.
    """

    def git(*arguments: str, ok: bool = True) -> subprocess.CompletedProcess[str]:
        here = (
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "transfer.fsckObjects=true",
            "-c",
            "fetch.fsck.zeroPaddedFilemode=ignore",
        )
        environment = {name: value for name, value in os.environ.items() if name not in _LOCAL} | _ENVIRONMENT
        try:
            done = subprocess.run(
                ["git", *here, "--git-dir", str(kept), *arguments],
                env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False,
                timeout=_SECONDS_TO_FETCH, encoding="utf-8", errors="replace",
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise _unfetched(url, tag, f"no answer in {_SECONDS_TO_FETCH} s") from None
        if ok and done.returncode:
            raise _unfetched(url, tag, (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
        return done

    kept.parent.mkdir(parents=True, exist_ok=True)
    if not (kept / "HEAD").is_file():
        git("init", "--quiet", "--bare", str(kept))
    mark = f"refs/kept/{commit}"
    if git("rev-parse", "--verify", "--quiet", f"{mark}^{{commit}}", ok=False).stdout.strip() != commit:
        git("fetch", "--quiet", "--no-tags", "--depth=1", "--", url, f"+refs/tags/{tag}:refs/fetched/{commit}")
        found = git("rev-parse", "--verify", f"refs/fetched/{commit}^{{commit}}").stdout.strip()
        if found != commit:
            raise InputsRefused(
                f"the tag {tag} of {url} leads to {found}, not to {commit}",
                fix="find out why it was moved; write down its new commit only when its makers say that they moved it",
            )
        git("update-ref", mark, commit)
    folder.mkdir(parents=True, exist_ok=True)
    git("--work-tree", str(folder), "checkout", "--quiet", "--force", commit, "--", ".")


def _unfetched(url: str, tag: str, why: str) -> InputsRefused:
    return InputsRefused(
        f"the tag {tag} of {url} can't be fetched: {why}",
        fix="see to the connection, or name a folder with --moodle or in MOODLE_DIR",
    )
