"""Images are pinned by digest, or nothing is rolled out."""

from __future__ import annotations

from pathlib import Path

import pytest

from release.errors import RolloutRefused
from release.rollout.images import Pin, parse_pin, pinned_values, refuse_unpinned, unpinned
from rollouts import DIGEST, Site


def deployment(*images: str) -> str:
    containers = ", ".join(f"{{name: c{i}, image: '{image}'}}" for i, image in enumerate(images))
    return (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: site}\n"
        f"spec: {{template: {{spec: {{containers: [{containers}]}}}}}}\n"
    )


@pytest.mark.parametrize(
    ("text", "repository"),
    [
        (f"site=example/site@{DIGEST}", "example/site"),
        (f"site=127.0.0.1:5000/a/site:1.2@{DIGEST}", "127.0.0.1:5000/a/site"),
        (f"site=site@{DIGEST}", "site"),
    ],
)
def test_a_pin_is_read(text: str, repository: str) -> None:
    assert parse_pin(text) == Pin("site", repository, DIGEST)


@pytest.mark.parametrize(
    "text",
    ["site", "site=example/site", "site=example/site:1.0", "site=example/site@sha256:ab", f"example/site@{DIGEST}"],
)
def test_what_is_not_pinned_by_digest_is_refused(text: str) -> None:
    with pytest.raises(RolloutRefused):
        parse_pin(text)


def test_both_forms_of_values_are_set_wherever_they_stand() -> None:
    values = (
        "web: {image: {registry: docker.io, repository: moodle/site, tag: ''}}\n"
        "cron: {image: 'moodle/site:1.0'}\nredis: {image: {repository: redis}}\n"
    )
    assert pinned_values(values, [Pin("site", "ghcr.io/a/site", DIGEST)]) == {
        "web": {"image": {"repository": "ghcr.io/a/site", "digest": DIGEST, "registry": ""}},
        "cron": {"image": f"ghcr.io/a/site@{DIGEST}"},
    }


def test_an_image_that_the_values_do_not_name_is_refused() -> None:
    with pytest.raises(RolloutRefused, match="name no image shop"):
        pinned_values("image: {repository: site}\n", [Pin("shop", "example/shop", DIGEST)])


def test_every_image_that_runs_must_be_pinned() -> None:
    manifest = deployment(f"example/site@{DIGEST}", "redis:7")
    assert unpinned(manifest) == ["redis:7"]
    with pytest.raises(RolloutRefused, match="redis:7"):
        refuse_unpinned(manifest, [], "prod")


def test_a_chart_whose_templates_ignore_the_digest_is_refused() -> None:
    other = DIGEST.replace("ab", "cd")
    manifest = deployment(f"example/site:1.0@{DIGEST}")
    refuse_unpinned(manifest, [Pin("site", "example/site", DIGEST)], "prod")
    with pytest.raises(RolloutRefused, match="does not run"):
        refuse_unpinned(manifest, [Pin("site", "example/site", other)], "prod")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, "scripted helm 4", stages=("prod",))


def test_a_run_with_an_image_by_tag_changes_nothing(site: Site) -> None:
    site.chart("first", hangs=True, image="example/site:1.0")
    result = site.roll_out()
    assert result.code == 32
    assert "not pinned by digest: example/site:1.0" in result.err
    assert site.history("prod") == []


def test_a_pinned_image_reaches_the_chart(site: Site) -> None:
    site.chart("first", hangs=True, image="{{ .Values.image.repository }}@{{ .Values.image.digest }}")
    pin = f"site=other/site@{DIGEST}"
    out = site.run("diff", "--chart", "charts/site", "--image", pin).ok().out
    assert f"image: other/site@{DIGEST}" in out
    assert "not pinned" not in out
    assert site.run("diff", "--chart", "charts/site", env={"RELEASE_IMAGES": f" {pin}\n"}).ok().out == out


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"helm": "3.22.0"}, "this is Helm 4, and release.yaml says 3.22.0"),
        ({"cluster": "eu"}, "no context of the kubeconfig leads to the cluster eu"),
        ({"values": ["nowhere.yaml"]}, "there is no values file nowhere.yaml"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_changed(site: Site, change: dict[str, str], what: str) -> None:
    site.configure(**change)  # type: ignore[arg-type]
    result = site.roll_out()
    assert result.code == 32
    assert what in result.err
    assert site.history("prod") == []


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("run", "shop", "--chart", "charts/site"), "there is no stage shop"),
        (("run", "--chart", "charts/shop"), "there is no chart at charts/shop"),
        (("run", "--chart", "charts/site", "--version", "1.0.0"), "--version chooses"),
        (("recover", "shop"), "there is no stage shop"),
    ],
)
def test_an_argument_that_means_nothing_is_refused(site: Site, arguments: tuple[str, ...], what: str) -> None:
    result = site.run(*arguments)
    assert result.code == 32
    assert what in result.err


def test_a_helm_that_is_not_there_is_refused(site: Site) -> None:
    result = site.run("status", env={"HELM": "/nowhere/helm"})
    assert result.code == 32
    assert "/nowhere/helm can't be run" in result.err


def test_the_cluster_of_a_stage_chooses_its_context(site: Site) -> None:
    site.configure(cluster="test")
    site.roll_out().ok()
    assert site.history("prod") == [(1, "deployed")]
