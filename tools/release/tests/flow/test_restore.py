"""``release tag --restore``: missing tags made again from the trailers of release commits."""

from __future__ import annotations

from pathlib import Path

import pytest

from scratch import Scratch, crate, image, plugin, workspace_toml


@pytest.fixture
def released(tmp_path: Path) -> Scratch:
    """Return a repository of three components with two releases, the second under other tag names."""
    repo = Scratch(tmp_path / "repo")
    repo.commit(
        "feat: begin",
        {
            "Cargo.toml": workspace_toml("crates/accel"),
            "crates/accel/Cargo.toml": crate("accel"),
            "plugins/local_fast/version.php": plugin("local_fast"),
            "images/web/image.yaml": image("web"),
        },
    )
    repo.run("bump").ok()
    repo.touch("feat(local_fast): more", "plugins/local_fast/lib.php")
    repo.touch("fix(web): less", "images/web/Dockerfile")
    repo.clock += 100_000
    repo.run("bump").ok()
    return repo


def test_tags_made_again_are_the_same_objects(released: Scratch) -> None:
    before = released.git("for-each-ref", "refs/tags")
    lost = released.tags()
    released.git("tag", "-d", *lost)
    released.clock += 1_000_000
    out = released.run("tag", "--restore").ok().out
    assert released.git("for-each-ref", "refs/tags") == before
    assert f"{len(lost)} tags made again" in out


def test_only_missing_tags_are_made(released: Scratch) -> None:
    released.git("tag", "-d", "web-v1.0.0")
    found = released.run("tag", "--restore", "--json").ok().json
    assert [one["tag"] for one in found["tags"]] == ["web-v1.0.0"]


def test_a_dry_run_lists_and_makes_none(released: Scratch) -> None:
    released.git("tag", "-d", "web-v1.0.0", "local_fast-v1.1.0")
    out = released.run("tag", "--restore", "--dry-run").ok().out
    assert out.splitlines()[0].startswith("local_fast-v1.1.0 at ")
    assert "2 tags are missing" in out
    assert "web-v1.0.0" not in released.tags()


def test_nothing_missing_is_said(released: Scratch) -> None:
    assert "No tag is missing" in released.run("tag", "--restore").ok().out


def test_a_tag_that_leads_elsewhere_is_an_error_naming_both_commits(released: Scratch) -> None:
    commit = released.git("rev-parse", "web-v1.0.1^{commit}")
    other = released.git("rev-parse", "HEAD~1")
    released.git("tag", "-f", "-m", "moved", "web-v1.0.1", other)
    released.git("tag", "-d", "local_fast-v1.1.0")
    done = released.run("tag", "--restore")
    assert done.code == 8
    assert commit[:12] in done.err
    assert other[:12] in done.err
    assert "local_fast-v1.1.0" not in released.tags()


def test_two_commits_that_released_the_same_are_an_error_naming_both(released: Scratch) -> None:
    commit = released.git("rev-parse", "HEAD")
    text = released.git("log", "-1", "--format=%B")
    again = released.commit(text)
    released.git("tag", "-d", "web-v1.0.1")
    done = released.run("tag", "--restore")
    assert done.code == 8
    assert commit[:12] in done.err
    assert again[:12] in done.err


def test_the_tag_format_of_each_releases_own_time_is_used(released: Scratch) -> None:
    released.commit(
        "chore: other tags",
        {"release.yaml": 'tag: "{name}/{version}"\n'},
    )
    released.touch("fix(web): even less", "images/web/Dockerfile")
    released.run("bump").ok()
    before = released.git("for-each-ref", "refs/tags")
    assert "web/1.0.2" in before
    released.git("tag", "-d", *released.tags())
    released.run("tag", "--restore").ok()
    assert released.git("for-each-ref", "refs/tags") == before


def test_in_a_clone_without_tags_they_come_back_and_the_next_plan_is_the_same(
    released: Scratch, tmp_path: Path
) -> None:
    released.touch("feat(accel): on", "crates/accel/src/lib.rs")
    clone = released.clone(tmp_path / "clone", "--no-tags")
    clone.run("tag", "--restore").ok()
    assert clone.tags() == released.tags()
    assert clone.versions() == released.versions() == {"accel": "0.1.1"}


def test_a_shallow_clone_is_refused(released: Scratch, tmp_path: Path) -> None:
    done = released.clone(tmp_path / "clone", "--depth", "1").run("tag", "--restore")
    assert done.code == 7
    assert "git fetch --unshallow" in done.err


def test_without_restore_it_says_what_makes_tags(released: Scratch) -> None:
    done = released.run("tag")
    assert done.code == 2
    assert "--restore" in done.err
