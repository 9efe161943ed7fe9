"""``chart-dependencies``: a chart's ranges accept the subcharts beside it, and its lock belongs to them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from release.checks.requirements import refused
from release.checks.rule import Context, Finding, Rule
from release.errors import Place
from release.formats import chart_yaml
from release.formats.helm_requirement import helm_requirement_for
from release.model.component import Component, EdgeKind

__all__ = ["RULE"]

_ID = "chart-dependencies"


def _check(context: Context) -> Iterator[Finding]:
    """Yield a finding for each range that refuses its subchart, and for each lock that is out of step."""
    yield from refused(_ID, context, {EdgeKind.SUBCHART}, helm_requirement_for, "a range that Helm reads")
    for component in context.components.values():
        if component.kind == "chart":
            yield from _check_lock(context, component)


def _check_lock(context: Context, component: Component) -> Iterator[Finding]:
    path = posixpath.join(component.path, "Chart.lock")
    contents = context.tree.read_many([path])
    if path not in contents:
        return
    chart = chart_yaml.parse(context.tree.read(component.manifest), component.manifest)
    lock = chart_yaml.parse_lock(contents[path], path)
    wanted, locked = ([one.fields for one in have] for have in (chart.dependencies, lock.dependencies))
    if chart_yaml.lock_digest(wanted, locked) != lock.digest:
        yield Finding(
            _ID,
            f"{path} does not belong to the dependencies in {chart.path}",
            Place(path, lock.digest_token.line, lock.digest_token.column),
            f"run helm dependency update {component.path or '.'}",
            component.name,
        )


RULE = Rule(_ID, "subchart ranges and Chart.lock fit the charts beside them", _check)
