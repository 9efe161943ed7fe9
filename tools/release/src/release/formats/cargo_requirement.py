"""Version requirements as Cargo reads them.

Source of the rules: https://doc.rust-lang.org/cargo/reference/specifying-dependencies.html and the ``semver``
crate, which Cargo uses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from release.model.version import Version

__all__ = ["cargo_requirement_for"]

_COMPARATOR = re.compile(
    r"""\s*(?P<operator>=|>=|>|<=|<|~|\^|)(?P<space>\s*)
    (?P<major>0|[1-9]\d*|[*xX])
    (?:\.(?P<minor>0|[1-9]\d*|[*xX]))?
    (?:\.(?P<patch>0|[1-9]\d*|[*xX]))?
    (?:-(?P<pre>[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?
    (?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?\s*""",
    re.VERBOSE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class _Comparator:
    """One condition: ``numbers`` are the parts given, up to three, ``wild`` says that a ``*`` follows."""

    operator: str
    space: str
    numbers: tuple[int, ...]
    wild: bool
    pre: str | None

    def accepts(self, version: Version) -> bool:
        """Tell whether ``version`` meets the condition, pre-releases compared by precedence."""
        size = len(self.numbers)
        head = (version.major, version.minor, version.patch)[:size]
        if size < 3:
            return self._accepts_partly(head, final=not version.prerelease)
        major, minor, patch = self.numbers
        bound = Version(major, minor, patch, self.pre)
        match self.operator:
            case "=":
                return version == bound
            case ">":
                return version > bound
            case ">=":
                return version >= bound
            case "<":
                return version < bound
            case "<=":
                return version <= bound
            case "~":
                return head[:2] == self.numbers[:2] and version >= bound
            case _:
                fixed = self._fixed()
                return head[:fixed] == self.numbers[:fixed] and version >= bound

    def _accepts_partly(self, head: tuple[int, ...], *, final: bool) -> bool:
        same = head == self.numbers and final
        match self.operator:
            case ">":
                return head > self.numbers
            case ">=":
                return head > self.numbers or same
            case "<":
                return head < self.numbers
            case "<=":
                return head < self.numbers or same
            case "=" | "~":
                return same
            case _ if self.wild:
                return same
            case _:
                fixed = self._fixed()
                return head[:fixed] == self.numbers[:fixed] and head >= self.numbers

    def _fixed(self) -> int:
        """Return how many leading numbers a caret holds fast: up to the first that is not zero."""
        return next((at for at, number in enumerate(self.numbers, 1) if number), len(self.numbers))

    def admits_pre(self, version: Version) -> bool:
        """Tell whether this condition opens the requirement to pre-releases of ``version``'s numbers."""
        return self.pre is not None and self.numbers == (version.major, version.minor, version.patch)

    def raised(self, version: Version) -> _Comparator:
        """Return this condition moved to ``version``, in its own precision unless that is a pre-release."""
        given = (version.major, version.minor, version.patch)
        if self.operator == "<":
            return replace(self, numbers=_boundary(version, len(self.numbers)), pre=None)
        operator = ">=" if self.operator == ">" else self.operator
        if version.prerelease:
            return replace(self, operator=operator, numbers=given, wild=False, pre=version.prerelease)
        return replace(self, operator=operator, numbers=given[: len(self.numbers)], pre=None)

    def __str__(self) -> str:
        numbers = ".".join(map(str, self.numbers)) + (".*" if self.wild and self.numbers else "")
        pre = f"-{self.pre}" if self.pre else ""
        return f"{self.operator}{self.space}{numbers or '*'}{pre}"


def cargo_requirement_for(requirement: str, version: Version) -> str:
    """Return ``requirement`` itself when it accepts ``version``, else its like that does.

    Operators and precision are kept (``0.1`` becomes ``0.2``, ``=0.1.0`` becomes ``=0.2.0``, ``<0.2`` becomes
    ``<0.3``); a pre-release is written in full.

    Raises:
        ValueError: ``requirement`` is none.
    """
    comparators = _parse(requirement)
    if _accepts(comparators, version):
        return requirement
    raised = [one if one.accepts(version) else one.raised(version) for one in comparators]
    if version.prerelease and not any(one.admits_pre(version) for one in raised):
        lower = next((at for at, one in enumerate(raised) if not one.operator.startswith("<")), None)
        if lower is not None:
            raised[lower] = raised[lower].raised(version)
    plain = str(version.replace(build=None))
    return ", ".join(map(str, raised)) if _accepts(raised, version) else plain


def _parse(requirement: str) -> list[_Comparator]:
    if requirement.strip() in ("*", "x", "X"):
        return [_Comparator("", "", (), True, None)]
    comparators: list[_Comparator] = []
    for part in requirement.split(","):
        found = _COMPARATOR.fullmatch(part)
        if found is None:
            raise ValueError(f"{requirement!r} is not a version requirement")
        parts = [found[name] for name in ("major", "minor", "patch") if found[name] is not None]
        numbers = [int(text) for text in parts if text not in "*xX"]
        wild = len(numbers) < len(parts)
        if not numbers or parts[: len(numbers)] != [str(number) for number in numbers]:
            raise ValueError(f"{requirement!r} is not a version requirement: a wildcard is misplaced")
        if found["pre"] and len(numbers) < 3:
            raise ValueError(f"{requirement!r} is not a version requirement: a pre-release needs all numbers")
        wild = wild and not found["operator"]
        comparators.append(_Comparator(found["operator"], found["space"], tuple(numbers), wild, found["pre"]))
    return comparators


def _accepts(comparators: list[_Comparator], version: Version) -> bool:
    if not all(one.accepts(version) for one in comparators):
        return False
    return not version.prerelease or any(one.admits_pre(version) for one in comparators)


def _boundary(version: Version, size: int) -> tuple[int, ...]:
    """Return the next incompatible version above ``version`` in ``size`` numbers."""
    if version.major or size == 1:
        return (version.major + 1, 0, 0)[:size]
    if version.minor or size == 2:
        return (0, version.minor + 1, 0)[:size]
    return (0, 0, version.patch + 1)
