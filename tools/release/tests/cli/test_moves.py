"""Components that change their folder: numbers, histories and owners go with them."""

from __future__ import annotations

from pathlib import Path

from scratch import Scratch, crate, plugin, workspace_toml


def one_plugin(path: Path) -> Scratch:
    s = Scratch(path)
    s.commit(
        "feat: begin",
        {"local/pp/version.php": plugin("local_pp", 2025010100, "1.0.0"), "local/pp/lib.php": "<?php\n"},
    )
    s.tag("local_pp-v1.0.0")
    return s


def move(s: Scratch, old: str, new: str) -> None:
    (s.path / new).parent.mkdir(parents=True, exist_ok=True)
    s.git("mv", old, new)
    s.commit(f"refactor: move {old} to {new}")


def test_a_moved_plugin_stays_above_the_number_that_was_released_at_its_old_place(tmp_path: Path) -> None:
    s = one_plugin(tmp_path / "r")
    s.branch("side")
    s.commit("feat: far", {"local/pp/version.php": plugin("local_pp", 2099010100, "1.1.0")})
    s.tag("local_pp-v1.1.0")
    s.switch("main")
    s.touch("fix: near", "local/pp/lib.php")
    move(s, "local/pp", "public/local/pp")
    assert s.versions() == {"local_pp": "1.0.1 2099010101"}
    assert s.versions() == {"local_pp": "1.0.1 2099010101"}, "the side index remembers another number"


def test_a_plugin_moved_on_main_is_found_at_its_old_place_on_a_maintenance_branch(tmp_path: Path) -> None:
    s = one_plugin(tmp_path / "r")
    s.branch("MOODLE_405_STABLE")
    s.commit("fix: raised by hand", {"local/pp/version.php": plugin("local_pp", 2026120100, "1.0.0")})
    s.switch("main")
    s.touch("fix: x", "local/pp/lib.php")
    before = s.run("bump", "--dry-run")
    move(s, "local/pp", "public/local/pp")
    after = s.run("bump", "--dry-run")
    assert before.code == after.code == 6
    assert "MOODLE_405_STABLE" in after.err


def test_a_plugin_that_was_called_otherwise_at_its_old_place_stays_above_that_number(tmp_path: Path) -> None:
    s = one_plugin(tmp_path / "r")
    s.branch("side")
    s.commit("feat: far", {"local/pp/version.php": plugin("local_pp", 2099010100, "1.1.0")})
    s.tag("local_pp-v1.1.0")
    s.switch("main")
    s.touch("fix: near", "local/pp/lib.php")
    move(s, "local/pp", "public/local/qq")
    s.commit(
        "refactor: call it qq",
        {
            "public/local/qq/version.php": plugin("local_qq", 2025010100, "1.0.0"),
            "release.yaml": "components: {local_qq: {formerly: [local_pp]}}\n",
        },
    )
    assert s.versions() == {"local_qq": "1.0.1 2099010101"}


def test_a_folder_with_a_line_break_in_its_name_leaves_other_plugins_their_numbers(tmp_path: Path) -> None:
    s = one_plugin(tmp_path / "r")
    s.commit(
        "feat: odd",
        {"local/a\nb/version.php": plugin("local_a", 2098010100, "1.0.0"), "local/a\nb/lib.php": "<?php\n"},
    )
    s.tag("local_a-v1.0.0")
    s.branch("side")
    s.commit("feat: up", {"local/pp/version.php": plugin("local_pp", 2099010100, "1.1.0")})
    s.tag("local_pp-v1.1.0")
    s.switch("main")
    s.touch("fix: both", "local/pp/lib.php", "local/a\nb/lib.php")
    assert s.versions() == {"local_a": "1.0.1 2098010101", "local_pp": "1.0.1 2099010101"}


def crates(path: Path) -> Scratch:
    s = Scratch(path)
    s.commit(
        "feat: begin",
        {
            "Cargo.toml": workspace_toml("crates/*"),
            "crates/a/Cargo.toml": crate("a"),
            "crates/a/src/lib.rs": "// a\n",
        },
    )
    s.tag("a-v0.1.0")
    s.touch("feat(a): secret of a", "crates/a/src/lib.rs")
    return s


def test_a_new_component_at_a_former_folder_of_another_does_not_inherit_its_history(tmp_path: Path) -> None:
    s = crates(tmp_path / "r")
    move(s, "crates/a", "crates/z")
    s.commit("feat: n is new", {"crates/a/Cargo.toml": crate("n"), "crates/a/src/lib.rs": "// n\n"})
    s.touch("fix: one in n", "crates/a/src/lib.rs")
    s.run("bump").ok()
    assert "secret of a" not in s.text("crates/a/CHANGELOG.md")
    assert "n is new" in s.text("crates/a/CHANGELOG.md")
    assert "one in n" in s.text("crates/a/CHANGELOG.md")
    assert "secret of a" in s.text("crates/z/CHANGELOG.md")
    assert "one in n" not in s.text("crates/z/CHANGELOG.md")


def test_the_move_itself_is_no_change_of_the_component_that_takes_the_folder(tmp_path: Path) -> None:
    s = crates(tmp_path / "r")
    s.git("mv", "crates/a", "crates/z")
    moved = s.commit("refactor!: move a")
    s.commit("feat: n is new", {"crates/a/Cargo.toml": crate("n"), "crates/a/src/lib.rs": "// n\n"})
    plan = s.run("bump", "--dry-run", "--json").ok().json
    reasons = {one["name"]: [reason.get("commit") for reason in one["reasons"]] for one in plan["components"]}
    assert moved in reasons["a"]
    assert moved not in reasons["n"]


def test_a_component_that_left_again_does_not_inherit_the_history_of_the_first_at_that_folder(tmp_path: Path) -> None:
    s = crates(tmp_path / "r")
    move(s, "crates/a", "crates/z")
    s.commit("feat: n is new", {"crates/a/Cargo.toml": crate("n"), "crates/a/src/lib.rs": "// n\n"})
    s.touch("fix: one in n", "crates/a/src/lib.rs")
    move(s, "crates/a", "crates/y")
    s.run("bump").ok()
    assert "secret of a" not in s.text("crates/y/CHANGELOG.md")
    assert "one in n" in s.text("crates/y/CHANGELOG.md")
    assert "secret of a" in s.text("crates/z/CHANGELOG.md")
    assert "one in n" not in s.text("crates/z/CHANGELOG.md")


def test_a_component_that_stays_when_another_leaves_their_common_folder_keeps_its_history(tmp_path: Path) -> None:
    s = crates(tmp_path / "r")
    s.commit("feat: an image beside it", {"crates/a/image.yaml": "name: i\nversion: 1.0.0\n"})
    (s.path / "crates/z/src").mkdir(parents=True)
    s.git("mv", "crates/a/Cargo.toml", "crates/z/Cargo.toml")
    s.git("mv", "crates/a/src/lib.rs", "crates/z/src/lib.rs")
    s.commit("refactor: only the crate moves")
    s.run("bump").ok()
    assert "an image beside it" in s.text("crates/a/CHANGELOG.md")
