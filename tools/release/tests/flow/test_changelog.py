"""``release changelog``: sections from the history, between any two points."""

from __future__ import annotations

from pathlib import Path

import pytest

from scratch import Scratch, crate, plugin, workspace_toml


@pytest.fixture
def repo(tmp_path: Path) -> Scratch:
    """Return a repository with three releases of a crate and of the plugin that bundles it."""
    repo = Scratch(tmp_path / "repo")
    repo.commit(
        "feat: begin",
        {
            "Cargo.toml": workspace_toml("crates/accel", "crates/user"),
            "crates/accel/Cargo.toml": crate("accel"),
            "crates/user/Cargo.toml": crate("user", "1.0.0", '[dependencies]\naccel = { path = "../accel" }\n'),
        },
    )
    repo.run("bump").ok()
    repo.clock += 86_400
    repo.touch("feat(accel): count", "crates/accel/src/lib.rs")
    repo.touch("fix(accel): count right", "crates/accel/src/lib.rs")
    repo.run("bump").ok()
    repo.clock += 86_400
    repo.touch("fix(accel)!: count otherwise", "crates/accel/src/lib.rs")
    repo.run("bump").ok()
    return repo


def sections(repo: Scratch, *args: str) -> list[tuple[str, list[str]]]:
    found = repo.run("changelog", *args, "--json").ok().json["sections"]
    return [
        (one["version"], [entry["text"].rpartition(" (")[0] or entry["text"] for entry in one["entries"]])
        for one in found
    ]


def test_unreleased_changes_are_shown_by_default(repo: Scratch) -> None:
    assert sections(repo, "accel") == []
    repo.touch("feat(accel): add", "crates/accel/src/lib.rs")
    out = repo.run("changelog", "accel").ok().out
    assert out.startswith("## [Unreleased]\n\n### Added\n\n- add (")


def test_there_is_a_section_for_each_release_between_newest_first(repo: Scratch) -> None:
    repo.touch("docs(accel): words", "crates/accel/README.md")
    repo.touch("perf(accel): faster", "crates/accel/src/lib.rs")
    found = sections(repo, "accel", "--from", "0.1.0")
    assert [version for version, _ in found] == ["Unreleased", "0.2.0", "0.1.1"]
    assert found[0][1] == ["faster"]
    assert found[2][1] == ["count right", "count"]


def test_sections_are_those_that_the_releases_wrote(repo: Scratch) -> None:
    for name, first in (("accel", "0.1.0"), ("user", "1.0.0")):
        written = repo.text(f"crates/{name}/CHANGELOG.md").partition("## [Unreleased]\n")[2].strip()
        made = repo.run("changelog", name, "--from", first).ok().out.strip()
        assert made
        assert written.startswith(made)


def test_dependencies_are_among_the_entries(repo: Scratch) -> None:
    assert sections(repo, "user", "--from", "1.0.1") == [("1.0.2", ["accel 0.1.1 → 0.2.0"])]


def test_one_release_is_shown_by_version_or_tag_alone(repo: Scratch) -> None:
    for name in ("0.1.1", "v0.1.1", "accel-v0.1.1"):
        assert [version for version, _ in sections(repo, "accel", "--to", name)] == ["0.1.1"]


def test_from_any_commit_only_what_came_after_it_is_shown(repo: Scratch) -> None:
    commit = repo.git("log", "-1", "--format=%H", "--grep=feat(accel): count")
    assert sections(repo, "accel", "--from", commit, "--to", "0.1.1") == [("0.1.1", ["count right"])]


def test_up_to_a_commit_between_releases_the_rest_is_unreleased(repo: Scratch) -> None:
    commit = repo.git("log", "-1", "--format=%H", "--grep=feat(accel): count")
    assert sections(repo, "accel", "--to", commit) == [("Unreleased", ["count"])]


def test_without_tags_the_same_comes_out(repo: Scratch) -> None:
    before = sections(repo, "accel", "--from", "0.1.0")
    repo.git("tag", "-d", *repo.tags())
    assert sections(repo, "accel", "--from", "0.1.0") == before


def test_tags_made_by_other_tools_give_sections_too(tmp_path: Path) -> None:
    repo = Scratch(tmp_path / "repo")
    repo.commit("feat: begin", {"version.php": plugin("local_fast")})
    repo.tag("v1.0.0")
    repo.touch("feat: more", "lib.php")
    repo.touch("fix: less", "lib.php")
    repo.commit("release", {"version.php": plugin("local_fast", 2025020200, "1.1.0")})
    repo.tag("v1.1.0")
    repo.commit("chore: set up", {"release.yaml": 'tag: "v{version}"\n'})
    assert sections(repo, "local_fast", "--from", "1.0.0") == [("1.1.0", ["less", "more"])]


def test_what_does_not_exist_is_told(repo: Scratch) -> None:
    assert repo.run("changelog", "nothing").code == 5
    assert repo.run("changelog", "accel", "--from", "9.9.9").code == 7


def test_another_lines_tags_do_not_disturb(repo: Scratch) -> None:
    repo.branch("side", "HEAD~2")
    repo.touch("fix(accel): aside", "crates/accel/src/lib.rs")
    repo.tag("accel-v0.1.9")
    repo.switch("main")
    assert [version for version, _ in sections(repo, "accel", "--from", "0.1.0")] == ["0.2.0", "0.1.1"]
