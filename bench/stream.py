"""A `git fast-import` process fed commit by commit, with the trees kept here as path → mark of a blob."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self, TypeAlias

Tree: TypeAlias = dict[str, int]
"""Path inside the repository → mark of its blob."""

GIT = ("git", "-c", "core.autocrlf=false", "-c", "core.hooksPath=/dev/null")
NO_COMMIT = "0" * 40


def quiet_environment() -> dict[str, str]:
    """Return an environment in which git reads no configuration of this machine."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return environment | {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "LC_ALL": "C.UTF-8"}


def git(repository: Path, *arguments: str, stdin: str | None = None) -> str:
    """Return what git prints.

    Raises:
        subprocess.CalledProcessError: git failed.
    """
    done = subprocess.run(
        (*GIT, "-C", str(repository), *arguments),
        input=stdin, env=quiet_environment(), check=True, stdout=subprocess.PIPE, text=True, encoding="utf-8",
    )  # fmt: skip
    return done.stdout


class FastImport:
    """A running `git fast-import`; marks are handed out in order."""

    def __init__(self, repository: Path) -> None:
        answers, writes = os.pipe()
        self._process = subprocess.Popen(
            (
                *GIT, "-C", str(repository), "fast-import", "--quiet", "--date-format=raw",
                "--active-branches=64", f"--cat-blob-fd={writes}",
            ),
            stdin=subprocess.PIPE, pass_fds=(writes,), env=quiet_environment(),
        )  # fmt: skip
        os.close(writes)
        assert self._process.stdin is not None
        self._pipe = self._process.stdin
        self._answers = os.fdopen(answers, "r", encoding="ascii")
        self._marks = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.close()
        self._answers.close()
        if code := self._process.wait():
            raise subprocess.CalledProcessError(code, "git fast-import")

    def _mark(self) -> int:
        self._marks += 1
        return self._marks

    def _data(self, text: str) -> bytes:
        content = text.encode()
        return b"data %d\n%s\n" % (len(content), content)

    def blob(self, text: str) -> int:
        """Write a blob and return its mark."""
        mark = self._mark()
        self._pipe.write(b"blob\nmark :%d\n%s" % (mark, self._data(text)))
        return mark

    def commit(
        self,
        ref: str,
        message: str,
        author: str,
        dates: tuple[str, str],
        parents: Iterable[int],
        changes: Mapping[str, int | None],
        starts: bool = False,
    ) -> int:
        """Write a commit on `ref` and return its mark.

        `dates` are the author's and the committer's, as `seconds ±hhmm`; `changes` is the difference from the
        first parent, None where a path goes away; `starts` says that `ref` isn't at the first parent yet.
        """
        mark = self._mark()
        first, *merged = (*parents, 0)
        lines = [
            f"commit {ref}\nmark :{mark}\n".encode(),
            f"author {author} {dates[0]}\ncommitter {author} {dates[1]}\n".encode(),
            self._data(message),
        ]
        if starts and first:
            lines.append(b"from :%d\n" % first)
        lines += [b"merge :%d\n" % parent for parent in merged if parent]
        for path, blob in changes.items():
            lines.append(f"D {path}\n".encode() if blob is None else f"M 100644 :{blob} {path}\n".encode())
        self._pipe.write(b"".join((*lines, b"\n")))
        return mark

    def tag(self, name: str, commit: int, message: str, tagger: str, date: str) -> None:
        """Write the annotated tag `name` of `commit`."""
        self._pipe.write(f"tag {name}\nfrom :{commit}\ntagger {tagger} {date}\n".encode() + self._data(message))

    def delete(self, ref: str) -> None:
        """Delete `ref`, which was only a place to build commits on."""
        self._pipe.write(f"reset {ref}\nfrom {NO_COMMIT}\n\n".encode())

    def name_of(self, mark: int) -> str:
        """Return the object name of the commit with `mark`."""
        self._pipe.write(b"get-mark :%d\n" % mark)
        self._pipe.flush()
        return self._answers.readline().strip()


def difference(old: Tree, new: Tree) -> dict[str, int | None]:
    """Return the changes that make `new` of `old`."""
    changes: dict[str, int | None] = {path: mark for path, mark in new.items() if old.get(path) != mark}
    changes.update((path, None) for path in old if path not in new)
    return changes
