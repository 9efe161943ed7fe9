"""Histories as they are: shallow, detached, forked, moved, unborn, dirty; the command never guesses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scratch import Scratch, chart, crate, image, plugin, workspace_toml

CORE = "plugins/local_core"


def one_plugin(path: Path, build: int = 2025010100, release: str = "1.0.0") -> Scratch:
    s = Scratch(path)
    s.commit(
        "feat: begin",
        {
            f"{CORE}/version.php": plugin("local_core", build, release),
            f"{CORE}/lib.php": "<?php\n",
        },
    )
    return s


def one_crate(path: Path, version: str = "1.0.0", config: str = "") -> Scratch:
    s = Scratch(path)
    files = {"crates/a/Cargo.toml": crate("a", version), "crates/a/src/lib.rs": ""}
    s.commit("feat: begin", {**files, **({"release.yaml": config} if config else {})})
    return s


# Shallow clones


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Scratch:
    """Return 70 commits after the release of one component, and 5 after that of another."""
    s = Scratch(tmp_path_factory.mktemp("deep") / "r")
    s.commit(
        "feat: begin",
        {
            "Cargo.toml": workspace_toml("crates/old", "crates/new"),
            "crates/old/Cargo.toml": crate("old", "1.0.0"),
            "crates/old/src/lib.rs": "",
            "crates/new/Cargo.toml": crate("new", "2.0.0"),
            "crates/new/src/lib.rs": "",
        },
    )
    s.tag("old-v1.0.0")
    s.touch("feat(old): long ago", "crates/old/src/lib.rs")
    for number in range(65):
        if number == 60:
            s.tag("new-v2.0.0")
        s.commit(f"fix(new): step {number}", {"crates/new/src/lib.rs": f"// {number}\n"})
    return s


@pytest.mark.parametrize("command", [["bump"], ["bump", "--dry-run"], ["status"], ["why", "old"]])
def test_a_shallow_clone_is_refused_naming_the_missing_tag_and_the_fetch(
    deep: Scratch, tmp_path: Path, command: list[str]
) -> None:
    clone = deep.clone(tmp_path / "clone", "--depth", "50")
    before = clone.state()
    result = clone.run(*command)
    assert result.code == 7
    assert "shallow" in result.err
    assert "old-v1.0.0" in result.err
    assert "new-v2.0.0" not in result.err
    assert "git fetch --unshallow --tags origin" in result.err
    assert clone.state() == before


def test_the_fetch_that_the_refusal_names_makes_the_clone_whole(deep: Scratch, tmp_path: Path) -> None:
    clone = deep.clone(tmp_path / "clone", "--depth", "50")
    fix = next(line for line in clone.run("bump").err.splitlines() if "git fetch" in line)
    clone.git(*fix.partition("(release")[0].split()[2:])
    assert clone.versions() == deep.versions() == {"old": "1.1.0", "new": "2.0.1"}


def test_fetch_makes_a_shallow_clone_whole_and_goes_on(deep: Scratch, tmp_path: Path) -> None:
    clone = deep.clone(tmp_path / "clone", "--depth", "50")
    assert clone.versions("--fetch") == {"old": "1.1.0", "new": "2.0.1"}
    assert clone.git("rev-parse", "--is-shallow-repository") == "false"


def test_a_shallow_clone_whose_tags_were_fetched_each_by_itself_is_refused(deep: Scratch, tmp_path: Path) -> None:
    clone = deep.clone(tmp_path / "clone", "--depth", "10")
    clone.git("fetch", "-q", "--depth", "1", "origin", "refs/tags/old-v1.0.0:refs/tags/old-v1.0.0")
    result = clone.run("bump", "--dry-run")
    assert result.code == 7
    assert "old-v1.0.0" in result.err


def test_a_shallow_clone_that_reaches_every_last_release_is_good_enough(deep: Scratch, tmp_path: Path) -> None:
    s = deep.clone(tmp_path / "full")
    s.run("bump").ok()
    s.touch("fix(new): later", "crates/new/src/lib.rs")
    clone = s.clone(tmp_path / "clone", "--depth", "20")
    assert clone.versions() == {"new": "2.0.2"}


def test_a_shallow_clone_of_what_was_never_released_is_refused(tmp_path: Path) -> None:
    s = one_crate(tmp_path / "r")
    for _ in range(3):
        s.touch("fix: again", "crates/a/src/lib.rs")
    result = s.clone(tmp_path / "clone", "--depth", "2").run("bump")
    assert result.code == 7
    assert "a-v1.0.0" in result.err


# Detached, unborn, dirty, linked


def test_a_detached_head_can_be_planned_but_not_released(tmp_path: Path) -> None:
    s = one_crate(tmp_path / "r")
    s.git("switch", "-q", "--detach")
    before = s.state()
    assert s.versions() == {"a": "1.0.0"}
    result = s.run("bump")
    assert result.code == 7
    assert "HEAD is detached" in result.err
    assert "git switch BRANCH" in result.err
    assert s.state() == before


@pytest.mark.parametrize("command", [["bump"], ["status"], ["graph"], ["affected", "--base", "main"], ["why", "a"]])
def test_a_repository_without_a_commit_says_so(tmp_path: Path, command: list[str]) -> None:
    s = Scratch(tmp_path / "r")
    s.write({"crates/a/Cargo.toml": crate("a")})
    result = s.run(*command)
    assert result.code == 7
    assert "no commit yet" in result.err
    assert "commit the components first" in result.err


def test_a_repository_without_components_has_nothing_to_release(tmp_path: Path) -> None:
    s = Scratch(tmp_path / "r")
    s.commit("feat: begin", {"README.md": "# Nothing\n"})
    assert "Nothing to release" in s.run("bump").ok().out
    assert "No components" in s.run("status").ok().out


def test_a_dirty_tree_is_refused_with_a_list(tmp_path: Path) -> None:
    s = one_crate(tmp_path / "r")
    s.write({"crates/a/src/lib.rs": "// changed\n", "crates/a/new file.rs": "", "notes.txt": "elsewhere"})
    s.write({"staged.txt": ""})
    s.git("add", "staged.txt")
    before = s.state()
    result = s.run("bump")
    assert result.code == 7
    assert "dirty" in result.err
    for name in ("crates/a/src/lib.rs", "crates/a/new file.rs", "staged.txt"):
        assert name in result.err
    assert "notes.txt" not in result.err
    assert "commit, stash or remove" in result.err
    assert s.state() == before


def test_an_untracked_changelog_is_not_overwritten(tmp_path: Path) -> None:
    s = one_crate(tmp_path / "r")
    s.write({".gitignore": "CHANGELOG.md\n"})
    s.commit("chore: ignore")
    s.write({"crates/a/CHANGELOG.md": "mine\n"})
    before = s.state()
    result = s.run("bump")
    assert result.code == 7
    assert "crates/a/CHANGELOG.md exists but is not tracked" in result.err
    assert s.state() == before
    assert s.text("crates/a/CHANGELOG.md") == "mine\n"


def test_files_that_were_only_touched_are_no_dirt(tmp_path: Path) -> None:
    s = one_crate(tmp_path / "r")
    for file in (s.path / "crates/a").rglob("*.*"):
        if file.is_file():
            content = file.read_bytes()
            file.unlink()
            file.write_bytes(content)
    s.run("bump").ok()
    assert s.git("status", "--porcelain") == ""


def test_the_plan_is_of_the_commit_whatever_the_work_tree_holds(tmp_path: Path) -> None:
    s = one_crate(tmp_path / "r")
    s.write({"crates/a/Cargo.toml": "broken [", "release.yaml": "nonsense: true\n"})
    assert s.versions() == {"a": "1.0.0"}


def test_a_linked_worktree_releases_its_own_branch(tmp_path: Path) -> None:
    s = one_crate(tmp_path / "r")
    s.tag("a-v1.0.0")
    s.git("worktree", "add", "-q", "-b", "work", str(tmp_path / "linked"))
    linked = Scratch(tmp_path / "linked", init=False, clock=s.clock)
    linked.touch("feat: here", "crates/a/src/lib.rs")
    linked.run("bump").ok()
    assert linked.git("rev-parse", "a-v1.1.0^{commit}") == linked.git("rev-parse", "work")
    assert s.git("rev-parse", "main") == s.git("rev-parse", "a-v1.0.0^{commit}")
    assert s.git("status", "--porcelain") == linked.git("status", "--porcelain") == ""


def test_the_command_works_from_a_folder_below_and_with_the_option_c(tmp_path: Path) -> None:
    s = one_crate(tmp_path / "r")
    below = s.run("status", "--json", cwd=s.path / "crates/a").ok()
    assert below.json == s.run("-C", "crates", "status", "--json").ok().json


def test_a_submodule_is_no_part_of_its_parent(tmp_path: Path) -> None:
    inner = one_crate(tmp_path / "inner")
    s = Scratch(tmp_path / "outer")
    s.commit("feat: begin", {"crates/b/Cargo.toml": crate("b", "1.0.0"), "crates/b/src/lib.rs": ""})
    s.tag("b-v1.0.0")
    s.git("submodule", "-q", "add", f"file://{inner.path}", "crates/b/vendor")
    s.commit("fix(b): take the vendor in")
    assert s.versions() == {"b": "1.0.1"}
    s.run("bump").ok()
    assert s.git("status", "--porcelain") == ""
    assert s.run("status", "--json").json["components"][0]["name"] == "b"
    own = Scratch(s.path / "crates/b/vendor", init=False)
    assert own.versions() == {"a": "1.0.0"}


def test_a_commit_that_only_moves_a_submodule_releases_its_component(tmp_path: Path) -> None:
    inner = one_crate(tmp_path / "inner")
    s = Scratch(tmp_path / "outer")
    s.commit("feat: begin", {"crates/b/Cargo.toml": crate("b", "1.0.0"), "crates/b/src/lib.rs": ""})
    s.git("submodule", "-q", "add", f"file://{inner.path}", "crates/b/vendor")
    s.commit("feat(b): take the vendor in")
    s.tag("b-v1.0.0")
    vendor = Scratch(s.path / "crates/b/vendor", init=False)
    vendor.commit("feat: more", {"more.rs": ""})
    s.commit("fix(b): newer vendor")
    assert s.versions() == {"b": "1.0.1"}


# Tags, trailers, baseline


def test_tags_that_head_does_not_reach_are_not_the_last_release(tmp_path: Path) -> None:
    s = one_crate(tmp_path / "r")
    s.tag("a-v1.0.0")
    s.branch("side")
    s.touch("feat!: elsewhere", "crates/a/src/lib.rs")
    s.tag("a-v2.0.0")
    s.switch("main")
    s.touch("fix: here", "crates/a/src/lib.rs")
    assert s.versions() == {"a": "1.0.1"}


def test_a_version_that_is_tagged_on_another_line_is_refused(tmp_path: Path) -> None:
    s = one_crate(tmp_path / "r")
    s.tag("a-v1.0.0")
    s.branch("side")
    s.touch("fix: elsewhere", "crates/a/src/lib.rs")
    s.tag("a-v1.0.1")
    s.switch("main")
    s.touch("fix: here", "crates/a/src/lib.rs")
    before = s.state()
    result = s.run("bump")
    assert result.code == 6
    assert "a-v1.0.1" in result.err
    assert "another line" in result.err
    assert "--release-as a=VERSION" in result.err
    assert s.state() == before
    assert s.versions("--release-as", "a=1.0.2") == {"a": "1.0.2"}


@pytest.mark.parametrize("elsewhere", ["HEAD~2", "HEAD", "side"])
def test_a_tag_and_a_trailer_that_name_different_commits_disagree(tmp_path: Path, elsewhere: str) -> None:
    s = one_crate(tmp_path / "r")
    s.branch("side")
    s.touch("fix: on the side", "crates/a/src/side.rs")
    s.switch("main")
    s.run("bump").ok()
    released = s.git("rev-parse", "HEAD")
    s.touch("fix: later", "crates/a/src/lib.rs")
    s.git("tag", "-f", "-a", "-m", "moved", "a-v1.0.0", elsewhere)
    before = s.state()
    result = s.run("bump")
    assert result.code == 8
    assert released[:12] in result.err
    assert s.git("rev-parse", elsewhere)[:12] in result.err
    assert "a-v1.0.0" in result.err
    assert s.state() == before


def test_a_tag_and_the_trailer_of_its_commit_that_name_different_versions_disagree(tmp_path: Path) -> None:
    s = one_crate(tmp_path / "r")
    s.run("bump").ok()
    s.git("tag", "-a", "-m", "wrong", "a-v3.0.0")
    result = s.run("bump")
    assert result.code == 8
    assert "a-v3.0.0" in result.err
    assert "1.0.0" in result.err
    assert "git tag -d a-v3.0.0" in result.err


def test_lightweight_tags_count_as_well(tmp_path: Path) -> None:
    s = one_crate(tmp_path / "r")
    s.git("tag", "a-v1.0.0")
    s.touch("feat: more", "crates/a/src/lib.rs")
    assert s.versions() == {"a": "1.1.0"}


def test_a_tag_of_a_file_is_nobodys_release(tmp_path: Path) -> None:
    s = one_crate(tmp_path / "r")
    s.git("tag", "a-v1.0.0", "HEAD:crates/a/Cargo.toml")
    assert s.versions() == {"a": "1.0.0"}


def test_the_longest_tag_prefix_decides(tmp_path: Path) -> None:
    s = Scratch(tmp_path / "r")
    s.commit(
        "feat: begin",
        {
            "crates/mod/Cargo.toml": crate("mod", "1.0.0"),
            "crates/mod-v2/Cargo.toml": crate("mod-v2", "3.0.0"),
        },
    )
    s.tag("mod-v1.0.0", "mod-v2-v3.0.0")
    s.touch("fix: both", "crates/mod/src/lib.rs", "crates/mod-v2/src/lib.rs")
    assert s.versions() == {"mod": "1.0.1", "mod-v2": "3.0.1"}


def test_a_format_without_the_name_is_possible_for_one_component(tmp_path: Path) -> None:
    s = one_crate(tmp_path / "r", config="components:\n  a:\n    tag: v{version}\n")
    s.tag("v1.0.0", "vendor-drop")
    s.touch("feat: more", "crates/a/src/lib.rs")
    s.run("bump").ok()
    assert s.tags() == ["v1.0.0", "v1.1.0", "vendor-drop"]


def test_the_baseline_counts_as_released(tmp_path: Path) -> None:
    s = one_crate(tmp_path / "r", "1.4.0")
    start = s.git("rev-parse", "HEAD")
    s.commit("chore: adopt", {"release.yaml": f"baseline:\n  commit: {start}\n  versions: {{a: 1.4.0}}\n"})
    assert s.versions() == {}
    s.touch("fix: after", "crates/a/src/lib.rs")
    assert s.versions() == {"a": "1.4.1"}


def test_a_first_release_is_of_the_version_that_the_file_has(tmp_path: Path) -> None:
    s = one_plugin(tmp_path / "r", 2025010103, "0.3.0")
    assert s.versions() == {"local_core": "0.3.0 2025010103"}
    s.run("bump").ok()
    assert "## [0.3.0] - 2026-01-01" in s.text(f"{CORE}/CHANGES.md")
    assert s.versions() == {}


def test_a_version_raised_by_hand_is_released_as_it_is(tmp_path: Path) -> None:
    s = one_crate(tmp_path / "r")
    s.tag("a-v1.0.0")
    s.commit("chore: two", {"crates/a/Cargo.toml": crate("a", "2.0.0")})
    assert s.versions() == {"a": "2.0.0"}
    s.run("bump").ok()
    assert s.versions() == {}


def test_shipped_changes_without_a_version_raise_the_plugins_number_alone(tmp_path: Path) -> None:
    s = one_plugin(tmp_path / "r")
    s.run("bump").ok()
    s.touch("chore: tidy", f"{CORE}/lib.php")
    assert s.versions() == {"local_core": "1.0.0 2026010100"}
    s.run("bump").ok()
    assert s.tags() == ["local_core-v1.0.0"]
    assert s.git("log", "-1", "--format=%(trailers:key=Release-Build,valueonly)") == "local_core 1.0.0 2026010100"
    assert s.versions() == {}
    s.touch("fix: more", f"{CORE}/lib.php")
    assert s.versions() == {"local_core": "1.0.1 2026010101"}


def test_an_edited_changelog_releases_nothing(tmp_path: Path) -> None:
    s = one_plugin(tmp_path / "r")
    s.run("bump").ok()
    s.touch("docs: better words", f"{CORE}/CHANGES.md")
    assert s.versions() == {}


# Renamed, deleted, moved


def test_a_renamed_component_goes_on_from_its_former_name(tmp_path: Path) -> None:
    s = one_crate(tmp_path / "r")
    s.run("bump").ok()
    s.git("mv", "crates/a", "crates/b")
    s.commit(
        "feat!: a is called b",
        {"crates/b/Cargo.toml": crate("b", "1.0.0"), "release.yaml": "components:\n  b:\n    formerly: [a]\n"},
    )
    assert s.versions() == {"b": "2.0.0"}
    s.run("bump").ok()
    assert s.tags() == ["a-v1.0.0", "b-v2.0.0"]
    assert s.versions() == {}
    s.git("tag", "-d", "a-v1.0.0", "b-v2.0.0")
    assert s.versions() == {}


def test_a_deleted_component_is_forgotten_and_its_tags_stay(tmp_path: Path) -> None:
    s = one_crate(tmp_path / "r")
    s.commit("feat: b", {"crates/b/Cargo.toml": crate("b", "1.0.0"), "crates/b/src/lib.rs": ""})
    s.run("bump").ok()
    s.commit("feat!: remove a", remove=["crates/a"])
    assert s.versions() == {}
    assert [row["name"] for row in s.run("status", "--json").json["components"]] == ["b"]
    assert "a-v1.0.0" in s.tags()


def test_a_moved_component_keeps_the_commits_from_before_the_move(tmp_path: Path) -> None:
    s = one_crate(tmp_path / "r")
    s.run("bump").ok()
    s.touch("feat: before the move", "crates/a/src/lib.rs")
    (s.path / "libs").mkdir()
    s.git("mv", "crates/a", "libs/a")
    s.commit("refactor: move")
    assert s.versions() == {"a": "1.1.0"}
    s.run("bump").ok()
    (s.path / "packages").mkdir()
    s.touch("fix: between", "libs/a/src/lib.rs")
    s.git("mv", "libs/a", "packages/a")
    s.commit("refactor: move again")
    assert s.versions() == {"a": "1.1.1"}


def test_a_copy_of_a_component_does_not_inherit_its_commits(tmp_path: Path) -> None:
    s = one_crate(tmp_path / "r")
    s.run("bump").ok()
    s.touch("feat!: only a", "crates/a/src/lib.rs")
    s.commit("feat: b, begun as a copy", {"crates/b/Cargo.toml": crate("b", "0.1.0"), "crates/b/src/lib.rs": "// \n"})
    assert s.versions() == {"a": "2.0.0", "b": "0.1.0"}


# Lines of maintenance


@pytest.fixture
def lines(tmp_path: Path) -> Scratch:
    """Return main at 2025120100 (3.0.0) and two older lines: 4.5 (1.x, 2024100700) and 5.0 (2.x, 2025041400)."""
    s = one_plugin(tmp_path / "lines", 2024100700, "1.0.0")
    s.tag("local_core-v1.0.0")
    s.git("branch", "MOODLE_405_STABLE")
    s.commit("feat!: 2", {f"{CORE}/version.php": plugin("local_core", 2025041400, "2.0.0")})
    s.tag("local_core-v2.0.0")
    s.git("branch", "MOODLE_500_STABLE")
    s.commit("feat!: 3", {f"{CORE}/version.php": plugin("local_core", 2025120100, "3.0.0")})
    s.tag("local_core-v3.0.0")
    return s


def test_on_a_maintenance_branch_the_date_is_frozen(lines: Scratch) -> None:
    lines.switch("MOODLE_405_STABLE")
    lines.touch("fix: backported", f"{CORE}/lib.php")
    assert lines.versions() == {"local_core": "1.0.1 2024100701"}
    lines.run("bump").ok()
    lines.touch("chore: once more", f"{CORE}/lib.php")
    assert lines.versions() == {"local_core": "1.0.1 2024100702"}
    lines.switch("MOODLE_500_STABLE")
    lines.touch("fix: here too", f"{CORE}/lib.php")
    assert lines.versions() == {"local_core": "2.0.1 2025041401"}
    lines.switch("main")
    lines.touch("feat: and new", f"{CORE}/lib.php")
    assert lines.versions() == {"local_core": "3.1.0 2026010100"}


def test_a_maintenance_branch_that_would_pass_a_newer_line_is_refused_naming_both(lines: Scratch) -> None:
    lines.switch("MOODLE_405_STABLE")
    lines.commit("fix: wrong base", {f"{CORE}/version.php": plugin("local_core", 2025041400, "1.0.0")})
    before = lines.state()
    result = lines.run("bump")
    assert result.code == 6
    assert "MOODLE_405_STABLE" in result.err
    assert "MOODLE_500_STABLE" in result.err
    assert "2025041401" in result.err
    assert lines.state() == before


def test_main_below_a_maintenance_branch_is_refused_naming_both(lines: Scratch) -> None:
    lines.switch("MOODLE_500_STABLE")
    lines.commit("chore: far ahead", {f"{CORE}/version.php": plugin("local_core", 2030010100, "2.0.0")})
    lines.switch("main")
    lines.touch("fix: now", f"{CORE}/lib.php")
    result = lines.run("bump")
    assert result.code == 6
    assert "2030010100" in result.err
    assert "main" in result.err
    assert "MOODLE_500_STABLE" in result.err


def test_a_maintenance_branch_at_99_is_refused(lines: Scratch) -> None:
    lines.switch("MOODLE_405_STABLE")
    lines.commit("fix: many", {f"{CORE}/version.php": plugin("local_core", 2024100799, "1.0.0")})
    result = lines.run("bump")
    assert result.code == 6
    assert "frozen" in result.err
    assert "MOODLE_405_STABLE" in result.err


def test_a_maintenance_branch_known_only_from_the_remote_counts(lines: Scratch, tmp_path: Path) -> None:
    lines.switch("MOODLE_405_STABLE")
    lines.commit("fix: wrong base", {f"{CORE}/version.php": plugin("local_core", 2025041400, "1.0.0")})
    clone = lines.clone(tmp_path / "clone")
    result = clone.run("bump")
    assert result.code == 6
    assert "MOODLE_500_STABLE" in result.err


def test_a_hotfix_line_gets_its_own_patch_release(tmp_path: Path) -> None:
    s = one_crate(tmp_path / "r")
    s.run("bump").ok()
    s.touch("feat: next", "crates/a/src/lib.rs")
    s.run("bump").ok()
    s.branch("hotfix-1.0", "a-v1.0.0")
    fix = s.touch("fix: urgent", "crates/a/src/urgent.rs")
    assert s.versions() == {"a": "1.0.1"}
    s.run("bump").ok()
    s.switch("main")
    s.pick(fix)
    assert s.versions() == {"a": "1.1.1"}
    s.run("bump").ok()
    assert s.tags() == ["a-v1.0.0", "a-v1.0.1", "a-v1.1.0", "a-v1.1.1"]


# Numbers


def test_a_number_in_the_future_goes_on_from_there(tmp_path: Path) -> None:
    s = one_plugin(tmp_path / "r", 2031123105)
    s.tag("local_core-v1.0.0")
    s.touch("fix: now", f"{CORE}/lib.php")
    assert s.versions() == {"local_core": "1.0.1 2031123106"}


def test_the_number_is_above_the_tags_of_every_branch_and_the_newest_savepoint(tmp_path: Path) -> None:
    s = one_plugin(tmp_path / "r")
    s.tag("local_core-v1.0.0")
    s.branch("side")
    s.commit("feat!: ahead", {f"{CORE}/version.php": plugin("local_core", 2027010100, "2.0.0")})
    s.tag("local_core-v2.0.0")
    s.switch("main")
    s.touch("fix: now", f"{CORE}/lib.php")
    assert s.versions() == {"local_core": "1.0.1 2027010101"}
    upgrade = (
        "<?php\nfunction xmldb_local_core_upgrade($oldversion) {\n    // if ($oldversion < 2040010100) {}\n"
        "    if ($oldversion < 2028050500) {\n"
        "        upgrade_plugin_savepoint(true, 2028050500, 'local', 'core');\n    }\n    return true;\n}\n"
    )
    s.commit("fix: a table", {f"{CORE}/db/upgrade.php": upgrade})
    assert s.versions() == {"local_core": "1.0.1 2028050500"}


def test_a_used_up_day_is_refused_or_goes_on_tomorrow_by_policy(tmp_path: Path) -> None:
    s = one_plugin(tmp_path / "r", 2026123199)
    s.tag("local_core-v1.0.0")
    s.touch("fix: now", f"{CORE}/lib.php")
    result = s.run("bump")
    assert result.code == 6
    assert "2026123199" in result.err
    assert "overflow: next-day" in result.err
    assert "2027010100" in result.err
    s.commit("chore: policy", {"release.yaml": "overflow: next-day\n"})
    assert s.versions() == {"local_core": "1.0.1 2027010100"}


# Channels, requests, policies


def test_a_channel_counts_up_and_ends_in_the_final_version(tmp_path: Path) -> None:
    s = one_crate(tmp_path / "r")
    s.run("bump").ok()
    first = s.touch("feat: new", "crates/a/src/lib.rs")
    s.run("bump", "--pre", "rc").ok()
    assert s.versions("--pre", "rc") == {}
    second = s.touch("fix: mend", "crates/a/src/lib.rs")
    s.run("bump", "--pre", "rc").ok()
    assert s.versions() == {"a": "1.1.0"}
    s.run("bump").ok()
    assert s.tags() == ["a-v1.0.0", "a-v1.1.0", "a-v1.1.0-rc.1", "a-v1.1.0-rc.2"]
    log = s.text("crates/a/CHANGELOG.md")
    final = log[log.index("## [1.1.0] -") : log.index("## [1.1.0-rc.2]")]
    assert first[:7] in final
    assert second[:7] in final
    candidate = log[log.index("## [1.1.0-rc.2]") : log.index("## [1.1.0-rc.1]")]
    assert second[:7] in candidate
    assert first[:7] not in candidate
    assert s.versions() == {}


def test_a_breaking_change_lifts_a_pre_release_to_the_next_major(tmp_path: Path) -> None:
    s = one_crate(tmp_path / "r")
    s.run("bump").ok()
    s.touch("feat: new", "crates/a/src/lib.rs")
    s.run("bump", "--pre", "beta").ok()
    s.touch("feat!: break", "crates/a/src/lib.rs")
    assert s.versions("--pre", "beta") == {"a": "2.0.0-beta.1"}
    assert s.versions() == {"a": "2.0.0"}
    assert s.versions("--pre", "rc") == {"a": "2.0.0-rc.1"}


def test_a_channel_that_sorts_lower_is_refused(tmp_path: Path) -> None:
    s = one_crate(tmp_path / "r")
    s.run("bump").ok()
    s.touch("feat: new", "crates/a/src/lib.rs")
    s.run("bump", "--pre", "rc").ok()
    s.touch("fix: mend", "crates/a/src/lib.rs")
    result = s.run("bump", "--pre", "beta")
    assert result.code == 6
    assert "1.1.0-rc.1" in result.err
    assert "later channel" in result.err


def test_what_contains_a_pre_release_is_one_too(tmp_path: Path) -> None:
    s = one_crate(tmp_path / "r", config="components:\n  a:\n    channel: rc\n")
    s.commit("feat: an image", {"images/web/image.yaml": image("web", "1.0.0", "contains:\n  crates: [a]\n")})
    s.tag("a-v1.0.0", "web-v1.0.0")
    s.touch("feat: new", "crates/a/src/lib.rs")
    assert s.versions() == {"a": "1.1.0-rc.1", "web": "1.0.1-rc.1"}
    s.run("bump").ok()
    assert s.versions() == {}
    s.touch("fix: the image alone", "images/web/Dockerfile")
    assert s.versions() == {"web": "1.0.1-rc.2"}
    s.run("bump").ok()
    s.commit("chore: out of the channel", {"release.yaml": "version: 1\n"})
    assert s.versions() == {"a": "1.1.0", "web": "1.0.1"}
    s.run("bump").ok()
    log = s.text("images/web/CHANGELOG.md")
    assert "- a 1.0.0 → 1.1.0\n" in log[: log.index("## [1.0.1-rc.2]")]
    assert "- a 1.0.0 → 1.1.0-rc.1\n" in log[log.index("## [1.0.1-rc.1]") :]
    assert s.versions() == {}


def test_pre_releases_are_written_as_each_format_has_them(tmp_path: Path) -> None:
    s = Scratch(tmp_path / "r")
    s.commit(
        "feat: begin",
        {
            "crates/a/Cargo.toml": crate("a", "1.0.0"),
            "crates/b/Cargo.toml": crate("b", "1.0.0", '[dependencies]\na = { path = "../a", version = "1" }\n'),
            "py/lib/pyproject.toml": '[project]\nname = "lib"\nversion = "1.0.0"\n',
            "py/tool/pyproject.toml": ('[project]\nname = "tool"\nversion = "1.0.0"\ndependencies = ["lib>=1.0,<2"]\n'),
            "images/web/image.yaml": image("web", "1.0.0", "contains:\n  python: [tool]\n"),
            "charts/site/Chart.yaml": chart("site", "1.0.0", "1.0.0"),
            "charts/site/values.yaml": "image: {repository: x/web}\n",
        },
    )
    s.run("bump").ok()
    s.touch("feat: more", "crates/a/src/lib.rs", "py/lib/lib.py")
    s.run("bump", "--pre", "rc").ok()
    assert 'version = "1.1.0-rc.1" }' in s.text("crates/b/Cargo.toml")
    assert 'version = "1.1.0rc1"' in s.text("py/lib/pyproject.toml")
    assert '["lib>=1.1.0rc1,<2"]' in s.text("py/tool/pyproject.toml")
    assert 'appVersion: "1.0.1-rc.1"' in s.text("charts/site/Chart.yaml")
    assert s.versions("--pre", "rc") == {}
    s.run("bump").ok()
    assert 'version = "1.1.0"' in s.text("py/lib/pyproject.toml")
    assert 'appVersion: "1.0.1"' in s.text("charts/site/Chart.yaml")
    assert s.versions() == {}


def test_release_as_on_the_command_line_takes_a_version_or_a_level(tmp_path: Path) -> None:
    s = one_crate(tmp_path / "r", "1.2.3")
    s.tag("a-v1.2.3")
    assert s.versions() == {}
    assert s.versions("a", "--release-as", "4.0.0") == {"a": "4.0.0"}
    assert s.versions("--release-as", "a=major") == {"a": "2.0.0"}
    assert s.versions("--release-as", "a=minor") == {"a": "1.3.0"}
    assert s.versions("--release-as", "a=patch") == {"a": "1.2.4"}
    assert s.versions("--release-as", "a=minor", "--pre", "rc") == {"a": "1.3.0-rc.1"}


def test_a_release_as_footer_is_obeyed_once(tmp_path: Path) -> None:
    s = one_crate(tmp_path / "r")
    s.tag("a-v1.0.0")
    s.touch("chore: jump\n\nRelease-As: 5.0.0", "crates/a/src/lib.rs")
    assert s.versions() == {"a": "5.0.0"}
    s.run("bump").ok()
    s.touch("fix: later", "crates/a/src/lib.rs")
    assert s.versions() == {"a": "5.0.1"}


def test_release_as_a_level_needs_a_release_to_raise(tmp_path: Path) -> None:
    s = one_crate(tmp_path / "r")
    result = s.run("bump", "a", "--release-as", "minor")
    assert result.code == 6
    assert "never released" in result.err
    assert "--release-as a=1.0.0" in result.err


def test_naming_a_component_releases_it_and_what_contains_it_and_nothing_else(tmp_path: Path) -> None:
    s = one_crate(tmp_path / "r")
    s.commit(
        "feat: more",
        {
            "crates/b/Cargo.toml": crate("b", "1.0.0"),
            "images/web/image.yaml": image("web", "1.0.0", "contains:\n  crates: [a]\n"),
        },
    )
    s.tag("a-v1.0.0", "b-v1.0.0", "web-v1.0.0")
    s.touch("fix: both", "crates/a/src/lib.rs", "crates/b/src/lib.rs")
    assert s.versions("b") == {"b": "1.0.1"}
    assert s.versions("a") == {"a": "1.0.1", "web": "1.0.1"}
    s.run("bump", "a").ok()
    assert s.versions() == {"b": "1.0.1"}


def test_chores_in_a_channel_release_nothing_new(tmp_path: Path) -> None:
    s = one_crate(tmp_path / "r")
    s.run("bump").ok()
    s.touch("feat: new", "crates/a/src/lib.rs")
    s.run("bump", "--pre", "rc").ok()
    s.touch("chore: tidy", "crates/a/src/lib.rs")
    assert s.versions("--pre", "rc") == {}


def test_chores_in_a_plugins_channel_raise_its_number_alone(tmp_path: Path) -> None:
    s = one_plugin(tmp_path / "r")
    s.run("bump").ok()
    s.touch("chore: tidy", f"{CORE}/lib.php")
    assert s.versions("--pre", "rc") == {"local_core": "1.0.0 2026010100"}


def test_names_and_messages_that_are_not_utf8_do_no_harm(tmp_path: Path) -> None:
    s = one_crate(tmp_path / "r")
    s.tag("a-v1.0.0")
    (s.path / "crates/a").joinpath(os.fsdecode(b"caf\xe9.rs")).write_text("")
    s.git("add", "-A")
    message = tmp_path / "message"
    message.write_bytes(b"fix: caf\xe9\n\nBody \xff.\n")
    s.git("commit", "-q", "-F", str(message))
    s.touch("fix: \u2028 odd \x1b[31m characters \u202e", "crates/a/src/lib.rs")
    assert s.versions() == {"a": "1.0.1"}
    assert s.versions() == {"a": "1.0.1"}
    assert "\x1b" not in s.run("status").out
    s.run("bump").ok()
    assert "\x1b" not in s.text("crates/a/CHANGELOG.md")


@pytest.mark.parametrize(
    ("policy", "version", "message", "after"),
    [
        ("cargo", "0.3.1", "feat!: x", "0.4.0"),
        ("cargo", "0.3.1", "feat: x", "0.3.2"),
        ("cargo", "0.0.3", "feat!: x", "0.0.4"),
        ("minor", "0.3.1", "feat: x", "0.4.0"),
        ("minor", "0.0.3", "feat!: x", "0.1.0"),
        ("semver", "0.3.1", "feat!: x", "1.0.0"),
        ("semver", "0.3.1", "fix: x", "0.3.2"),
    ],
)
def test_below_1_0_0_the_policy_decides(tmp_path: Path, policy: str, version: str, message: str, after: str) -> None:
    s = one_crate(tmp_path / "r", version, f"zero: {policy}\n")
    s.tag(f"a-v{version}")
    s.touch(message, "crates/a/src/lib.rs")
    assert s.versions() == {"a": after}


@pytest.mark.parametrize(("policy", "expected"), [("ignore", {}), ("patch", {"a": "1.0.1"})])
def test_unconventional_commits_count_by_policy(tmp_path: Path, policy: str, expected: dict[str, str]) -> None:
    s = one_crate(tmp_path / "r", config=f"commits:\n  unconventional: {policy}\n")
    s.tag("a-v1.0.0")
    s.touch("Mend things", "crates/a/src/lib.rs")
    assert s.versions() == expected


def test_paths_elsewhere_can_belong_to_a_component(tmp_path: Path) -> None:
    s = one_crate(
        tmp_path / "r", config="components:\n  a:\n    paths: ['shared/**']\n    exclude: ['crates/a/doc/**']\n"
    )
    s.tag("a-v1.0.0")
    s.touch("feat!: docs only", "crates/a/doc/x.md")
    assert s.versions() == {}
    s.touch("fix: shared", "shared/x.c")
    assert s.versions() == {"a": "1.0.1"}


# Layouts and surroundings


def test_a_repository_can_be_one_plugin(tmp_path: Path) -> None:
    s = Scratch(tmp_path / "r")
    s.commit("feat: begin", {"version.php": plugin("mod_whole"), "lib.php": "<?php\n"})
    s.tag("mod_whole-v1.0.0")
    s.touch("fix: it", "classes/deep/thing.php")
    assert s.versions() == {"mod_whole": "1.0.1 2026010100"}
    s.run("bump").ok()
    assert s.text("CHANGES.md").count("## [1.0.1]") == 1
    assert s.versions() == {}


def test_a_file_belongs_to_the_innermost_component(tmp_path: Path) -> None:
    s = one_plugin(tmp_path / "r")
    s.commit("feat: sub", {f"{CORE}/report/sub/version.php": plugin("localreport_sub")})
    s.tag("local_core-v1.0.0", "localreport_sub-v1.0.0")
    s.touch("fix: the inner one", f"{CORE}/report/sub/lib.php")
    assert s.versions() == {"localreport_sub": "1.0.1 2026010100"}


def test_crates_that_share_the_workspace_version_are_released_together(tmp_path: Path) -> None:
    s = Scratch(tmp_path / "r")
    s.commit(
        "feat: begin",
        {
            "Cargo.toml": workspace_toml("crates/*", version="1.0.0"),
            "crates/a/Cargo.toml": crate("a", "workspace"),
            "crates/b/Cargo.toml": crate("b", "workspace"),
        },
    )
    s.tag("a-v1.0.0", "b-v1.0.0")
    s.touch("feat: b only", "crates/b/src/lib.rs")
    assert s.versions() == s.versions("b") == {"a": "1.1.0", "b": "1.1.0"}
    s.run("bump").ok()
    assert s.tags() == ["a-v1.0.0", "a-v1.1.0", "b-v1.0.0", "b-v1.1.0"]
    assert "Released together with b" in s.text("crates/a/CHANGELOG.md")
    assert s.versions() == {}
    s.commit("feat: c joins", {"crates/c/Cargo.toml": crate("c", "workspace")})
    assert s.versions() == {"a": "1.2.0", "b": "1.2.0", "c": "1.2.0"}


def test_the_users_git_configuration_changes_nothing(tmp_path: Path) -> None:
    s = one_crate(tmp_path / "r")
    s.run("bump").ok()
    s.touch("feat: more\n\nä", "crates/a/src/lib.rs")
    plan = s.run("bump", "--dry-run", "--json").ok().json
    for key, value in {
        "color.ui": "always",
        "column.ui": "always",
        "core.abbrev": "4",
        "core.pager": "false",
        "core.quotePath": "true",
        "diff.mnemonicPrefix": "true",
        "diff.renames": "copies",
        "format.pretty": "oneline",
        "i18n.logOutputEncoding": "ISO-8859-1",
        "log.decorate": "full",
        "log.follow": "true",
        "log.showSignature": "true",
        "push.followTags": "true",
        "status.branch": "true",
        "status.short": "true",
        "status.showUntrackedFiles": "no",
        "tag.sort": "-creatordate",
        "commit.template": "nowhere",
        "core.hooksPath": "hooks",
    }.items():
        s.git("config", key, value)
    assert s.run("bump", "--dry-run", "--json").ok().json == plan
    (s.path / ".git/release/index").unlink()
    assert s.run("bump", "--dry-run", "--json").ok().json == plan
    s.write({"crates/a/untracked.rs": ""})
    assert s.run("bump").code == 7
    (s.path / "crates/a/untracked.rs").unlink()
    s.run("bump").ok()
    assert s.versions() == {}


def test_line_ends_are_converted_as_git_is_told_to(tmp_path: Path) -> None:
    s = one_crate(tmp_path / "r")
    s.commit("chore: line ends", {".gitattributes": "* text=auto eol=crlf\n"})
    s.git("rm", "-r", "-q", "--cached", ".")
    s.git("reset", "-q", "--hard")
    assert "\r\n" in s.text("crates/a/Cargo.toml")
    s.run("bump").ok()
    s.touch("fix: more", "crates/a/src/lib.rs")
    s.run("bump").ok()
    assert s.git("status", "--porcelain") == ""
    assert s.text("crates/a/Cargo.toml") == crate("a", "1.0.1").replace("\n", "\r\n")
    assert "\r" not in s.git("show", "HEAD:crates/a/CHANGELOG.md")
