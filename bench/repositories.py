"""Synthetic repositories kept in a cache folder between runs, each named after what it was made from."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from expected import Expected
from stream import git
from synthetic import Options, make_repository, write_expected

HERE = Path(__file__).parent
SOURCES = ("components.py", "expected.py", "messages.py", "stream.py", "synthetic.py")


@dataclass(frozen=True, slots=True)
class Made:
    """A synthetic repository, the same with a commit-graph, and the right versions."""

    options: Options
    plain: Path
    graphed: Path
    expected: dict[str, Expected]


def cache_folder() -> Path:
    """Return the folder that keeps repositories and peers between runs; it's safe to delete."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "moodle-platform" / "bench"


def made(cache: Path, options: Options) -> Made:
    """Return the repository for `options`, made now unless an earlier run left it."""
    digest = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in SOURCES)).hexdigest()[:12]
    name = f"{options.commits}-{options.components}-{options.seed}-{digest}"
    folder = cache / "repositories" / name
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            plain, graphed = Path(scratch) / name / "plain", Path(scratch) / name / "graphed"
            write_expected(plain, make_repository(plain, options))
            shutil.copytree(plain, graphed, symlinks=True)
            git(graphed, "commit-graph", "write", "--reachable", "--changed-paths", "--no-progress")
            for repository in (plain, graphed):
                git(repository, "status")
            plain.parent.rename(folder)
    values = json.loads((folder / "plain.expected.json").read_text(encoding="utf-8"))
    expected = {name: Expected(**value) for name, value in values.items()}
    return Made(options, folder / "plain", folder / "graphed", expected)
