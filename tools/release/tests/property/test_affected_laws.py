"""What a change affects: at least the transitive closure, never less for more files, all on an unknown base."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everything import everything, surveyed
from release.ci.change import Change
from release.ci.compose import compose
from release.ci.matrix import ALL
from release.ci.plan import Decision, decide
from release.ci.site import Site
from release.ci.workflow import Workflow
from release.errors import Place
from release.flow.affected import spread
from release.model.component import Component, Edge, EdgeKind
from release.model.edit import Token
from release.workspace.config import Config, load
from release.workspace.discover import Workspace
from scratch import Scratch
from trees import MemoryTree

_TOKEN = Token("x", 0, 1, 1)
_FOLDERS = ("a", "b", "a/deep", "c", "d/e", "f")
_FILES = (*(f"{folder}/file" for folder in _FOLDERS), "a/deep/down/file", "README.md", "tools.lock", "shared/x")


_CHANCE = st.randoms(use_true_random=True)
"""Evenly spread numbers: what hypothesis draws is so small that chains of components hardly ever occur."""


def _workspace(chance: random.Random) -> tuple[Workspace, Config]:
    """Return up to six components, some in others' folders, with edges that form no cycle, and a configuration."""
    names = [f"c{number}" for number in range(chance.randint(1, len(_FOLDERS)))]
    components = {
        name: Component(name, "image", path, f"{path}/image.yaml", f"{path}/CHANGELOG.md", Place(path), None)
        for name, path in zip(names, _FOLDERS, strict=False)
    }
    pairs = [(part, whole) for place, part in enumerate(names) for whole in names[place + 1 :]]
    edges = tuple(Edge(part, whole, EdgeKind.IMAGE, "x", _TOKEN) for part, whole in pairs if chance.random() < 0.3)
    text = "everything: [/tools.lock]\n" if chance.random() < 0.5 else ""
    if chance.random() < 0.5:
        text += f"components: {{{chance.choice(names)}: {{paths: [/shared/**]}}}}\n"
    return Workspace(MemoryTree({}), components, edges), load(text.encode() or None)


def _some(chance: random.Random) -> list[str]:
    return chance.sample(_FILES, chance.randint(0, 3))


def _owners(workspace: Workspace, config: Config, path: str) -> set[str]:
    """Return who owns the file, found in the plainest way."""
    if path == "tools.lock" and config.everything:
        return set(workspace.components)
    inside = [one for one in workspace.components.values() if path.startswith(f"{one.path}/")]
    found = {max(inside, key=lambda one: len(one.path)).name} if inside else set()
    return found | {name for name in workspace.components if path == "shared/x" and config.of(name).paths}


def _closure(workspace: Workspace, names: set[str]) -> set[str]:
    while further := {edge.whole for edge in workspace.edges if edge.part in names} - names:
        names = names | further
    return names


@settings(max_examples=200)
@given(_CHANCE)
def test_affected_is_the_transitive_closure_of_the_owners(chance: random.Random) -> None:
    workspace, config = _workspace(chance)
    files = _some(chance)
    owners = set().union(*(_owners(workspace, config, path) for path in files))
    affected = spread(workspace, config, files)
    assert {one.name for one in affected} == _closure(workspace, owners)
    edges = {(edge.part, edge.whole) for edge in workspace.edges}
    for one in affected:
        assert one.file in files
        assert one.chain[0] in _owners(workspace, config, one.file)
        assert one.chain[-1] == one.name
        assert edges.issuperset(zip(one.chain, one.chain[1:], strict=False))


@given(_CHANCE)
def test_more_files_never_affect_less(chance: random.Random) -> None:
    found, files = _workspace(chance), _some(chance)
    less = {one.name for one in spread(*found, files)}
    more = {one.name for one in spread(*found, [*files, *_some(chance)])}
    assert less <= more


@pytest.fixture(scope="module")
def campus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Site, tuple[Workflow, ...]]:
    """Return a monorepo that needs every workflow, and these."""
    site = surveyed(everything(tmp_path_factory.mktemp("campus") / "campus"))
    return site, compose(site)


def _covered(decision: Decision, components: Mapping[str, Component]) -> set[tuple[str, ...]]:
    """Return (job, values of the cell, component) for all that would be done."""
    found: set[tuple[str, ...]] = set()
    for job, cells in decision.cells.items():
        for cell in cells:
            rest = [f"{key}={value}" for key, value in sorted(cell.items()) if key not in ("name", "components")]
            names = list(components) if cell.get("components") == ALL else cell.get("components", "").split()
            found |= {(job, *rest, name) for name in names} or {(job, *rest)}
    return found


def _change(site: Site, names: set[str], roots: set[tuple[str, str]], event: str, trusted: bool) -> Change:
    components = {name: one for name, one in site.components.items() if name in names}
    return Change(frozenset({"file"} if names or roots else ()), components, sorted(roots), event, trusted)


_EVENTS = ("pull_request", "merge_group", "push", "workflow_dispatch")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_plan_of_every_workflow_grows_with_the_change(
    campus: tuple[Site, tuple[Workflow, ...]], data: st.DataObject
) -> None:
    site, workflows = campus
    assert site.config.terraform is not None
    pairs = [(root.path, name) for root in site.config.terraform.roots for name in root.environments]
    names, further = (data.draw(st.sets(st.sampled_from(sorted(site.components)))) for _ in range(2))
    roots, more_roots = (data.draw(st.sets(st.sampled_from(pairs))) for _ in range(2))
    event, trusted = data.draw(st.sampled_from(_EVENTS)), data.draw(st.booleans())
    less = _change(site, names, roots, event, trusted)
    more = _change(site, names | further, roots | more_roots, event, trusted)
    unknown = Change(None, site.components, pairs, event, trusted)
    for workflow in workflows:
        few, many, all_ = (_covered(decide(workflow, one), site.components) for one in (less, more, unknown))
        assert few <= many <= all_
        assert decide(workflow, unknown).jobs == {
            job.id: trusted and event == "pull_request" if job.id.startswith("terraform-plan-") else True
            for job in workflow.jobs
            if job.select is not None
        }


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_affected_component_is_tested_and_no_other(
    campus: tuple[Site, tuple[Workflow, ...]], data: st.DataObject
) -> None:
    site, workflows = campus
    names = data.draw(st.sets(st.sampled_from(sorted(site.components))))
    ci = next(one for one in workflows if one.id == "ci")
    covered = _covered(decide(ci, _change(site, names, set(), "push", True)), site.components)
    for kind in ("crate", "plugin", "python", "chart"):
        wanted = {name for name in names if site.components[name].kind == kind}
        assert {place[-1] for place in covered if place[0] == f"test-{kind}"} == wanted
    for plugin in (name for name in names if site.components[name].kind == "plugin"):
        branches = {place[1] for place in covered if place[0] == "test-moodle" and place[-1] == plugin}
        assert branches == {f"branch=MOODLE_{branch}_STABLE" for branch in site.branches[plugin]}


@pytest.mark.parametrize("seed", range(3))
def test_real_histories_keep_both_laws(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    campus = everything(tmp_path / "campus")
    begin = campus.git("rev-parse", "HEAD")
    files = [path for path in campus.git("ls-files").split("\n") if path.endswith((".rs", ".md", "Dockerfile", ".php"))]
    before: set[str] = set()
    for _ in range(3):
        campus.touch("fix: something", *chance.sample(files, 2))
        changed = set(campus.git("diff", "--name-only", begin, "HEAD").split("\n"))
        affected = _names(campus, begin)
        owners = {name for name, folder in _FOLDER.items() if any(path.startswith(folder) for path in changed)}
        assert affected == owners.union(*(_WHOLES[name] for name in owners))
        assert before <= affected
        before = affected
    campus.git("checkout", "-q", "--orphan", "other")
    campus.commit("feat: another beginning")
    assert campus.run("affected", "--base", begin).code == 7


_FOLDER = {
    "core": "crates/core/",
    "fast": "crates/fast/",
    "local_campus": "plugins/local_campus/",
    "block_clock": "plugins/block_clock/",
    "campus-tools": "tools/campus/",
    "campus": "images/campus/",
    "campus-chart": "charts/campus/",
}
_WHOLES = {
    **dict.fromkeys(_FOLDER, frozenset[str]()),
    "core": {"fast", "local_campus", "campus", "campus-chart"},
    "fast": {"local_campus", "campus", "campus-chart"},
    "local_campus": {"campus", "campus-chart"},
    "campus": {"campus-chart"},
}


def _names(repository: Scratch, base: str) -> set[str]:
    listed = repository.run("affected", "--base", base, "--json").ok().json
    return {one["name"] for one in listed["components"]}
