"""``.helmignore``: which files of a chart's folder are no part of the chart.

Source: Helm's ``pkg/ignore`` (https://pkg.go.dev/helm.sh/helm/v3/pkg/ignore): unlike in ``.gitignore`` the first line
that matches decides, and ``!`` means all that does not match.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from release.errors import FormatError, Place
from release.formats.wildmatch import wildmatch

__all__ = ["HELMIGNORE", "helm_ignored"]

HELMIGNORE = ".helmignore"
_ALWAYS = "templates/.?*"


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: str
    negated: bool
    folders_only: bool

    def ignores(self, path: str, folder: bool) -> bool:
        if self.folders_only and not folder:
            return self.negated
        subject = path if "/" in self.pattern else path.rpartition("/")[2]
        found = wildmatch(self.pattern.removeprefix("/")).fullmatch(subject) is not None
        return found is not self.negated


def helm_ignored(content: bytes | None, path: str) -> Callable[[str], bool]:
    """Return the predicate that tells whether Helm leaves a file out, given its path in the chart's folder.

    ``content`` is that of the file ``path``, or ``None`` where there is none.

    Raises:
        FormatError: a line has ``**``, which Helm refuses.
    """
    rules = []
    for number, line in enumerate((content or b"").decode("utf-8-sig", errors="replace").splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if "**" in text:
            raise FormatError(
                f"{path} has {text!r}, but Helm knows no **",
                where=[Place(path, number)],
                fix="write the name alone, which matches in any folder, or the path with a * for each folder",
            )
        negated = text.startswith("!")
        pattern = text.removeprefix("!")
        rules.append(_Rule(pattern.removesuffix("/"), negated, pattern.endswith("/")))
    rules.append(_Rule(_ALWAYS, negated=False, folders_only=False))

    def ignored(name: str) -> bool:
        ends = [at for at, letter in enumerate(name) if letter == "/"]
        paths = [(name[:end], True) for end in ends] + [(name, False)]
        return any(rule.ignores(one, folder) for one, folder in paths for rule in rules)

    return ignored
