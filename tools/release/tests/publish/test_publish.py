from __future__ import annotations

import stat
from pathlib import Path

import pytest

from cargo_registry import cargo_environment
from release.errors import Place
from release.model.component import Component
from release.model.version import Version
from release.publish.destination import Artifact, Released
from release.publish.destinations.folder import Folder
from releases import CRATES, TAGS, monorepo, written_files
from scratch import Scratch, plugin

SHELF = """publish:
  destinations:
    shelf: {to: folder, options: {path: ../shelf}}
    spare: {to: folder, options: {path: ../spare}}
  kinds:
    plugin: [shelf, spare]
    chart: [shelf]
"""
HELLO = ("local_hello/1.2.0/SHA256SUMS", "local_hello/1.2.0/local_hello-1.2.0.zip")


def states(scratch: Scratch, *args: str) -> list[tuple[str, str, str]]:
    data = scratch.run("publish", "--json", *args).ok().json
    return [(step["tag"], step["destination"], step["state"]) for step in data["steps"]]


def test_each_release_at_head_goes_to_the_destinations_of_its_kind_and_a_second_run_finds_it_there(
    tmp_path: Path,
) -> None:
    scratch = monorepo(tmp_path / "work", SHELF)
    first = states(scratch)
    assert [one for one in first if one[0] == "local_hello-v1.2.0"] == [
        ("local_hello-v1.2.0", "shelf", "done"),
        ("local_hello-v1.2.0", "shelf", "done"),
        ("local_hello-v1.2.0", "spare", "done"),
        ("local_hello-v1.2.0", "spare", "done"),
    ]
    assert {(tag, state) for tag, place, state in first if not place} == {
        ("part-v0.1.0", "no destination"), ("whole-v0.3.0", "no destination"), ("site-v1.2.3", "no destination"),
    }  # fmt: skip
    files = written_files(tmp_path / "shelf")
    assert sorted(files) == [*HELLO, "web/0.9.0/SHA256SUMS", "web/0.9.0/web-0.9.0.tgz"]
    sums = (tmp_path / "shelf/local_hello/1.2.0/SHA256SUMS").read_text()
    assert sums == f"{files[HELLO[1]]}  local_hello-1.2.0.zip\n"
    assert {state for _, place, state in states(scratch) if place} == {"there"}
    assert written_files(tmp_path / "shelf") == files


def test_parts_come_before_wholes_and_earlier_commits_before_later_ones(tmp_path: Path) -> None:
    scratch = monorepo(tmp_path / "work", SHELF)
    scratch.commit("fix: more", {"plugins/local_hello/version.php": plugin("local_hello", 2025010200, "1.2.1")})
    scratch.tag("local_hello-v1.2.1")
    order = ["web-v0.9.0", "whole-v0.3.0", "local_hello-v1.2.1", "site-v1.2.3", "local_hello-v1.2.0", "part-v0.1.0"]
    seen = list(dict.fromkeys(tag for tag, _, _ in states(scratch, "--dry-run", *order)))
    assert seen == [*TAGS, "local_hello-v1.2.1"]


def test_without_tags_at_head_the_newest_release_commit_is_published(tmp_path: Path) -> None:
    scratch = monorepo(tmp_path / "work", SHELF)
    scratch.clock += 86400
    scratch.commit("fix(local_hello): more", {"plugins/local_hello/lib.php": "<?php\n"})
    scratch.run("bump").ok()
    scratch.commit("docs: words", {"README.md": "x\n"})
    assert {tag for tag, _, _ in states(scratch, "--dry-run", "--to", "shelf")} == {"local_hello-v1.2.1"}


def test_where_nothing_was_released_nothing_is_published(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "work")
    scratch.commit("feat: start", {"a": "x"})
    assert "Nothing to publish" in scratch.run("publish").ok().out
    assert scratch.run("publish", "--json").ok().json == {"dry-run": False, "releases": 0, "steps": []}


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(tmp_path: Path) -> None:
    scratch = monorepo(tmp_path / "work", SHELF)
    before = scratch.state()
    assert {state for _, place, state in states(scratch, "--dry-run") if place} == {"to do"}
    assert not (tmp_path / "shelf").exists()
    assert scratch.state() == before
    assert scratch.git("status", "--porcelain", "--ignored") == ""


def test_only_the_asked_destination_gets_something(tmp_path: Path) -> None:
    scratch = monorepo(tmp_path / "work", SHELF)
    scratch.run("publish", "--to", "spare").ok()
    assert sorted(written_files(tmp_path / "spare")) == list(HELLO)
    assert not (tmp_path / "shelf").exists()


def test_other_bytes_at_a_destination_stop_the_run_and_stay(tmp_path: Path) -> None:
    scratch = monorepo(tmp_path / "work", SHELF)
    file = tmp_path / "shelf" / HELLO[1]
    file.parent.mkdir(parents=True)
    file.write_bytes(b"another")
    for extra in ((), ("--dry-run",)):
        result = scratch.run("publish", *extra)
        assert result.code == 13
        assert "local_hello-1.2.0.zip: the destination has" in result.err
        assert written_files(tmp_path / "shelf").keys() == {HELLO[1]}
        assert file.read_bytes() == b"another"


def test_a_tag_that_is_no_release_is_refused(tmp_path: Path) -> None:
    scratch = monorepo(tmp_path / "work", SHELF)
    scratch.tag("local_hello-v9.9.9", "stable")
    cases = {"stable": (8, "no tag of a release"), "local_hello-v9.9.9": (8, "says 9.9.9"), "nope": (7, "no tag nope")}
    for tag, (code, words) in cases.items():
        result = scratch.run("publish", tag)
        assert (result.code, words in result.err) == (code, True), result.err


def test_the_package_is_that_of_the_tagged_commit_and_the_destinations_are_those_of_head(tmp_path: Path) -> None:
    scratch = monorepo(tmp_path / "work")
    scratch.commit("ci: publish", {"release.yaml": f"version: 1\n{SHELF}", "plugins/local_hello/lib.php": "<?php\n"})
    scratch.run("publish", "local_hello-v1.2.0", "--to", "shelf").ok()
    scratch.run("package", "local_hello", "--at", "local_hello-v1.2.0").ok()
    assert (tmp_path / "shelf" / HELLO[1]).read_bytes() == (scratch.path / "dist/local_hello-1.2.0.zip").read_bytes()


def test_a_file_that_a_killed_run_left_unfinished_is_written_again(tmp_path: Path) -> None:
    scratch = monorepo(tmp_path / "work", SHELF)
    unfinished = tmp_path / "shelf/local_hello/1.2.0/.local_hello-1.2.0.zip.unfinished"
    unfinished.parent.mkdir(parents=True)
    unfinished.write_bytes(b"half")
    scratch.run("publish", "local_hello-v1.2.0", "--to", "shelf").ok()
    assert sorted(written_files(tmp_path / "shelf")) == list(HELLO)


def test_a_folder_that_can_not_be_written_is_said(tmp_path: Path) -> None:
    scratch = monorepo(tmp_path / "work", SHELF)
    (tmp_path / "shelf").write_text("a file")
    result = scratch.run("publish", "--to", "shelf", "local_hello-v1.2.0")
    assert result.code == 11
    assert "Traceback" not in result.err


def test_the_table_also_goes_into_the_summary_of_the_job(tmp_path: Path) -> None:
    scratch = monorepo(tmp_path / "work", SHELF)
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    env = {"GITHUB_STEP_SUMMARY": str(summary)}
    out = scratch.run("publish", "--to", "shelf", env=env).ok().out
    assert "local_hello-v1.2.0" in out
    text = summary.read_text()
    assert text.startswith(
        "before\n### Published\n\n| release | to | what | state |\n| --- | --- | --- | --- |\n| local"
    )
    assert text.count("| done |") == 4
    (tmp_path / "shelf" / HELLO[1]).write_bytes(b"x")
    assert scratch.run("publish", "--to", "shelf", env=env).code == 13
    assert "**file" in summary.read_text()


@pytest.mark.parametrize("word", ["site", "site=sha256:12", "=sha256:" + "0" * 64, "site=" + "0" * 64])
def test_a_digest_that_is_none_is_refused(tmp_path: Path, word: str) -> None:
    scratch = monorepo(tmp_path / "work", SHELF)
    assert scratch.run("publish", "--digest", word).code == 2
    assert scratch.run("publish", env={"RELEASE_DIGESTS": word}).code == 2


def test_a_file_that_another_run_has_just_put_there_is_not_overwritten(tmp_path: Path) -> None:
    mine, theirs = tmp_path / "mine.zip", tmp_path / "shelf/a/1.0.0/mine.zip"
    mine.write_bytes(b"mine")
    artifact = Artifact("mine.zip", mine, "0" * 64)
    component = Component("a", "plugin", "a", "a/version.php", "a/CHANGES.md", Place("a/version.php"), Version(1))
    released = Released(component, Version(1), "a-v1.0.0", "0" * 40, 0, "", (artifact,))
    step = next(Folder().steps(released, {"path": str(tmp_path / "shelf")}, {}))
    assert step.look() is None
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"theirs")
    step.do()
    assert theirs.read_bytes() == b"theirs"


def test_files_are_written_for_all_to_read(tmp_path: Path) -> None:
    scratch = monorepo(tmp_path / "work", SHELF)
    scratch.run("publish", "--to", "spare").ok()
    assert stat.S_IMODE((tmp_path / "spare" / HELLO[1]).stat().st_mode) & 0o444 == 0o444


def test_all_tags_of_the_scratch_monorepo_are_releases(tmp_path: Path) -> None:
    scratch = monorepo(tmp_path / "work", SHELF)
    assert {tag for tag, _, _ in states(scratch, "--dry-run")} == set(TAGS)


def test_a_crate_whose_parts_are_in_no_registry_yet_is_packaged_with_them(tmp_path: Path) -> None:
    whole = CRATES["crates/whole/Cargo.toml"].replace(', registry = "test"', "")
    scratch = monorepo(tmp_path / "work", files={"crates/whole/Cargo.toml": whole})
    env = cargo_environment(tmp_path)
    first = scratch.run("package", "whole", "--json", env=env).ok().json
    other = scratch.clone(tmp_path / "elsewhere")
    (other.path / "crates/whole/src/lib.rs").write_text("broken")
    second = other.run("package", "whole", "--json", env={**env, "TZ": "Asia/Tokyo", "LC_ALL": "C"}).ok().json
    assert first["packages"][0]["name"] == "whole-0.3.0.crate"
    assert first == second
