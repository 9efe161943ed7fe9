"""Real repositories from random histories, by one ``git fast-import`` each."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from reference.histories import Commit, History, version_text

__all__ = ["build"]

_START = 1_767_225_600
_NAME = re.compile(r"\{(\d+)(:short)?\}")


def build(history: History, folder: Path) -> list[str]:
    """Make the repository of ``history`` in ``folder``, on the branch main at its head; return its commits' SHAs."""
    subprocess.run(["git", "init", "-q", "--template=", "-b", "main", str(folder)], check=True)
    with subprocess.Popen(
        ["git", "-C", str(folder), "fast-import", "--quiet", "--date-format=raw"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        shas: list[str] = []
        for commit in history.commits:
            _write(process.stdin, history, commit, shas)
            shas.append(process.stdout.readline().decode().strip())
        for tag in history.tags:
            name = f"{tag.component}-v{version_text(tag.version)}"
            if tag.annotated:
                _text(process.stdin, f"tag {name}\nfrom :{tag.commit + 1}\ntagger {_who(tag.commit)}\n")
                _data(process.stdin, f"{name}\n")
            else:
                _text(process.stdin, f"reset refs/tags/{name}\nfrom :{tag.commit + 1}\n\n")
        for i, tip in enumerate(history.tips):
            _text(process.stdin, f"reset refs/heads/{'main' if i == 0 else f'side{i}'}\nfrom :{tip + 1}\n\n")
        process.stdin.close()
        assert process.wait() == 0
    return shas


def _write(stream: IO[bytes], history: History, commit: Commit, shas: Sequence[str]) -> None:
    first = history.commits[commit.parents[0]].tree if commit.parents else {}
    _text(stream, f"commit refs/import/all\nmark :{commit.number + 1}\ncommitter {_who(commit.number)}\n")
    _data(stream, _NAME.sub(lambda m: shas[int(m[1])][: 10 if m[2] else 64], commit.text))
    for i, parent in enumerate(commit.parents):
        _text(stream, f"{'merge' if i else 'from'} :{parent + 1}\n")
    for path, content in commit.tree.items():
        if first.get(path) != content:
            _text(stream, f"M 100644 inline {path}\n")
            _data(stream, content)
    for path in first:
        if path not in commit.tree:
            _text(stream, f"D {path}\n")
    _text(stream, f"\nget-mark :{commit.number + 1}\n")
    stream.flush()


def _who(number: int) -> str:
    return f"A <a@example.org> {_START + 60 * number} +0000"


def _text(stream: IO[bytes], text: str) -> None:
    stream.write(text.encode())


def _data(stream: IO[bytes], text: str) -> None:
    data = text.encode()
    stream.write(b"data %d\n%s\n" % (len(data), data))
