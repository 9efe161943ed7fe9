"""Requirements on parts of this repository, for the rules that compare them with the versions here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from release.checks.rule import Context, Finding
from release.model.component import EdgeKind
from release.model.version import Version

__all__ = ["refused"]


def refused(
    rule: str, context: Context, kinds: Collection[EdgeKind], follow: Callable[[str, Version], str], readable: str
) -> Iterator[Finding]:
    """Yield a finding for each requirement on an edge of ``kinds`` that refuses its part's version here.

    ``follow`` returns the requirement itself when it accepts the version, else its like that does, and raises
    ``ValueError`` for what is none; then ``readable`` says what to write.
    """
    for edge in context.edges:
        version = context.components[edge.part].version
        if edge.kind not in kinds or edge.requirement is None or version is None:
            continue
        try:
            wanted = follow(edge.requirement, version)
        except ValueError as error:
            yield Finding(rule, str(error), edge.place, f"write {readable}", edge.whole)
            continue
        if wanted != edge.requirement:
            yield Finding(
                rule,
                f"{edge.whole} needs {edge.part} {edge.requirement}, but here it is {version}",
                edge.place,
                f'write "{wanted}"',
                edge.whole,
            )
