"""The repositories of others, asked by git: what their tags lead to, when a tag was made, the files of a commit."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from release.errors import InputsRefused, PinError

__all__ = ["GITHUB", "Refs", "Upstream", "UpstreamUnreachable", "fetch_commit"]

GITHUB = "https://github.com"
_SECONDS = 120
_SECONDS_TO_FETCH = 1800
_AT_ONCE = 1000
"""Files that are read at once."""
_FOLDER, _SUBMODULE, _LINK, _PROGRAM = "40000", "160000", "120000", "100755"
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

    The bare repository ``kept`` keeps it, so that it is fetched once. What is read there is compared with its hash,
    beginning with ``commit``, and written as it is, whatever git is told about line ends.

    Raises:
        InputsRefused: the tag can't be fetched, leads to another commit, or ``kept`` was changed.
    """
    from filelock import FileLock, Timeout

    kept.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(kept.with_name(f"{kept.name}.lock"), timeout=_SECONDS_TO_FETCH):
            for left in (*kept.glob("*.lock"), *kept.glob("refs/**/*.lock")):
                left.unlink()  # of a git that was killed: there is no other here now
            _keep(url, tag, commit, kept)
            _Objects(url, tag, kept).write(commit, folder)
    except Timeout:
        raise _unfetched(url, tag, f"another run had {kept} for {_SECONDS_TO_FETCH} s") from None


def _keep(url: str, tag: str, commit: str, kept: Path) -> None:
    """Fetch ``commit`` into ``kept``, unless it is there."""

    def git(*arguments: str, ok: bool = True) -> str:
        return _git(url, tag, kept, *arguments, ok=ok).decode(errors="replace").strip()

    if not (kept / "HEAD").is_file():
        git("init", "--quiet", "--bare", str(kept))
    mark = f"refs/kept/{commit}"
    if git("rev-parse", "--verify", "--quiet", f"{mark}^{{commit}}", ok=False) != commit:
        git("fetch", "--quiet", "--no-tags", "--depth=1", "--", url, f"+refs/tags/{tag}:refs/fetched/{commit}")
        found = git("rev-parse", "--verify", f"refs/fetched/{commit}^{{commit}}")
        if found != commit:
            raise InputsRefused(
                f"the tag {tag} of {url} leads to {found}, not to {commit}",
                fix="find out why it was moved; write down its new commit only when its makers say that they moved it",
            )
        git("update-ref", mark, commit)


def _git(url: str, tag: str, kept: Path, *arguments: str, ok: bool = True, data: bytes = b"") -> bytes:
    settings = ("core.hooksPath=/dev/null", "transfer.fsckObjects=true", "fetch.fsck.zeroPaddedFilemode=ignore")
    try:
        done = subprocess.run(
            ["git", *(word for one in settings for word in ("-c", one)), "--git-dir", str(kept), *arguments],
            env={name: value for name, value in os.environ.items() if name not in _LOCAL} | _ENVIRONMENT,
            input=data, capture_output=True, check=False, timeout=_SECONDS_TO_FETCH,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise _unfetched(url, tag, f"no answer in {_SECONDS_TO_FETCH} s") from None
    if ok and done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"]
        raise _unfetched(url, tag, said[-1])
    return done.stdout


@dataclass(frozen=True, slots=True)
class _Objects:
    """The objects that ``kept`` has of the tag ``tag`` of ``url``, each compared with its hash when it is read."""

    url: str
    tag: str
    kept: Path

    def write(self, commit: str, folder: Path) -> None:
        """Write the files and links of ``commit`` into ``folder``."""
        (content,) = self._read("commit", [commit])
        folder.mkdir(parents=True, exist_ok=True)
        trees, files = (
            {folder: content.split(b"\n", 1)[0].removeprefix(b"tree ").decode()},
            list[tuple[Path, str, str]](),
        )
        while trees:
            found: dict[Path, str] = {}
            for place, tree in zip(trees, self._read("tree", list(trees.values())), strict=True):
                for mode, name, digest in _entries(tree, len(commit) // 2):
                    if mode == _FOLDER:
                        (place / name).mkdir()
                        found[place / name] = digest
                    elif mode != _SUBMODULE:
                        files.append((place / name, mode, digest))
            trees = found
        for start in range(0, len(files), _AT_ONCE):
            some = files[start : start + _AT_ONCE]
            for (place, mode, _), content in zip(some, self._read("blob", [one for *_, one in some]), strict=True):
                if mode == _LINK:
                    place.symlink_to(os.fsdecode(content))
                else:
                    place.write_bytes(content)
                    place.chmod(0o755 if mode == _PROGRAM else 0o644)

    def _read(self, kind: str, names: Sequence[str]) -> Iterator[bytes]:
        asked = "".join(f"{name}\n" for name in names).encode()
        said = _git(self.url, self.tag, self.kept, "cat-file", "--batch", data=asked, ok=False)
        at = 0
        for name in names:
            end = said.find(b"\n", at)
            words = said[at : max(end, at)].split()
            size = int(words[2]) if len(words) == 3 else -1
            content = said[end + 1 : end + 1 + size] if size >= 0 else b""
            made = hashlib.new("sha1" if len(name) == 40 else "sha256", f"{kind} {len(content)}\0".encode() + content)
            if made.hexdigest() != name:
                raise InputsRefused(
                    f"the {kind} {name} in {self.kept} is not what its name says: it was changed, or is not whole",
                    fix=f"rm -r {self.kept}, and run it again: it is fetched anew",
                )
            yield content
            at = end + size + 2


def _entries(tree: bytes, length: int) -> Iterator[tuple[str, str, str]]:
    """Yield mode, name and object of each entry of ``tree``; a hash has ``length`` bytes."""
    at = 0
    while at < len(tree):
        end = tree.index(b"\0", at)
        mode, _, name = tree[at:end].partition(b" ")
        if name in (b"", b".", b"..", b".git") or b"/" in name:
            raise InputsRefused(f"a tree of git has an entry called {os.fsdecode(name)!r}", fix="name another commit")
        at = end + 1 + length
        yield mode.decode().lstrip("0"), os.fsdecode(name), tree[end + 1 : at].hex()


def _unfetched(url: str, tag: str, why: str) -> InputsRefused:
    return InputsRefused(
        f"the tag {tag} of {url} can't be fetched: {why}",
        fix="see to the connection, or name a folder with --moodle or in MOODLE_DIR",
    )
