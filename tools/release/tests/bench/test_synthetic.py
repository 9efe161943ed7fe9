"""The generator of the benchmark's repositories."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

GENERATOR = next(
    (script for folder in Path(__file__).resolve().parents if (script := folder / "bench" / "synthetic.py").exists()),
    None,
)
pytestmark = pytest.mark.skipif(GENERATOR is None, reason="bench/ isn't beside this copy of the tests")
COMMITS, COMPONENTS = 600, 30
VERSION_IN = {
    "version.php": re.compile(r"^\$plugin->release\s+= '(.+)';", re.MULTILINE),
    "Cargo.toml": re.compile(r'^version = "(.+?)"', re.MULTILINE),
    "image.yaml": re.compile(r"^version: (.+)$", re.MULTILINE),
    "Chart.yaml": re.compile(r"^version: (.+)$", re.MULTILINE),
}


@dataclass(frozen=True)
class Repository:
    """A repository that the generator made, and the versions it expects."""

    folder: Path
    expected: dict[str, dict[str, Any]]

    def git(self, *arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(self.folder), *arguments], check=True, capture_output=True, text=True)
        return done.stdout.strip()


def generate(folder: Path, seed: int) -> Repository:
    command = [sys.executable, str(GENERATOR), "--out", str(folder), "--seed", str(seed)]
    sizes = ["--commits", str(COMMITS), "--components", str(COMPONENTS)]
    subprocess.run([*command, *sizes], check=True, capture_output=True)
    expected = json.loads(folder.with_name(f"{folder.name}.expected.json").read_text(encoding="utf-8"))
    return Repository(folder, expected)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return generate(tmp_path_factory.mktemp("synthetic") / "repository", seed=1)


def test_the_same_seed_gives_the_same_objects_and_another_seed_others(made: Repository, tmp_path: Path) -> None:
    refs = made.git("for-each-ref")
    assert generate(tmp_path / "again", seed=1).git("for-each-ref") == refs
    assert generate(tmp_path / "other", seed=2).git("for-each-ref") != refs


def test_it_makes_the_commits_merges_and_components_asked_for(made: Repository) -> None:
    assert int(made.git("rev-list", "--count", "--all")) == COMMITS
    assert int(made.git("rev-list", "--count", "--merges", "HEAD")) > 0
    assert len(made.expected) == COMPONENTS
    assert made.git("branch", "--show-current") == "main"
    assert made.git("status", "--porcelain") == ""
    assert not made.git("for-each-ref", "refs/side")


def test_every_tag_is_annotated_and_its_tree_says_the_version_it_names(made: Repository) -> None:
    tags = made.git("for-each-ref", "--format=%(objecttype) %(refname:short)", "refs/tags").splitlines()
    assert len(tags) > COMPONENTS
    for line in tags:
        kind, tag = line.split(" ")
        assert kind == "tag"
        name, _, version = tag.rpartition("-v")
        assert version_at(made, tag, made.expected[name]["path"]) == version


def test_the_tree_at_head_says_the_last_released_versions(made: Repository) -> None:
    for component in made.expected.values():
        assert version_at(made, "HEAD", component["path"]) == component["previous"]


def test_the_expected_versions_are_those_of_commits_after_the_last_tag(made: Repository) -> None:
    for name, component in made.expected.items():
        span = f"{name}-v{component['previous']}..HEAD"
        commits = made.git("rev-list", "--count", "--full-history", span, "--", component["path"])
        assert component["commits"] == int(commits)
        assert (component["next"] == component["previous"]) == (component["level"] == 0)
    assert len({component["level"] for component in made.expected.values()}) > 2


def test_cargo_accepts_the_workspace_with_its_lock(made: Repository) -> None:
    cargo = shutil.which("cargo")
    if cargo is None:
        pytest.skip("cargo isn't installed")
    command = [cargo, "metadata", "--locked", "--offline", "--format-version", "1"]
    subprocess.run(command, cwd=made.folder, check=True, capture_output=True)


def version_at(repository: Repository, revision: str, folder: str) -> str:
    files = repository.git("ls-tree", "--name-only", revision, f"{folder}/").splitlines()
    (file,) = (path for path in files if path.rsplit("/", 1)[1] in VERSION_IN)
    found = VERSION_IN[file.rsplit("/", 1)[1]].search(repository.git("show", f"{revision}:{file}"))
    assert found is not None
    return found[1]
