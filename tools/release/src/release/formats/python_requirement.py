"""Version requirements of Python packages: PEP 440 specifiers, and the carets and tildes of Poetry.

Sources: https://packaging.python.org/en/latest/specifications/version-specifiers/ (read by the ``packaging``
package) and https://python-poetry.org/docs/dependency-specification/ .
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from release.formats.cargo_requirement import cargo_requirement_for
from release.formats.pyproject_toml import to_pep440
from release.model.version import Version

__all__ = ["python_requirement_for"]

_POETRY = re.compile(r"\s*(?:\^|~(?!=))")
_CLAUSE = re.compile(r"\s*(?P<operator>===|~=|==|!=|<=|>=|<|>|)(?P<space>\s*)(?P<version>\S+)\s*")


def python_requirement_for(requirement: str, version: Version) -> str:
    """Return ``requirement`` itself when it accepts ``version``, else its like that does.

    Operators and precision are kept where they can be; where not, the result is ``>=`` the new version.

    Raises:
        ValueError: ``requirement`` is none, or ``version`` has no form in PEP 440.
    """
    if _POETRY.match(requirement):
        return cargo_requirement_for(requirement, version)
    new = to_pep440(version)
    clauses = [found for part in requirement.split(",") if (found := _CLAUSE.fullmatch(part)) is not None]
    if len(clauses) != len(requirement.split(",")):
        raise ValueError(f"{requirement!r} is not a version requirement")
    if _accepts(",".join(_text(*clause.groups()) for clause in clauses), new):
        return requirement
    raised = list(_raised(clauses, version, new))
    if _accepts(",".join(_text(*clause) for clause in raised), new):
        return ",".join("".join(clause) for clause in raised)
    return f">={new}"


def _text(operator: str, space: str, version: str) -> str:
    """Return the PEP 440 clause; Poetry takes a bare version as that version alone."""
    return f"{operator or '=='}{space}{version}"


def _accepts(specifiers: str, version: str) -> bool:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        parsed = SpecifierSet(specifiers)
    except InvalidSpecifier as error:
        raise ValueError(str(error)) from None
    return parsed.contains(version, prereleases=bool(parsed.prereleases))


def _raised(clauses: list[re.Match[str]], version: Version, new: str) -> Iterator[tuple[str, str, str]]:
    """Yield (operator, space, version) of each clause moved to ``version`` where it refuses that."""
    final = to_pep440(version.finalize_version())
    given = (version.major, version.minor, version.patch)
    pending = bool(version.prerelease)
    for clause in clauses:
        operator, space, old = clause.groups()
        wild = old.endswith(".*")
        size = min(len(old.removesuffix(".*").split(".")), 3)
        if pending and not operator.startswith("<") and operator != "!=":
            pending = False
            yield ">=" if operator == ">" or wild else operator, space, new
        elif _accepts(_text(operator, space, old), final):
            yield operator, space, old
        elif operator == "<":
            yield operator, space, ".".join(map(str, _boundary(given, size)))
        elif operator in (">", "!="):
            yield ">=", space, new
        elif version.prerelease:
            yield operator, space, new
        else:
            yield operator, space, ".".join(map(str, given[:size])) + (".*" if wild else "")


def _boundary(given: tuple[int, int, int], size: int) -> tuple[int, ...]:
    """Return the next incompatible version in ``size`` numbers."""
    major, minor, patch = given
    if major or size == 1:
        return (major + 1, 0, 0)[:size]
    if minor or size == 2:
        return (0, minor + 1, 0)[:size]
    return (0, 0, patch + 1)
