"""The rules about crates, Python packages, images and charts: a tree that keeps them and breaches of each."""

from __future__ import annotations

import pytest

from edits import components_of
from release.checks.rule import Context, Finding
from release.errors import Place
from release.workspace.kinds.chart import Chart
from release.workspace.kinds.crate import Crate
from release.workspace.kinds.image import Image
from release.workspace.kinds.python import Python
from trees import MemoryTree

KINDS = {kind.name: kind for kind in (Crate(), Python(), Image(), Chart())}

FILES = {
    "Cargo.toml": '[workspace]\nmembers = ["a", "b"]\n',
    "Cargo.lock": 'version = 4\n\n[[package]]\nname = "a"\nversion = "0.2.0"\n',
    "a/Cargo.toml": '[package]\nname = "a"\nversion = "0.2.0"\n',
    "b/Cargo.toml": (
        '[package]\nname = "b"\nversion = "0.1.0"\n[dev-dependencies]\na = { path = "../a", version = "0.2" }\n'
    ),
    "p/pyproject.toml": '[project]\nname = "p"\nversion = "1.1.0"\n',
    "q/pyproject.toml": '[project]\nname = "q"\nversion = "1.0.0"\ndependencies = ["p>=1.1"]\n',
    "i/image.yaml": "name: i\nversion: 1.2.3\n",
    "c/Chart.yaml": (
        'apiVersion: v2\nname: c\nversion: 1.0.0\nappVersion: "1.2.3"\n'
        "dependencies:\n- {name: d, version: ^0.1.0, repository: file://../d}\n"
    ),
    "c/values.yaml": "image:\n  repository: i\n",
    "d/Chart.yaml": "apiVersion: v2\nname: d\nversion: 0.1.4\n",
}


def findings(changes: dict[str, tuple[str, str]]) -> list[Finding]:
    """Return what all rules find after ``changes``: file to (old, new)."""
    from release.checks import RULES

    files = dict(FILES)
    for path, (old, new) in changes.items():
        assert old in files.get(path, "")
        files[path] = files.get(path, "").replace(old, new) if old else files.get(path, "") + new
    tree = MemoryTree(files)
    components = components_of(tree, *KINDS.values())
    edges = [edge for one in components.values() for edge in KINDS[one.kind].edges(tree, one, components)]
    context = Context(tree, components, edges)
    return [finding for rule in RULES for finding in rule.check(context)]


def test_a_tree_in_order_has_no_findings() -> None:
    assert findings({}) == []


@pytest.mark.parametrize(
    ("changes", "rule", "place", "fix"),
    [
        (
            {"b/Cargo.toml": ('"0.2"', '"=0.1.9"')},
            "crate-requirements",
            Place("b/Cargo.toml", 5, 32),
            '"=0.2.0"',
        ),
        (
            {"b/Cargo.toml": ('"0.2"', '"two"')},
            "crate-requirements",
            Place("b/Cargo.toml", 5, 32),
            "Cargo reads",
        ),
        (
            {"q/pyproject.toml": (">=1.1", "==1.0")},
            "python-requirements",
            Place("q/pyproject.toml", 4, 19),
            "==1.1",
        ),
        (
            {"Cargo.lock": ("0.2.0", "0.1.9")},
            "cargo-lock-in-step",
            Place("Cargo.lock", 5, 11),
            "cargo update",
        ),
        ({"i/image.yaml": ("1.2.3", "1.2.4")}, "chart-app-version", Place("c/Chart.yaml", 4, 13), '"1.2.4"'),
        (
            {"d/Chart.yaml": ("0.1.4", "0.2.0")},
            "chart-dependencies",
            Place("c/Chart.yaml", 6, 22),
            '"^0.2.0"',
        ),
        (
            {"c/Chart.lock": ("", "dependencies: []\ndigest: sha256:00\n")},
            "chart-dependencies",
            Place("c/Chart.lock", 2, 9),
            "helm dependency update c",
        ),
        ({"d/Chart.yaml": ("0.1.4", "0.1.4+7")}, "oci-version", Place("d/Chart.yaml", 3, 10), "write 0.1.4"),
        (
            {"c/values.yaml": ("repository: i", "repository: i\n  digest: sha256:00")},
            "chart-image-digest",
            Place("c/values.yaml", 3, 11),
            "tag or appVersion",
        ),
    ],
)
def test_a_breach_is_found_at_its_place_with_its_fix(
    changes: dict[str, tuple[str, str]], rule: str, place: Place, fix: str
) -> None:
    (finding,) = findings(changes)
    assert (finding.rule, finding.place) == (rule, place)
    assert fix in finding.fix
