"""``release check``: the rules over the work tree and what was released before."""

from __future__ import annotations

from pathlib import Path

import pytest

from scratch import Scratch, image, plugin

UPGRADE = """<?php
function xmldb_local_fast_upgrade($oldversion) {{
    if ($oldversion < {number}) {{
        $done = {code};
        upgrade_plugin_savepoint(true, {number}, 'local', 'fast');
    }}
    return true;
}}
"""


def upgrade(number: int = 2025010100, code: str = "1") -> str:
    return UPGRADE.format(number=number, code=code)


@pytest.fixture
def released(tmp_path: Path) -> Scratch:
    """Return a repository with a plugin and an image, both released."""
    repo = Scratch(tmp_path / "repo")
    repo.commit(
        "feat: begin",
        {
            "plugins/local_fast/version.php": plugin("local_fast"),
            "plugins/local_fast/db/upgrade.php": upgrade(),
            "plugins/local_fast/db/access.php": "<?php\n",
            "images/web/image.yaml": image("web"),
        },
    )
    repo.run("bump").ok()
    return repo


def test_a_sound_repository_has_no_findings(released: Scratch) -> None:
    assert released.run("check").ok().out == "2 components: nothing to complain of\n"


def test_a_change_on_disk_that_is_not_committed_is_checked(released: Scratch) -> None:
    released.write({"plugins/local_fast/version.php": plugin("local_fast", "'2025010100'")})
    done = released.run("check")
    assert done.code == 1
    assert "plugins/local_fast/version.php:5:" in done.out
    assert "  fix " in done.out


def test_a_change_under_db_without_a_higher_version_is_found_against_the_last_release(released: Scratch) -> None:
    released.write({"plugins/local_fast/db/access.php": "<?php\n$capabilities = [];\n"})
    found = released.run("check", "--json")
    assert found.code == 1
    assert [(one["rule"], one["component"]) for one in found.json["findings"]] == [
        ("plugin-db-change-version", "local_fast")
    ]
    released.write({"plugins/local_fast/version.php": plugin("local_fast", 2025010101)})
    released.run("check").ok()


def test_a_released_step_that_was_edited_is_found_in_its_line(released: Scratch) -> None:
    released.commit(
        "fix(local_fast): undone",
        {
            "plugins/local_fast/db/upgrade.php": upgrade(code="2"),
            "plugins/local_fast/version.php": plugin("local_fast", 2025010102),
        },
    )
    done = released.run("check")
    assert done.code == 1
    assert "plugins/local_fast/db/upgrade.php:3:" in done.out
    assert "error upgrade-released-steps:" in done.out


def test_a_plugin_that_moved_is_compared_with_where_it_was(released: Scratch) -> None:
    released.git("mv", "plugins/local_fast", "plugins/fast")
    assert "nothing to complain of" in released.run("check").ok().out
    released.commit("chore: move")
    released.write({"plugins/fast/db/access.php": "<?php\n$capabilities = [];\n"})
    found = released.run("check", "--json").json["findings"]
    assert [(one["rule"], one["what"].split()[0]) for one in found] == [
        ("plugin-db-change-version", "plugins/fast/db/access.php")
    ]


def test_a_file_deleted_below_db_counts_as_changed(released: Scratch) -> None:
    released.write({"plugins/local_fast/db/access.php": None})
    assert "plugin-db-change-version" in released.run("check").out


def test_files_that_release_nothing_by_the_configuration_are_no_change(released: Scratch) -> None:
    released.commit("chore: configure", {"release.yaml": "exclude: ['access.php']\n"})
    released.write({"plugins/local_fast/db/access.php": "<?php\n$capabilities = [];\n"})
    released.run("check").ok()


def test_a_plugin_in_the_root_is_compared_too(tmp_path: Path) -> None:
    repo = Scratch(tmp_path / "repo")
    repo.commit("feat: begin", {"version.php": plugin("local_fast"), "db/access.php": "<?php\n"})
    repo.run("bump").ok()
    repo.write({"db/access.php": "<?php\n$capabilities = [];\n"})
    assert "db/access.php changed since local_fast-v1.0.0" in repo.run("check").out


def test_without_a_commit_the_rules_about_the_tree_still_run(tmp_path: Path) -> None:
    repo = Scratch(tmp_path / "repo")
    repo.write({"plugins/local_fast/version.php": plugin("mod_fast")})
    repo.git("add", "-A")
    done = repo.run("check")
    assert done.code == 1
    assert "plugin-component-folder" in done.out
    assert "not compared with earlier releases: the repository has no commit yet" in done.out


def test_in_a_shallow_clone_the_rules_about_the_tree_still_run(released: Scratch, tmp_path: Path) -> None:
    released.touch("fix(web): x", "images/web/Dockerfile")
    clone = released.clone(tmp_path / "clone", "--depth", "1")
    found = clone.run("check", "--json").ok().json
    assert "shallow" in found["skipped"]
    assert found["rules"]


def test_a_tag_that_contradicts_a_trailer_is_a_finding(released: Scratch) -> None:
    released.commit("chore: more")
    released.git("tag", "-f", "-m", "moved", "web-v1.0.0")
    done = released.run("check")
    assert done.code == 1
    assert "error history: " in done.out


def test_untracked_files_are_not_looked_at(released: Scratch) -> None:
    released.write({"plugins/local_new/version.php": plugin("mod_other")})
    released.run("check").ok()


def test_a_warning_alone_does_not_fail(released: Scratch) -> None:
    released.write({"plugins/local_fast/db/upgrade.php": upgrade(2025010100).replace("2025010100", "2025010101")})
    released.write({"plugins/local_fast/version.php": plugin("local_fast", 2025010101)})
    assert released.run("check").code == 1
    empty = "<?php\nfunction xmldb_local_fast_upgrade($oldversion) {\n    return true;\n}\n"
    released.write({"plugins/local_fast/db/upgrade.php": empty})
    done = released.run("check").ok()
    assert "warning upgrade-released-steps" in done.out
    assert "0 errors, 1 warning" in done.out


def test_in_github_actions_findings_are_annotations(released: Scratch) -> None:
    released.write({"plugins/local_fast/version.php": plugin("mod_fast")})
    out = released.run("check", env={"GITHUB_ACTIONS": "true"}).out
    line = next(line for line in out.splitlines() if "plugin-component-folder" in line)
    assert line.startswith("::error file=plugins/local_fast/version.php,line=4,col=")
    assert "%0A" in line
