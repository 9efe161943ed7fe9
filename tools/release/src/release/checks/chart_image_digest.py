"""``chart-image-digest``: a chart does not pin an image of this repository by digest."""

from __future__ import annotations

from collections.abc import Iterator

from release.checks.rule import Context, Finding, Rule
from release.model.component import EdgeKind

__all__ = ["RULE"]

_ID = "chart-image-digest"


def _check(context: Context) -> Iterator[Finding]:
    """Yield a warning for each digest: the next version of that image can't be released while it stands."""
    for edge in context.edges:
        if edge.kind is EdgeKind.CHART and ":" in (edge.requirement or ""):
            yield Finding(
                _ID,
                f"{edge.whole} pins {edge.part} by digest: a bump of {edge.part} will be refused",
                edge.place,
                "name the version in tag or appVersion, and pin the digest where the chart is deployed",
                edge.whole,
                "warning",
            )


RULE = Rule(_ID, "charts name versions of this repository's images, no digests", _check)
