"""git-cliff: a changelog generator that can tell the next version below a path, one component a run.

It caches the changed paths of commits inside the git folder, so it's run twice: without and with that cache.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from expected import Expected
from peers.peer import Invocation, python_tool

VERSION = "2.14.2"
CONFIG = """\
[changelog]
body = ""

[git]
conventional_commits = true
filter_unconventional = true
protect_breaking_commits = true
commit_parsers = [
  { message = "^(feat|fix|perf|revert)", group = "Released" },
  { message = ".*", skip = true },
]
"""


@dataclass(frozen=True, slots=True)
class GitCliff:
    """`git-cliff --bumped-version` per component."""

    name: str = f"git-cliff {VERSION}"
    passes: tuple[str, ...] = ("its cache empty", "with its cache")
    sample: int | None = None

    def prepare(self, cache: Path, clone: Path, expected: Mapping[str, Expected]) -> list[Invocation]:
        """Return one run for each component."""
        program = python_tool(cache, "git-cliff", VERSION, "git-cliff")
        config = clone / ".git" / "cliff.toml"
        config.write_text(CONFIG, encoding="utf-8")
        return [
            Invocation(
                (
                    str(program), "--config", str(config), "--include-path", f"{part.path}/**",
                    "--tag-pattern", f"^{name}-v[0-9]", "--unreleased", "--bumped-version",
                ),
                clone,
                (name,),
            )
            for name, part in expected.items()
        ]  # fmt: skip

    def versions(self, invocation: Invocation, output: str) -> dict[str, str]:
        """Return the version in the tag that it prints."""
        (name,) = invocation.covers
        return {name: output.strip().removeprefix(f"{name}-v")}
