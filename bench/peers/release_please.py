"""release-please: its engine on a local clone, with the forge left out; one run covers every component."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from expected import Expected
from peers.peer import Invocation, node_packages

VERSION = "17.11.1"
DRIVER = Path(__file__).with_name("release_please.cjs")
DEPTH_OF_ALL = "10000000"


@dataclass(frozen=True, slots=True)
class ReleasePlease:
    """`Manifest.buildPullRequests` on a `LocalGitHub`, `depth` commits deep (empty: its default, 500)."""

    name: str = f"release-please {VERSION}, all commits searched"
    depth: str = DEPTH_OF_ALL
    passes: tuple[str, ...] = ("",)
    sample: int | None = None

    def prepare(self, cache: Path, clone: Path, expected: Mapping[str, Expected]) -> list[Invocation]:
        """Return the one run."""
        packages = node_packages(cache, f"release-please@{VERSION}")
        released = clone / ".git" / "released.json"
        versions = {part.path: {"component": name, "version": part.previous} for name, part in expected.items()}
        released.write_text(json.dumps(versions), encoding="utf-8")
        command = ("node", str(DRIVER), str(packages), str(clone), str(released), self.depth)
        return [Invocation(command, clone, tuple(expected))]

    def versions(self, invocation: Invocation, output: str) -> dict[str, str]:
        """Return the versions in the last line; those before are its log."""
        versions: dict[str, str] = json.loads(output.strip().splitlines()[-1])
        return {name: version for name, version in versions.items() if name in invocation.covers}


IN_FULL = ReleasePlease()
BY_DEFAULT = ReleasePlease(f"release-please {VERSION}, its default depth of 500", "")
