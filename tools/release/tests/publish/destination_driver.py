"""Publish what a JSON file says, in a process of its own that a test can kill."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from release.errors import Place
from release.model.component import Component
from release.model.version import parse_version
from release.publish.destination import Artifact, Released, publish
from release.publish.destinations import DESTINATIONS


def main() -> None:
    data = json.loads(Path(sys.argv[1]).read_text())
    component = Component(**{**data["component"], "declared": Place("x"), "version": parse_version(data["version"])})
    artifacts = tuple(Artifact(**{**one, "path": Path(one["path"])}) for one in data["artifacts"])
    released = Released(
        component, parse_version(data["version"]), data["tag"], data["commit"], 0, data["notes"], artifacts
    )
    steps = DESTINATIONS[data["to"]].steps(released, data["options"], os.environ)
    publish(steps, report=lambda what, how: print(f"{how}: {what}"), before=print)


main()
