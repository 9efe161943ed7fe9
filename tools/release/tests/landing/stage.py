"""A clone and its bare remote with something to release, made once and copied for each test, and what is to be seen."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from release.flow.apply import Landed, Step, no_step
from release.flow.release import release
from release.flow.unpushed import Pushed
from release.model.plan import Plan, Request
from release.repository.git import Repository
from release.repository.lock import locked

__all__ = ["STEPS", "TAGS", "TIME", "Stage", "State", "git"]

TIME = 1_795_392_000
"""2026-11-23, the time of all releases here."""
TAGS = ("accel-v0.1.1", "image-v1.1.0", "local_a-v1.0.1")
STEPS = (
    "ask the remote",
    "journal",
    "commit",
    "journal the commit",
    "tags",
    "tag local_a-v1.0.1",
    "tag accel-v0.1.1",
    "tag image-v1.1.0",
    "branch",
    "work tree",
    "push",
    "done",
)
"""All fault points of a release that is pushed, in order."""
_HERE = Path(__file__).parent
_FILES = {
    "crates/accel/Cargo.toml": '[package]\nname = "accel"\nversion = "0.1.0"\n',
    "crates/accel/src/lib.rs": "// one\n",
    "plugins/local_a/version.php": "<?php\ndefined('MOODLE_INTERNAL') || die();\n$plugin->component = 'local_a';\n"
    "$plugin->version = 2026010100;\n$plugin->release = '1.0.0';\n$plugin->requires = 2024100700;\n",
    "plugins/local_a/lib.php": "<?php\n",
    "plugins/local_a/CHANGES.md": "# Changes\n\n## [1.0.0] - 2026-01-01\n\n- First.\n",
    "images/web/image.yaml": "name: image\nversion: 1.0.0\ncontains:\n  plugins: [local_a]\n  crates: [accel]\n",
    "images/web/Dockerfile": "FROM scratch\n",
    "README.md": "text\n",
}


def git(folder: Path, *arguments: str, **environment: str) -> str:
    """Return what a git command prints."""
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        **environment,
    }
    done = subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True, env=env)
    return done.stdout.strip()


@dataclass(frozen=True, slots=True)
class State:
    """All that a release may change: refs here and there, the files of the work tree, and what git calls dirty."""

    refs: str
    remote: str
    files: dict[str, bytes]
    status: str


@dataclass(frozen=True, slots=True)
class Stage:
    """The folder with the clone ``work`` and the bare repository ``origin.git``."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> Stage:
        """Return a new stage: a crate, a plugin and an image that contains both, released once and changed since."""
        stage = cls(folder)
        folder.mkdir(parents=True, exist_ok=True)
        git(folder, "init", "-q", "--bare", "-b", "main", "origin.git")
        git(folder, "init", "-q", "-b", "main", "work")
        for key, value in (("user.name", "Ada"), ("user.email", "ada@example.org"), ("gc.auto", "0")):
            git(stage.work, "config", key, value)
        git(stage.work, "remote", "add", "origin", "../origin.git")
        stage.commit("feat: start", _FILES)
        for tag in ("accel-v0.1.0", "local_a-v1.0.0", "image-v1.0.0"):
            git(stage.work, "tag", "-a", "-m", tag, tag, GIT_COMMITTER_DATE="@1790000000 +0000")
        stage.commit("fix: faster", {"crates/accel/src/lib.rs": "// two\n", "plugins/local_a/lib.php": "<?php\n\n"})
        stage.commit("feat: smaller", {"images/web/Dockerfile": "FROM scratch\n# more\n"})
        git(stage.work, "push", "-q", "--tags", "-u", "origin", "main")
        return stage

    @property
    def work(self) -> Path:
        return self.folder / "work"

    @property
    def origin(self) -> Path:
        return self.folder / "origin.git"

    @property
    def private(self) -> Path:
        return self.work / ".git" / "release"

    def copy(self, folder: Path) -> Stage:
        """Return a copy of this stage in ``folder``."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Stage(folder)

    def commit(self, message: str, files: dict[str, str], folder: Path | None = None) -> str:
        """Commit ``files`` in the clone (or another one) and return the commit."""
        folder = folder or self.work
        for path, content in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(content)
        dates = {"GIT_AUTHOR_DATE": "@1790000000 +0000", "GIT_COMMITTER_DATE": "@1790000000 +0000"}
        git(folder, "add", "--all")
        git(folder, "-c", "user.name=A", "-c", "user.email=a@b", "commit", "-q", "-m", message, **dates)
        return git(folder, "rev-parse", "HEAD")

    def state(self) -> State:
        """Return what is here now; remote-tracking refs are left out, they only mirror."""
        tracked = git(self.work, "ls-tree", "-r", "--name-only", "HEAD").splitlines()
        return State(
            git(self.work, "for-each-ref", "refs/heads", "refs/tags"),
            git(self.origin, "for-each-ref"),
            {path: (self.work / path).read_bytes() for path in tracked if (self.work / path).exists()},
            git(self.work, "status", "--porcelain"),
        )

    def release(
        self,
        *,
        push: bool = True,
        reviewed: Plan | None = None,
        step: Step = no_step,
        request: Request | None = None,
        pushed: Callable[[Pushed], None] = lambda _: None,
    ) -> Landed | None:
        """Release here, in this process."""
        repository = Repository.open(self.work)
        asked = request or Request()
        with locked(repository, "release bump"):
            return release(repository, asked, time=TIME, push=push, reviewed=reviewed, step=step, pushed=pushed)

    def start(
        self, *, fatal: int = -1, push: bool = True, group: bool = False, work: Path | None = None
    ) -> subprocess.Popen[str]:
        """Start the same in a process of its own, which kills itself at the step with the number ``fatal``."""
        return subprocess.Popen(
            [sys.executable, str(_HERE / "driver.py"), str(work or self.work), str(fatal), "push" if push else "stay"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=group,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )

    def hook(self, name: str, script: str) -> None:
        """Give the remote the hook ``name``."""
        path = self.origin / "hooks" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
