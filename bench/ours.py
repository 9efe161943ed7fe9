"""`release` itself: what is run, and whether its plan is right."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from expected import Expected
from measure import Sample, run

PLAN = (sys.executable, "-m", "release", "bump", "--dry-run", "--json")
GENERATE = (sys.executable, "-m", "release", "ci", "generate")
CHECK = (*GENERATE, "--check")
DECIDE = (sys.executable, "-m", "release", "affected", "--github", "ci", "--json")
HELP = (sys.executable, "-m", "release", "--help")
NOTHING = (sys.executable, "-c", "pass")
SOURCE = Path(__file__).parent.parent / "tools" / "release" / "src"
ENVIRONMENT = {"PYTHONPATH": str(SOURCE), "NO_COLOR": "1"}
LEVELS = ("patch", "minor", "major")


def index_of(repository: Path) -> Path:
    """Return the side index that `release` keeps for `repository`."""
    return repository / ".git" / "release" / "index"


def cold(repository: Path) -> Sample:
    """Plan without a side index."""
    index_of(repository).unlink(missing_ok=True)
    return warm(repository)


def warm(repository: Path) -> Sample:
    """Plan with whatever side index is there."""
    return run(PLAN, repository, ENVIRONMENT)


def direct_versions(plan: str, expected: Mapping[str, Expected]) -> dict[str, str]:
    """Return the next version of each component that the commits in `plan` alone ask for.

    What a component gets because a part of it was bumped is left out, as `expected` knows nothing of it.
    """
    versions = {name: part.previous for name, part in expected.items()}
    for bump in json.loads(plan)["components"]:
        causes = (reason for reason in bump["reasons"] if reason["cause"] == "commit")
        levels = [LEVELS.index(cause["level"]) for cause in causes if cause["level"] in LEVELS]
        if levels:
            versions[bump["name"]] = _raised(bump["from"], max(levels))
    return versions


def _raised(version: str, level: int) -> str:
    numbers = [int(number) for number in version.split(".")]
    numbers[2 - level] += 1
    return ".".join(map(str, numbers[: 3 - level] + [0] * level))
