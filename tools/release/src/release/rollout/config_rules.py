"""What ``rollout`` in ``release.yaml`` must name rightly before anything is generated from it or rolled out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from release.errors import ConfigError
from release.model.component import Component
from release.workspace.config import CONFIG, Config, locate

__all__ = ["problems", "refuse"]


def problems(config: Config, content: bytes | None, components: Mapping[str, Component]) -> Iterator[ConfigError]:
    """Yield what is wrong with ``rollout``, each with its place in ``content``, the bytes of ``release.yaml``.

    A stage needs a check, an environment that ``environments`` has and a name of its own; the chart must be a chart.
    """
    rollout = config.rollout
    if rollout is None:
        return
    chart = components.get(rollout.chart)
    if chart is None or chart.kind != "chart":
        charts = ", ".join(name for name, one in components.items() if one.kind == "chart")
        found = "no component" if chart is None else f"of the kind {chart.kind}"
        yield ConfigError(
            f"{CONFIG}: rollout.chart is {rollout.chart}, which is {found}",
            where=[locate(content, "rollout", "chart")],
            fix=f"name a chart: {charts}" if charts else "there is no chart here yet: add one, or remove `rollout`",
        )
    seen: set[str] = set()
    for number, stage in enumerate(rollout.stages):
        where = ("rollout", "stages", str(number))
        if not stage.check.strip():
            yield ConfigError(
                f"{CONFIG}: the stage {stage.name} has no check",
                where=[locate(content, *where, "check")],
                fix="write the command that must succeed before the next stage, such as a smoke test",
            )
        if stage.environment not in config.environments:
            known = ", ".join(config.environments) or "none"
            yield ConfigError(
                f"{CONFIG}: the stage {stage.name} is in the environment {stage.environment}, which is named nowhere",
                where=[locate(content, *where, "environment")],
                fix=f"add it to `environments`; there are: {known}",
            )
        if stage.name in seen:
            yield ConfigError(
                f"{CONFIG}: two stages are called {stage.name}",
                where=[locate(content, *where, "name")],
                fix="give each stage a name of its own",
            )
        seen.add(stage.name)


def refuse(config: Config, content: bytes | None, components: Mapping[str, Component]) -> None:
    """Raise the first of :func:`problems`, if there is one.

    Raises:
        ConfigError: with its place in ``release.yaml``.
    """
    for problem in problems(config, content, components):
        raise problem
