"""``chart-app-version``: a chart's ``appVersion`` is the version of the image that it follows."""

from __future__ import annotations

from collections.abc import Iterator

from release.checks.rule import Context, Finding, Rule
from release.model.component import EdgeKind

__all__ = ["RULE"]

_ID = "chart-app-version"


def _check(context: Context) -> Iterator[Finding]:
    """Yield a finding for each ``appVersion`` that is another version than its image has here."""
    for edge in context.edges:
        if edge.kind is not EdgeKind.CHART or edge.path != context.components[edge.whole].manifest:
            continue
        version = context.components[edge.part].version
        if edge.requirement != str(version):
            yield Finding(
                _ID,
                f"appVersion of {edge.whole} is {edge.requirement}, but the image {edge.part} is {version}",
                edge.place,
                f'write appVersion: "{version}"',
                edge.whole,
            )


RULE = Rule(_ID, "appVersion is the version of the chart's image", _check)
