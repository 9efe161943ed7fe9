"""Charts: the images and subcharts in them, and what follows a bump of one."""

from __future__ import annotations

import hashlib

import pytest

from edits import bump_of, bumped, components_of, edges_of
from release.errors import FormatError, Place, VersionRefused
from release.model.component import EdgeKind
from release.workspace.kinds.chart import Chart
from release.workspace.kinds.image import Image
from trees import MemoryTree

CHART, IMAGE = Chart(), Image()
KINDS = (IMAGE, CHART)

IMAGES = {
    "images/moodle/image.yaml": "name: moodle\nversion: 1.2.3\nrepository: ghcr.io/acme/moodle\n",
    "images/cron/image.yaml": "name: cron\nversion: 0.4.0\n",
}
CHART_YAML = """apiVersion: v2
name: moodle-chart
version: 0.9.0   # of the chart
appVersion: "1.2.3"
dependencies:
  - name: common
    version: ^0.1.0
    repository: file://../common
  - name: redis
    version: ">=1.0 <2"
    repository: https://charts.example.org
"""
VALUES = """# what runs
image:
  repository: ghcr.io/acme/moodle
  tag: "" # appVersion
web:
  image: {registry: ghcr.io, repository: 'acme/moodle', tag: '1.2.3'}
cron:
  image: registry.example.org:5000/x/cron:0.4.0
other:
  image: docker.io/library/moodle:1.2.3
  repository: https://example.org/moodle.git
"""
FILES = {
    **IMAGES,
    "charts/moodle/Chart.yaml": CHART_YAML,
    "charts/moodle/values.yaml": VALUES,
    "charts/common/Chart.yaml": "apiVersion: v2\nname: common\nversion: 0.1.0\n",
}


def test_charts_are_components() -> None:
    chart = components_of(MemoryTree(FILES), CHART)["moodle-chart"]
    assert (chart.path, str(chart.version)) == ("charts/moodle", "0.9.0")
    assert chart.declared == Place("charts/moodle/Chart.yaml", 3, 10)


def test_images_and_subcharts_of_this_repository_are_edges() -> None:
    tree = MemoryTree(FILES)
    components = components_of(tree, *KINDS)
    edges = edges_of(tree, components["moodle-chart"], components, *KINDS)
    values, chart = "charts/moodle/values.yaml", "charts/moodle/Chart.yaml"
    assert [(edge.part, edge.kind, edge.path, edge.token.text, edge.requirement) for edge in edges] == [
        ("moodle", EdgeKind.CHART, values, "ghcr.io/acme/moodle", None),
        ("moodle", EdgeKind.CHART, values, "'1.2.3'", "1.2.3"),
        ("cron", EdgeKind.CHART, values, "0.4.0", "0.4.0"),
        ("moodle", EdgeKind.CHART, chart, '"1.2.3"', "1.2.3"),
        ("common", EdgeKind.SUBCHART, chart, "^0.1.0", "^0.1.0"),
    ]


def test_the_app_version_and_equal_tags_follow_their_image() -> None:
    after = bumped(MemoryTree(FILES), {"moodle": "1.3.0-rc.1", "moodle-chart": "0.10.0"}, *KINDS)
    assert after.read("charts/moodle/Chart.yaml").decode() == CHART_YAML.replace("0.9.0", "0.10.0").replace(
        '"1.2.3"', '"1.3.0-rc.1"'
    )
    assert after.read("charts/moodle/values.yaml").decode() == VALUES.replace("'1.2.3'", "'1.3.0-rc.1'")


def test_a_tag_inside_a_string_follows_and_app_version_stays_with_its_own_image() -> None:
    after = bumped(MemoryTree(FILES), {"cron": "0.5.0"}, *KINDS)
    assert after.read("charts/moodle/values.yaml").decode() == VALUES.replace("0.4.0", "0.5.0")
    assert after.read("charts/moodle/Chart.yaml").decode() == CHART_YAML


def test_a_tag_that_is_not_the_images_version_stays() -> None:
    values = "image: {repository: ghcr.io/acme/moodle, tag: latest}\n"
    after = bumped(MemoryTree({**FILES, "charts/moodle/values.yaml": values}), {"moodle": "1.3.0"}, *KINDS)
    assert after.read("charts/moodle/values.yaml").decode() == values


@pytest.mark.parametrize(
    ("name", "app_version", "values", "expected"),
    [
        ("cron", "7", "a: {repository: cron}\nb: {repository: ghcr.io/acme/moodle}\n", "cron"),
        ("x", "7", "a: {repository: cron}\n", "cron"),
        ("x", "1.2.3", "a: {repository: cron}\nb: {repository: ghcr.io/acme/moodle}\n", "moodle"),
        ("x", "7", "a: {repository: cron}\nb: {repository: ghcr.io/acme/moodle}\n", None),
        ("x", "7", "", None),
    ],
)
def test_app_version_belongs_to_one_image(name: str, app_version: str, values: str, expected: str | None) -> None:
    chart = f"apiVersion: v2\nname: chart-{name}\nversion: 1.0.0\nappVersion: {app_version}\n"
    if name == "cron":
        chart = chart.replace("chart-cron", "cron")
    tree = MemoryTree({**IMAGES, "c/Chart.yaml": chart, "c/values.yaml": values})
    images = components_of(tree, IMAGE)
    component = next(iter(CHART.discover(tree, tree.files())))
    parts = [edge.part for edge in CHART.edges(tree, component, images) if edge.path == "c/Chart.yaml"]
    assert parts == ([] if expected is None else [expected])


@pytest.mark.parametrize(
    "values",
    [
        "image:\n  repository: ghcr.io/acme/moodle\n  digest: sha256:" + "0" * 64 + "\n",
        "image: ghcr.io/acme/moodle:1.2.3@sha256:" + "0" * 64 + "\n",
    ],
)
def test_a_bump_of_an_image_pinned_by_digest_is_refused(values: str) -> None:
    with pytest.raises(FormatError, match="pins moodle by digest") as caught:
        bumped(MemoryTree({**FILES, "charts/moodle/values.yaml": values}), {"moodle": "1.3.0"}, *KINDS)
    assert caught.value.where[0].path == "charts/moodle/values.yaml"


def test_aliases_and_merged_values_are_read_once() -> None:
    values = (
        "x: &image\n  repository: ghcr.io/acme/moodle\n  tag: &tag 1.2.3\n"
        "a: *image\nb:\n  <<: *image\n  tag: *tag\nc: {repository: cron, tag: *tag}\n"
    )
    after = bumped(MemoryTree({**FILES, "charts/moodle/values.yaml": values}), {"moodle": "1.3.0"}, *KINDS)
    assert after.read("charts/moodle/values.yaml").decode() == values.replace("1.2.3", "1.3.0")


def digest_of(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


REDIS = '{"name":"redis","version":"\\u003e=1.0 \\u003c2","repository":"https://charts.example.org"}'
REDIS_LOCKED = '{"name":"redis","version":"1.9.0","repository":"https://charts.example.org"}'


def common(version: str) -> str:
    return f'{{"name":"common","version":"{version}","repository":"file://../common"}}'


def lock(range_: str, version: str) -> str:
    digest = digest_of(f"[[{common(range_)},{REDIS}],[{common(version)},{REDIS_LOCKED}]]")
    return (
        f"dependencies:\n- name: common\n  repository: file://../common\n  version: {version}\n"
        "- name: redis\n  repository: https://charts.example.org\n  version: 1.9.0\n"
        f'digest: {digest}\ngenerated: "2026-01-01T00:00:00Z"\n'
    )


@pytest.mark.parametrize(("new", "expected"), [("0.1.5", "^0.1.0"), ("0.2.0", "^0.2.0"), ("0.2.0-rc.1", "^0.2.0-rc.1")])
def test_a_subcharts_range_and_the_lock_follow(new: str, expected: str) -> None:
    tree = MemoryTree({**FILES, "charts/moodle/Chart.lock": lock("^0.1.0", "0.1.0")})
    after = bumped(tree, {"common": new}, *KINDS)
    assert after.read("charts/moodle/Chart.yaml").decode() == CHART_YAML.replace("^0.1.0", expected)
    assert after.read("charts/moodle/Chart.lock").decode() == lock(expected, new)


def test_a_lock_that_is_out_of_step_is_refused() -> None:
    tree = MemoryTree({**FILES, "charts/moodle/Chart.lock": lock("^0.0.9", "0.1.0")})
    with pytest.raises(FormatError, match="does not belong to the dependencies") as caught:
        bumped(tree, {"common": "0.2.0"}, *KINDS)
    assert "helm dependency update charts/moodle" in caught.value.fix


def test_a_version_with_build_metadata_is_never_written() -> None:
    tree = MemoryTree(FILES)
    component = components_of(tree, CHART)["common"]
    with pytest.raises(VersionRefused, match="an OCI tag can't hold build metadata"):
        list(CHART.write_version(tree, component, bump_of(component, "1.3.0+7")))


@pytest.mark.parametrize(
    ("dependencies", "what"),
    [
        ("- null\n", "a mapping is expected"),
        ("- {version: 1.0.0}\n", "a dependency has no name"),
        ("- {name: a, version: !what 1.0.0, repository: ''}\n", "the value can't be read"),
        ("  a: 1\n", "a list is expected"),
    ],
)
def test_malformed_dependencies_are_refused(dependencies: str, what: str) -> None:
    chart = f"name: c\nversion: 1.0.0\ndependencies:\n{dependencies}"
    with pytest.raises(FormatError, match=what) as caught:
        components_of(MemoryTree({"c/Chart.yaml": chart}), CHART)
    assert caught.value.where[0].line == 4


@pytest.mark.parametrize("version", ["1.2", "v1.2.3", "1.10", "one"])
def test_a_version_that_is_not_strictly_semantic_is_refused(version: str) -> None:
    with pytest.raises(FormatError, match="is not a semantic version") as caught:
        components_of(MemoryTree({"c/Chart.yaml": f"name: c\nversion: {version}\n"}), CHART)
    assert caught.value.where == (Place("c/Chart.yaml", 2, 10),)
