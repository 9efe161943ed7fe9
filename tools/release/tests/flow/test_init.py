"""``release init``: a monorepo that was not made for ``release``."""

from __future__ import annotations

from pathlib import Path

import pytest

from release.workspace.config import load
from scratch import Scratch, chart, crate, image, plugin, workspace_toml


@pytest.fixture
def foreign(tmp_path: Path) -> Scratch:
    """Return a repository of five components without tags."""
    repo = Scratch(tmp_path / "repo")
    repo.commit(
        "start",
        {
            "Cargo.toml": workspace_toml("crates/accel", "crates/base"),
            "crates/accel/Cargo.toml": crate("accel", "0.3.1"),
            "crates/base/Cargo.toml": crate("base", "1.2.0"),
            "plugins/local_fast/version.php": plugin("local_fast", 2025010103, "2.0.1"),
            "images/web/image.yaml": image("web", "4.0.0"),
            "charts/site/Chart.yaml": chart("site", "0.9.0"),
        },
    )
    repo.commit("more", {"README.md": "x"})
    return repo


def settled(repo: Scratch) -> None:
    repo.commit("chore: set up release")


def test_what_was_found_is_shown_and_the_file_is_valid_and_commented(foreign: Scratch) -> None:
    done = foreign.run("init", "--yes").ok()
    for word in ("accel", "crates/base", "local_fast", "2.0.1 (2025010103)", "git add release.yaml"):
        assert word in done.out
    text = foreign.text("release.yaml")
    config = load(text.encode())
    assert config.main == "main"
    assert config.baseline is not None
    assert config.baseline.commit == foreign.git("rev-parse", "HEAD")
    assert text.count("\n# ") > 5


def test_after_it_the_first_bump_releases_only_what_changes(foreign: Scratch) -> None:
    foreign.run("init", "--yes").ok()
    settled(foreign)
    assert foreign.versions() == {}
    foreign.touch("fix(base): one", "crates/base/src/lib.rs")
    foreign.touch("feat(local_fast): two", "plugins/local_fast/lib.php")
    assert {name: text.split()[0] for name, text in foreign.versions().items()} == {
        "base": "1.2.1",
        "local_fast": "2.1.0",
    }


def test_baseline_tags_makes_tags_of_the_declared_versions_at_head(foreign: Scratch) -> None:
    done = foreign.run("init", "--yes", "--baseline", "tags").ok()
    assert foreign.tags() == ["accel-v0.3.1", "base-v1.2.0", "local_fast-v2.0.1", "site-v0.9.0", "web-v4.0.0"]
    assert foreign.git("cat-file", "-t", "accel-v0.3.1") == "tag"
    assert "git push --tags" in done.out
    assert load(foreign.text("release.yaml").encode()).baseline is None
    settled(foreign)
    assert foreign.versions() == {}


def test_when_a_tag_cannot_be_made_nothing_is_left(foreign: Scratch) -> None:
    foreign.tag("local_fast-v2.0.1/nested")
    done = foreign.run("init", "--yes", "--baseline", "tags")
    assert done.code == 7
    assert foreign.tags() == ["local_fast-v2.0.1/nested"]
    assert not (foreign.path / "release.yaml").exists()


def test_baseline_none_lets_the_first_bump_release_the_declared_versions(foreign: Scratch) -> None:
    foreign.run("init", "--yes", "--baseline", "none").ok()
    settled(foreign)
    assert foreign.versions()["web"] == "4.0.0"


@pytest.mark.parametrize("form", ["{}-v{}", "{}/v{}", "{}@{}", "{}-{}", "{}@v{}"])
def test_tags_of_any_usual_format_are_recognised(foreign: Scratch, form: str) -> None:
    foreign.tag(*(form.format(*pair) for pair in (("accel", "0.3.0"), ("accel", "0.3.1"), ("web", "4.0.0"))))
    foreign.run("init", "--yes").ok()
    config = load(foreign.text("release.yaml").encode())
    assert config.tag == form.replace("{}", "{name}", 1).replace("{}", "{version}")
    assert config.baseline is not None
    assert "accel" not in config.baseline.versions
    settled(foreign)
    assert foreign.versions() == {}


def test_components_with_other_tags_than_most_get_their_own_format(foreign: Scratch) -> None:
    foreign.tag("accel/v0.3.1", "base/v1.2.0", "web@4.0.0")
    foreign.run("init", "--yes").ok()
    config = load(foreign.text("release.yaml").encode())
    assert config.tag == "{name}/v{version}"
    assert config.of("web").tag == "{name}@{version}"
    settled(foreign)
    assert foreign.versions() == {}


def test_a_repository_that_is_one_plugin_keeps_its_plain_tags(tmp_path: Path) -> None:
    repo = Scratch(tmp_path / "repo")
    repo.commit("start", {"version.php": plugin("local_fast", release="1.4.0")})
    repo.tag("v1.3.0", "v1.4.0", "v2-beta")
    repo.run("init", "--yes").ok()
    config = load(repo.text("release.yaml").encode())
    assert config.tag == "v{version}"
    assert config.baseline is None
    assert config.ignore_tags == ("v2-beta",)
    repo.commit("chore: set up release")
    repo.touch("fix: one", "lib.php")
    assert repo.versions()["local_fast"].startswith("1.4.1 ")


def test_tags_that_only_look_like_releases_are_passed_over_with_a_comment(foreign: Scratch) -> None:
    foreign.tag("accel-v0.3.1", "accel-v1", "web-vnext", "v7.0.0")
    done = foreign.run("init", "--yes").ok()
    config = load(foreign.text("release.yaml").encode())
    assert set(config.ignore_tags) == {"accel-v1", "web-vnext"}
    assert "hold no semantic version" in foreign.text("release.yaml")
    assert "1 further tags" in done.out
    settled(foreign)
    assert foreign.versions() == {}


def test_a_tag_on_another_line_of_history_is_no_baseline(foreign: Scratch) -> None:
    foreign.branch("side")
    foreign.touch("on the side", "images/web/Dockerfile")
    foreign.tag("web-v4.1.0")
    foreign.switch("main")
    foreign.run("init", "--yes").ok()
    config = load(foreign.text("release.yaml").encode())
    assert config.baseline is not None
    assert config.baseline.versions["web"] == "4.0.0"


def test_a_component_without_a_version_is_listed_and_does_not_block_the_others(foreign: Scratch) -> None:
    foreign.commit("more", {"plugins/local_odd/version.php": plugin("local_odd", release="Summer release")})
    done = foreign.run("init", "--yes").ok()
    assert "local_odd (plugins/local_odd/version.php:" in done.out
    settled(foreign)
    foreign.touch("fix(base): one", "crates/base/src/lib.rs")
    assert foreign.versions() == {"base": "1.2.1"}
    foreign.commit("feat(local_odd): version", {"plugins/local_odd/version.php": plugin("local_odd", release="1.0.0")})
    assert foreign.versions()["local_odd"].startswith("1.0.0 ")


def test_main_and_maintenance_branches_are_found(foreign: Scratch, tmp_path: Path) -> None:
    foreign.git("branch", "-m", "trunk")
    foreign.git("branch", "MOODLE_405_STABLE")
    foreign.git("branch", "stable-3")
    clone = foreign.clone(tmp_path / "clone")
    clone.branch("work")
    clone.run("init", "--yes").ok()
    config = load(clone.text("release.yaml").encode())
    assert config.main == "trunk"
    assert config.maintenance == ("MOODLE_*_STABLE", "stable-*")


def test_a_manifest_that_cannot_be_read_is_left_out_and_listed(foreign: Scratch) -> None:
    foreign.commit("broken", {"docs/old/Cargo.toml": "[package\n", "x/tests/y/image.yaml": image("web", "0.0.1")})
    done = foreign.run("init", "--yes").ok()
    assert "left out: docs/old/Cargo.toml" in done.out
    assert "left out: x/tests/y/image.yaml" in done.out
    assert load(foreign.text("release.yaml").encode()).ignore == ("/docs/old/", "/x/tests/y/")


def test_two_components_of_one_name_are_an_error_where_neither_is_a_test(foreign: Scratch) -> None:
    foreign.commit("twin", {"other/web/image.yaml": image("web")})
    done = foreign.run("init", "--yes")
    assert done.code == 5
    assert "two components are called web" in done.err
    assert not (foreign.path / "release.yaml").exists()


def test_a_file_that_is_there_is_kept_without_force(foreign: Scratch) -> None:
    foreign.write({"release.yaml": "main: mine\n"})
    done = foreign.run("init", "--yes")
    assert done.code == 4
    assert "--force" in done.err
    assert foreign.text("release.yaml") == "main: mine\n"
    foreign.run("init", "--yes", "--force").ok()
    assert load(foreign.text("release.yaml").encode()).main == "main"


def test_without_a_terminal_it_shows_and_writes_nothing(foreign: Scratch) -> None:
    done = foreign.run("init")
    assert done.code == 2
    assert "--yes" in done.err
    assert "accel" in done.out
    assert not (foreign.path / "release.yaml").exists()


def test_as_json_it_shows_what_it_would_write(foreign: Scratch) -> None:
    found = foreign.run("init", "--json").ok().json
    assert not found["written"]
    assert {one["name"] for one in found["components"]} == {"accel", "base", "local_fast", "web", "site"}
    assert load(found["text"].encode()).baseline is not None


def test_a_declared_version_below_its_tag_is_listed(foreign: Scratch) -> None:
    foreign.tag("web-v5.0.0")
    assert "its file says 4.0.0, but web-v5.0.0 was released" in foreign.run("init", "--yes").ok().out


def test_an_empty_repository_and_one_without_components_are_told_so(tmp_path: Path) -> None:
    repo = Scratch(tmp_path / "repo")
    assert repo.run("init", "--yes").code == 7
    repo.commit("start", {"README.md": "x"})
    done = repo.run("init", "--yes")
    assert done.code == 5
    assert "no component here" in done.err
