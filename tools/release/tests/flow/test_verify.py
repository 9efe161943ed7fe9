"""``release verify``: the decision made again from git alone."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from scratch import Scratch, crate, image, plugin, workspace_toml


@pytest.fixture
def released(tmp_path: Path) -> Scratch:
    """Return a repository of three components with two releases."""
    repo = Scratch(tmp_path / "repo")
    repo.commit(
        "feat: begin",
        {
            "Cargo.toml": workspace_toml("crates/accel"),
            "crates/accel/Cargo.toml": crate("accel"),
            "crates/accel/src/lib.rs": "//! Kernels.\n",
            "plugins/local_fast/version.php": plugin("local_fast"),
            "images/web/image.yaml": image("web"),
        },
    )
    repo.run("bump").ok()
    repo.touch("feat(accel): count faster", "crates/accel/src/lib.rs")
    repo.touch("fix(local_fast): a typo", "plugins/local_fast/lib.php")
    repo.clock += 100_000
    repo.run("bump").ok()
    return repo


def test_each_tag_of_each_release_verifies_when_the_history_has_gone_on(released: Scratch) -> None:
    released.touch("feat(accel)!: count otherwise", "crates/accel/src/lib.rs")
    released.run("bump").ok()
    for tag in released.tags():
        found = released.run("verify", tag, "--json").ok().json
        assert found["verified"]
        assert tag in {one["tag"] for one in found["components"]}


def test_what_was_verified_is_said(released: Scratch) -> None:
    out = released.run("verify", "accel-v0.1.1").ok().out
    assert "accel: 0.1.0 -> 0.1.1, minor" in out
    assert "local_fast: 1.0.0 -> 1.0.1 (2026010200), patch" in out
    assert "4 files byte for byte, nothing else" in out


def test_a_release_asked_for_with_options_is_made_again_with_them(released: Scratch) -> None:
    released.touch("feat(accel): a", "crates/accel/src/lib.rs")
    released.touch("feat(web): b", "images/web/Dockerfile")
    released.run("bump", "accel", "--pre", "rc").ok()
    released.run("bump", "--release-as", "web=3.0.0").ok()
    assert released.run("verify", "web-v3.0.0").ok()
    assert [tag for tag in released.tags() if "-rc." in tag and released.run("verify", tag).ok()]


def test_the_first_release_verifies_by_its_commit_in_a_clone_without_tags(released: Scratch, tmp_path: Path) -> None:
    first = released.git("rev-parse", "accel-v0.1.0^{commit}")
    clone = released.clone(tmp_path / "clone")
    clone.git("tag", "-d", *clone.tags())
    clone.run("verify", first).ok()


def test_a_lost_tag_changes_the_plan_but_neither_versions_nor_files(released: Scratch) -> None:
    released.git("tag", "-d", "accel-v0.1.0")
    done = released.run("verify", "accel-v0.1.1", "--json")
    assert done.code == 1
    assert [one["kind"] for one in done.json["differences"]] == ["tag", "plan"]
    assert "release tag --restore" in released.run("verify", "HEAD").out
    released.run("tag", "--restore").ok()
    released.run("verify", "accel-v0.1.1").ok()


def test_a_tag_that_is_on_no_release_commit_is_refused(released: Scratch) -> None:
    released.commit("chore: by hand")
    released.tag("accel-v9.0.0")
    done = released.run("verify", "accel-v9.0.0")
    assert done.code == 8
    assert "did not make" in done.err
    assert released.run("verify", "accel-v7.7.7").code == 7


def rewritten(repo: Scratch, old: str = "", new: str = "") -> None:
    """Commit the work tree instead of the release at HEAD, and move its tags there with their own messages."""
    text = repo.git("log", "-1", "--format=%B") + "\n"
    dates = {"GIT_AUTHOR_DATE": f"{repo.clock} +0000", "GIT_COMMITTER_DATE": f"{repo.clock} +0000"}
    tags = repo.git("tag", "--points-at", "HEAD").split()
    repo.git("add", "-A")
    repo.git("commit", "-q", "--amend", "--cleanup=verbatim", "-F", "-", data=text.replace(old, new), env=dates)
    for tag in tags:
        said = repo.git("cat-file", "tag", tag).partition("\n\n")[2]
        repo.git("tag", "-f", "-F", "-", tag, data=said, env=dates)


def test_a_file_changed_beyond_the_plan_is_named(released: Scratch) -> None:
    released.write({"plugins/local_fast/backdoor.php": "<?php\n"})
    rewritten(released)
    done = released.run("verify", "accel-v0.1.1", "--json")
    assert done.code == 1
    assert [(one["kind"], one["subject"]) for one in done.json["differences"]] == [
        ("file", "plugins/local_fast/backdoor.php")
    ]


def test_an_edit_other_than_the_plans_is_shown_with_its_line(released: Scratch) -> None:
    path = "plugins/local_fast/version.php"
    released.write({path: released.text(path).replace("2024100700", "2023100700")})
    rewritten(released)
    done = released.run("verify", "accel-v0.1.1")
    assert done.code == 1
    assert f"file {path}" in done.out
    assert "recorded   line 6: $plugin->requires = 2023100700;" in done.out
    assert "recomputed line 6: $plugin->requires = 2024100700;" in done.out


def test_a_file_made_executable_is_named(released: Scratch) -> None:
    (released.path / "crates/accel/Cargo.toml").chmod(0o755)
    rewritten(released)
    assert "mode 100755" in released.run("verify", "accel-v0.1.1").out


def test_a_version_other_than_the_historys_is_named_with_both(released: Scratch) -> None:
    rewritten(released, "- accel: 0.1.0 -> 0.1.1", "- accel: 0.1.0 -> 0.2.0")
    done = released.run("verify", "accel-v0.1.1", "--json")
    assert done.code == 1
    assert done.json["differences"] == [
        {"kind": "component", "subject": "accel", "recorded": "0.1.0 -> 0.2.0", "recomputed": "0.1.0 -> 0.1.1, minor"}
    ]


def test_a_trailer_other_than_the_plans_is_named(released: Scratch) -> None:
    rewritten(released, "Release-Component: accel 0.1.1", "Release-Component: accel 0.1.2")
    kinds = [one["kind"] for one in released.run("verify", "accel-v0.1.1", "--json").json["differences"]]
    assert kinds == ["trailer"]


def test_a_release_that_the_rules_refuse_is_a_difference(released: Scratch) -> None:
    rewritten(released, "Release-Request: {", 'Release-Request: {"release-as":{"accel":"0.0.1"},')
    done = released.run("verify", "accel-v0.1.1")
    assert done.code == 1
    assert "refused: --release-as asks for accel 0.0.1" in done.out


def test_a_tag_of_the_release_that_leads_elsewhere_is_named(released: Scratch) -> None:
    released.git("tag", "-f", "-m", "moved", "local_fast-v1.0.1", "HEAD~1")
    done = released.run("verify", "accel-v0.1.1", "--json")
    assert done.code == 1
    assert [(one["kind"], one["subject"]) for one in done.json["differences"]] == [("tag", "local_fast-v1.0.1")]


def test_a_lightweight_tag_has_no_digest(released: Scratch) -> None:
    released.git("tag", "-f", "accel-v0.1.1", "accel-v0.1.1^{commit}")
    done = released.run("verify", "accel-v0.1.1")
    assert done.code == 1
    assert "a lightweight tag" in done.out


def test_heads_of_other_lines_do_not_matter_to_an_old_release(released: Scratch) -> None:
    released.branch("MOODLE_405_STABLE", "HEAD~2")
    released.commit("chore: far ahead", {"plugins/local_fast/version.php": plugin("local_fast", 2099010100)})
    released.switch("main")
    released.run("verify", "local_fast-v1.0.1").ok()


def test_verifying_leaves_the_side_index_of_head_alone(released: Scratch) -> None:
    released.run("status").ok()
    index = released.path / ".git/release/index"
    before = index.read_bytes()
    released.run("verify", "accel-v0.1.0").ok()
    assert index.read_bytes() == before


@pytest.mark.parametrize("seed", range(3))
def test_a_tangled_history_gives_the_same_plan_from_any_side_index(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    repo = Scratch(tmp_path / "repo")
    repo.commit("feat: begin", {"images/web/image.yaml": image("web"), "images/job/image.yaml": image("job")})
    repo.run("bump").ok()
    branches = ["main", "left", "right"]
    for name in branches[1:]:
        repo.branch(name)
    for number in range(20):
        here = chance.choice(branches)
        repo.switch(here)
        if chance.random() < 0.3:
            other = chance.choice([name for name in branches if name != here])
            if repo.git("rev-list", f"{here}..{other}"):
                repo.merge(other)
            continue
        name = chance.choice(("web", "job"))
        repo.commit(f"fix({name}): number {number}", {f"images/{name}/{number}.txt": "x"})
        if chance.random() < 0.3:
            repo.run("status").ok()
    repo.switch("main")
    for name in branches[1:]:
        if repo.git("rev-list", f"main..{name}"):
            repo.merge(name)
    warm = repo.run("bump", "--dry-run", "--json").ok().json["digest"]
    (repo.path / ".git/release/index").unlink()
    assert repo.run("bump", "--dry-run", "--json").ok().json["digest"] == warm
    repo.run("bump").ok()
    repo.switch("left")
    repo.merge("main")
    repo.touch("feat(web): later", "images/web/later")
    repo.run("status").ok()
    for tag in repo.tags():
        repo.run("verify", tag).ok()


def test_who_else_a_squash_touches_is_known_also_when_only_one_component_has_not_released_it(tmp_path: Path) -> None:
    repo = Scratch(tmp_path / "repo")
    names = [f"part{number:02}" for number in range(20)]
    repo.commit("feat: begin", {f"images/{name}/image.yaml": image(name) for name in names})
    repo.run("bump").ok()
    repo.commit(
        "chore: squash of a branch\n\n* feat(part01): only the first\n\n* fix(part02): only the second\n",
        {"images/part01/a": "a", "images/part02/b": "b"},
    )
    others = [name for name in names if name != "part02"]
    repo.touch("fix: all others", *(f"images/{name}/more" for name in others))
    repo.run("bump", *others).ok()
    assert repo.versions() == {"part02": "1.0.1"}
    (repo.path / ".git/release/index").unlink()
    assert repo.versions() == {"part02": "1.0.1"}
