"""Whether plugins fit a Moodle and each other, as their ``version.php`` say, before anything is built.

Rules: https://moodledev.io/docs/apis/commonfiles/version.php. Moodle itself refuses ``requires``, ``incompatible`` and
``dependencies``, and warns of a branch that ``supported`` doesn't have; an image is refused for each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from release.errors import InputsRefused, Place
from release.formats.moodle_version_php import MoodleVersion
from release.formats.php import number_of
from release.formats.version_php import VersionPhp

__all__ = ["Candidate", "refuse_unfit"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A plugin that is to be put into a Moodle, and where that is said."""

    facts: VersionPhp
    place: Place


def refuse_unfit(moodle: MoodleVersion, core: Callable[[str], int | None], plugins: Sequence[Candidate]) -> None:
    """Refuse ``plugins`` that don't fit ``moodle`` or each other.

    ``core`` returns the version of a plugin that Moodle brings, ``None`` where it has none of that name.

    Raises:
        InputsRefused: with everything that doesn't fit.
    """
    found = [(one, what) for one in plugins for what in _unfit(one.facts, moodle, core, plugins)]
    if found:
        raise InputsRefused(
            "; ".join(what for _, what in found),
            where=list(dict.fromkeys(one.place for one, _ in found)),
            fix="take versions of them that fit, another Moodle, or leave them out",
        )


def _unfit(
    facts: VersionPhp, moodle: MoodleVersion, core: Callable[[str], int | None], plugins: Sequence[Candidate]
) -> Iterator[str]:
    requires = number_of(facts.requires.value) if facts.requires else None
    if requires is not None and requires > moodle.number:
        yield f"{facts.name} requires Moodle {requires}, but this is {moodle.number} ({moodle.text})"
    branches = facts.branches
    if branches is not None and not branches[0] <= moodle.branch <= branches[1]:
        yield f"{facts.name} supports the branches {branches[0]} to {branches[1]}, but this is {moodle.branch}"
    incompatible = number_of(facts.incompatible.value) if facts.incompatible else None
    if incompatible is not None and moodle.branch >= incompatible:
        yield f"{facts.name} is incompatible from branch {incompatible} on, and this is {moodle.branch}"
    here = {one.facts.name: one.facts.build for one in plugins}
    for needed in facts.dependencies:
        version = here.get(needed.component) or core(needed.component)
        if version is None:
            yield f"{facts.name} needs {needed.component}, which is not there"
        elif needed.number is not None and version < needed.number:
            yield f"{facts.name} needs {needed.component} {needed.number}, but it is {version}"
