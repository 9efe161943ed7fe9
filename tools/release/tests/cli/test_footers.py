"""Footers of ours in commits that touch nothing of a component, and scopes in squash commits."""

from __future__ import annotations

from pathlib import Path

import pytest

from scratch import Scratch, chart, crate, image


@pytest.fixture
def repository(tmp_path: Path) -> Scratch:
    scratch = Scratch(tmp_path / "repository")
    scratch.commit(
        "feat: begin",
        {
            "crates/core/Cargo.toml": crate("acme-core", "1.0.0"),
            "crates/b/Cargo.toml": crate("b", "1.0.0"),
            "images/web/image.yaml": image("web"),
            "charts/web/Chart.yaml": chart("web"),
        },
    )
    scratch.tag("acme-core-v1.0.0", "b-v1.0.0", "image-web-v1.0.0", "chart-web-v1.0.0")
    return scratch


def test_a_footer_that_names_a_component_counts_in_an_empty_commit(repository: Scratch) -> None:
    repository.commit("chore: release b\n\nRelease-As: b 2.0.0")
    assert repository.versions() == {"b": "2.0.0"}


def test_a_footer_that_names_a_component_counts_in_a_commit_that_touches_another(repository: Scratch) -> None:
    repository.touch("fix: x\n\nRelease-As: b 2.0.0", "crates/core/src/lib.rs")
    assert repository.versions() == {"acme-core": "1.0.1", "b": "2.0.0"}


def test_a_footer_that_names_a_component_counts_in_a_merge(repository: Scratch) -> None:
    repository.branch("topic")
    repository.switch("topic")
    repository.touch("fix: x", "crates/b/src/lib.rs")
    repository.switch("main")
    repository.merge("topic", "Merge topic\n\nRelease-As: b 1.5.0")
    assert repository.versions() == {"b": "1.5.0"}


def test_the_newest_of_several_footers_wins_wherever_it_stands(repository: Scratch) -> None:
    repository.commit("chore: release b\n\nRelease-As: b 3.0.0")
    repository.touch("fix: x\n\nRelease-As: 2.0.0", "crates/b/src/lib.rs")
    assert repository.versions() == {"b": "2.0.0"}
    repository.commit("chore: release b\n\nRelease-As: b 4.0.0")
    assert repository.versions() == {"b": "4.0.0"}


def test_a_footer_without_a_name_asks_for_nothing_in_an_empty_commit_of_several_components(repository: Scratch) -> None:
    repository.commit("chore: release\n\nRelease-As: 2.0.0")
    assert repository.versions() == {}


def test_a_footer_that_was_followed_asks_for_nothing_any_more(repository: Scratch) -> None:
    repository.commit("chore: release b\n\nRelease-As: b 2.0.0")
    repository.run("bump").ok()
    assert "Nothing to release" in repository.run("bump").ok().out


def test_a_squash_entry_finds_its_component_by_native_name_and_by_folder(repository: Scratch) -> None:
    repository.touch("Squash\n\n* feat(web): one\n* fix(core): two", "images/web/x", "crates/core/src/lib.rs")
    assert repository.versions() == {"acme-core": "1.0.1", "image-web": "1.1.0"}
