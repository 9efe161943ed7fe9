"""Version ranges as Helm reads them in a chart's ``dependencies``.

Source of the rules: https://helm.sh/docs/topics/charts/#the-version-field and the README of
https://github.com/Masterminds/semver, which Helm uses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from release.model.version import Version

__all__ = ["helm_requirement_accepts", "helm_requirement_for"]

_NUMBER = r"(?:0|[1-9]\d*)"
_VERSION = (
    rf"v?(?:{_NUMBER}|[*xX])(?:\.(?:{_NUMBER}|[*xX]))?(?:\.(?:{_NUMBER}|[*xX]))?"
    r"(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
_OPERATOR = r"=>|>=|=<|<=|!=|~>|=|>|<|~|\^|"
_CONSTRAINT = re.compile(rf"(?P<operator>{_OPERATOR})(?P<space>\s*)(?P<version>{_VERSION})", re.ASCII)
_SPAN = re.compile(rf"\s*({_VERSION})\s+-\s+({_VERSION})\s*", re.ASCII)
_ALL = re.compile(rf"\s*(?:(?:{_OPERATOR})\s*{_VERSION})(?:[\s,]+(?:{_OPERATOR})\s*{_VERSION})*\s*", re.ASCII)
_SPELLINGS = {"=>": ">=", "=<": "<=", "~>": "~", "": "="}


@dataclass(frozen=True, slots=True)
class _Constraint:
    operator: str
    space: str
    prefix: str
    numbers: tuple[int, ...]
    pre: str | None

    def accepts(self, version: Version) -> bool:
        """Tell whether ``version`` is in this constraint; a pre-release only if the constraint names one."""
        if version.prerelease and not self.pre:
            return False
        bound = self.bound
        head = (version.major, version.minor, version.patch)[: len(self.numbers)]
        partial = len(self.numbers) < 3
        match _SPELLINGS.get(self.operator, self.operator):
            case "=":
                return head == self.numbers if partial else version == bound
            case "!=":
                return head != self.numbers if partial else version != bound
            case ">":
                return head > self.numbers if partial else version > bound
            case ">=":
                return version >= bound
            case "<":
                return version < bound
            case "<=":
                return head <= self.numbers if partial else version <= bound
            case "~":
                return version >= bound and head[:2] == self.numbers[:2]
            case _:
                fixed = next((at for at, number in enumerate(self.numbers, 1) if number), len(self.numbers))
                return version >= bound and head[:fixed] == self.numbers[:fixed]

    @property
    def bound(self) -> Version:
        """The version that the constraint names, missing numbers taken as 0."""
        major, minor, patch = (*self.numbers, 0, 0, 0)[:3]
        return Version(major, minor, patch, self.pre)

    def raised(self, version: Version) -> str:
        """Return this constraint's text moved to ``version``, in full for a pre-release."""
        given = (version.major, version.minor, version.patch)
        if version.prerelease:
            moved = replace(self, numbers=given, pre=version.prerelease)
        else:
            moved = replace(self, numbers=given[: len(self.numbers)], pre=None)
        return str(moved)

    def __str__(self) -> str:
        pre = f"-{self.pre}" if self.pre else ""
        return f"{self.operator}{self.space}{self.prefix}{'.'.join(map(str, self.numbers))}{pre}"


def helm_requirement_accepts(requirement: str, version: Version) -> bool:
    """Tell whether Helm takes ``version`` for ``requirement``.

    Raises:
        ValueError: ``requirement`` is no range.
    """
    return any(all(one.accepts(version) for one in group) for group in _parse(requirement))


def helm_requirement_for(requirement: str, version: Version) -> str:
    """Return ``requirement`` itself when it accepts ``version``, else its like that does.

    A single constraint keeps operator and precision (``^0.2`` becomes ``^0.3``, ``1.x`` becomes ``2.x``,
    ``1.2.3`` the exact new version); any other range becomes a caret range on the new version.

    Raises:
        ValueError: ``requirement`` is no range.
    """
    groups = _parse(requirement)
    if any(all(one.accepts(version) for one in group) for group in groups):
        return requirement
    plain = version.replace(build=None)
    if len(groups) == 1 and len(groups[0]) == 1:
        constraint = groups[0][0]
        tail = requirement.rstrip()[-2:]
        raised = constraint.raised(plain)
        if not plain.prerelease and len(constraint.numbers) < 3 and tail[:1] == "." and tail[1:] in "xX*":
            raised += tail
        if helm_requirement_accepts(raised, version):
            return raised
    return f"^{plain}"


def _parse(requirement: str) -> list[list[_Constraint]]:
    groups: list[list[_Constraint]] = []
    for part in requirement.split("||"):
        if span := _SPAN.fullmatch(part):
            groups.append([_constraint(">=", "", span[1]), _constraint("<=", "", span[2])])
        elif _ALL.fullmatch(part):
            groups.append([_constraint(*found.groups()) for found in _CONSTRAINT.finditer(part)])
        else:
            raise ValueError(f"{requirement!r} is not a version range")
    return groups


def _constraint(operator: str, space: str, text: str) -> _Constraint:
    prefix = "v" if text.startswith("v") else ""
    core, _, pre = text.removeprefix("v").partition("+")[0].partition("-")
    numbers: list[int] = []
    for number in core.split("."):
        if number in ("*", "x", "X"):
            break
        numbers.append(int(number))
    return _Constraint(operator, space, prefix, tuple(numbers), pre or None)
