"""What a linter doesn't know yet, as data: `nox -s workflows` fails once an entry is no longer needed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["GAPS", "Gap", "ignored"]


@dataclass(frozen=True, slots=True)
class Gap:
    """A finding of a linter that is wrong: ``message`` is a part of it, ``line`` finds the lines that it is about.

    ``message`` is a regular expression that Go and Python read alike.
    ``why`` says why the line is right, ``link`` where the linter's own people discuss it.
    """

    linter: str
    message: str
    line: re.Pattern[str]
    why: str
    link: str


GAPS: tuple[Gap, ...] = (
    Gap(
        "actionlint",
        'unexpected key "queue" for "concurrency" section',
        re.compile(r"^ +queue: max$", re.MULTILINE),
        "GitHub knows `queue: max` since May 2026; actionlint 1.7.12 is of March",
        "https://github.com/rhysd/actionlint/issues/657",
    ),
)


def ignored(files: Mapping[str, str]) -> dict[str, list[Gap]]:
    """Return what actionlint would wrongly say about each of ``files`` (path: text)."""
    found = {path: [gap for gap in GAPS if gap.line.search(text)] for path, text in files.items()}
    return {path: gaps for path, gaps in found.items() if gaps}
