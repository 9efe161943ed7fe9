"""nx: `nx release version --dry-run` with independent versions; one run covers every component."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from expected import Expected
from peers.peer import Invocation, node_packages

VERSION = "22.7.12"
NEW_VERSION = re.compile(r"^(\S+) .*New version (\S+) written to manifest", re.MULTILINE)
ENVIRONMENT = {"NX_DAEMON": "false", "NX_NO_CLOUD": "true", "NO_COLOR": "1", "CI": "true"}


@dataclass(frozen=True, slots=True)
class Nx:
    """nx's release engine, with each component as a project of its own and attribution by path alone."""

    name: str = f"nx release {VERSION}"
    passes: tuple[str, ...] = ("",)
    sample: int | None = None

    def prepare(self, cache: Path, clone: Path, expected: Mapping[str, Expected]) -> list[Invocation]:
        """Give each component the files that make it a project and return the one run."""
        packages = node_packages(cache, f"nx@{VERSION}", f"@nx/js@{VERSION}")
        for name, part in expected.items():
            folder = clone / part.path
            _write(folder / "package.json", {"name": name, "version": part.previous})
            _write(folder / "project.json", {"name": name, "root": part.path})
        _write(clone / "package.json", {"name": "monorepo", "version": "0.0.0", "private": True})
        release = {
            "projects": list(expected),
            "projectsRelationship": "independent",
            "releaseTag": {"pattern": "{projectName}-v{version}"},
            "conventionalCommits": {"useCommitScope": False},
            "version": {"conventionalCommits": True},
            "changelog": {"workspaceChangelog": False, "projectChangelogs": False},
        }
        _write(clone / "nx.json", {"release": release})
        (clone / "node_modules").symlink_to(packages / "node_modules")
        command = (str(clone / "node_modules" / ".bin" / "nx"), "release", "version", "--dry-run")
        return [Invocation(command, clone, tuple(expected), ENVIRONMENT)]

    def versions(self, invocation: Invocation, output: str) -> dict[str, str]:
        """Return the versions it says it would write."""
        return {name: version for name, version in NEW_VERSION.findall(output) if name in invocation.covers}


def _write(file: Path, value: object) -> None:
    file.write_text(json.dumps(value), encoding="utf-8")
