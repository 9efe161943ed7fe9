"""Plugins without a release string, as most are: only the integer rises, and nothing else waits for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from scratch import Scratch, crate, image, plugin

PLUGIN = "local/clock/version.php"


@pytest.fixture
def repository(tmp_path: Path) -> Scratch:
    scratch = Scratch(tmp_path / "repository")
    scratch.commit(
        "feat: begin",
        {
            PLUGIN: plugin("local_clock", 2025010100).replace("$plugin->release = '1.0.0';\n", ""),
            "crates/b/Cargo.toml": crate("b", "1.0.0"),
            "images/site/image.yaml": image("site", further="contains:\n  plugins: [local_clock]\n"),
        },
    )
    scratch.run("bump").ok()
    return scratch


def test_a_first_release_keeps_the_number_writes_no_release_and_makes_no_tag(repository: Scratch) -> None:
    assert "release" not in repository.text(PLUGIN)
    assert "= 2025010100;" in repository.text(PLUGIN)
    assert repository.tags() == ["b-v1.0.0", "site-v1.0.0"]
    assert "Nothing to release" in repository.run("bump").ok().out


def test_each_change_raises_the_number_and_what_contains_it(repository: Scratch) -> None:
    repository.touch("feat: strike", "local/clock/lib.php")
    repository.run("bump").ok()
    assert "= 2026010100;" in repository.text(PLUGIN)
    assert "release" not in repository.text(PLUGIN)
    assert repository.tags() == ["b-v1.0.0", "site-v1.0.0", "site-v1.0.1"]
    assert "Nothing to release" in repository.run("bump").ok().out


def test_a_version_that_is_asked_for_is_written_and_tagged(repository: Scratch) -> None:
    repository.run("bump", "--release-as", "local_clock=1.0.0").ok()
    assert "$plugin->release = '1.0.0';" in repository.text(PLUGIN)
    assert "local_clock-v1.0.0" in repository.tags()


def test_a_first_release_that_changes_no_number_lists_no_edit_of_the_manifest(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "repository")
    scratch.commit("feat: begin", {PLUGIN: plugin("local_clock", 2030010100)})
    plan = scratch.run("bump", "--dry-run", "--json").ok().json
    assert [edit["path"] for edit in plan["edits"]] == ["local/clock/CHANGES.md"]
