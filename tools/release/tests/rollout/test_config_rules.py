"""What `rollout` in release.yaml names wrongly is an error with its place."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edits import components_of
from release.errors import ConfigError
from release.rollout.config_rules import problems, refuse
from release.workspace import config
from release.workspace.kinds.chart import Chart
from trees import MemoryTree

GOOD = """environments:
  prod: {}
rollout:
  chart: site
  release: site
  helm: 3.22.0
  stages:
    - name: canary
      environment: prod
      check: ./smoke
    - name: all
      environment: prod
      check: ./smoke
"""
COMPONENTS = components_of(
    MemoryTree({"charts/site/Chart.yaml": "apiVersion: v2\nname: site\nversion: 1.0.0\n"}), Chart()
)


def found(text: str) -> list[tuple[str, str]]:
    content = text.encode()
    errors = problems(config.load(content), content, COMPONENTS)
    return [(error.what.removeprefix("release.yaml: "), str(error.where[0])) for error in errors]


def test_a_right_rollout_has_no_problem() -> None:
    assert found(GOOD) == []
    refuse(config.load(GOOD.encode()), GOOD.encode(), COMPONENTS)


def test_a_configuration_without_a_rollout_has_no_problem() -> None:
    assert found("environments: {}\n") == []


@pytest.mark.parametrize(
    ("old", "new", "what", "place"),
    [
        ("chart: site", "chart: shop", "rollout.chart is shop, which is no component", "release.yaml:4:3"),
        (
            "      check: ./smoke\n    - name: all",
            "    - name: all",
            "the stage canary has no check",
            "release.yaml:8:7",
        ),
        (
            "      check: ./smoke\n    - name",
            "      check: ' '\n    - name",
            "the stage canary has no check",
            "release.yaml:10:7",
        ),
        ("name: all", "name: canary", "two stages are called canary", "release.yaml:11:7"),
        (
            "environment: prod\n      check: ./smoke\n    - name",
            "environment: dev\n      check: ./smoke\n    - name",
            "the stage canary is in the environment dev, which is named nowhere",
            "release.yaml:9:7",
        ),
    ],
)
def test_a_wrong_name_is_shown_at_its_place(old: str, new: str, what: str, place: str) -> None:
    text = GOOD.replace(old, new, 1)
    assert text != GOOD
    assert found(text) == [(what, place)]
    with pytest.raises(ConfigError):
        refuse(config.load(text.encode()), text.encode(), COMPONENTS)


def test_a_component_that_is_no_chart_is_shown() -> None:
    other = {"site": replace(COMPONENTS["site"], kind="image")}
    errors = list(problems(config.load(GOOD.encode()), GOOD.encode(), other))
    assert [error.what for error in errors] == ["release.yaml: rollout.chart is site, which is of the kind image"]
