"""python-semantic-release: a configuration and a run per component; a few are run, the rest estimated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from expected import Expected
from peers.peer import Invocation, python_tool
from stream import git

VERSION = "10.7.0"
CONFIG = """\
[semantic_release]
tag_format = "{name}-v{{version}}"
commit_parser = "conventional-monorepo"

[semantic_release.commit_parser_options]
path_filters = ["."]

[semantic_release.branches.main]
match = ".*"
"""
REMOTE = "https://example.org/someone/monorepo.git"


@dataclass(frozen=True, slots=True)
class PythonSemanticRelease:
    """`semantic-release --noop version --print` per component, with the parser for monorepos."""

    name: str = f"python-semantic-release {VERSION}"
    passes: tuple[str, ...] = ("",)
    sample: int | None = 3

    def prepare(self, cache: Path, clone: Path, expected: Mapping[str, Expected]) -> list[Invocation]:
        """Return one run for each component."""
        program = python_tool(cache, "python-semantic-release", VERSION, "semantic-release")
        git(clone, "remote", "set-url", "origin", REMOTE)
        invocations = []
        for name, part in expected.items():
            config = clone / ".git" / f"{name}.toml"
            config.write_text(CONFIG.format(name=name), encoding="utf-8")
            command = (str(program), "-c", str(config), "--noop", "version", "--print")
            invocations.append(Invocation(command, clone / part.path, (name,)))
        return invocations

    def versions(self, invocation: Invocation, output: str) -> dict[str, str]:
        """Return the version that it prints."""
        (name,) = invocation.covers
        return {name: output.strip()}
