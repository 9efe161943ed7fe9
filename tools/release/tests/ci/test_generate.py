"""`release ci generate`: what is missing, stale, orphaned or written by hand, and nothing half done."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from everything import FILES
from scratch import Scratch

NAMES = ["ci", "codeql", "pins-update", "release", "scorecard"]
_YAML = "main: main\nenvironments: {release: {}}\n"


@pytest.fixture
def campus(tmp_path: Path) -> Scratch:
    """Return a repository of two crates, its workflows generated and committed."""
    repository = Scratch(tmp_path / "campus")
    files = {path: text for path, text in FILES.items() if path.startswith(("crates/", "Cargo", "noxfile"))}
    repository.commit("feat: begin", {**files, "release.yaml": _YAML})
    repository.run("ci", "generate").ok()
    repository.commit("ci: generate the workflows")
    return repository


def _workflow(campus: Scratch, name: str) -> Path:
    return campus.path / ".github" / "workflows" / f"{name}.yml"


def test_what_is_generated_is_complete_and_generating_again_changes_nothing(campus: Scratch) -> None:
    assert sorted(path.stem for path in (campus.path / ".github/workflows").iterdir()) == NAMES
    before = campus.state()
    done = campus.run("ci", "generate").ok()
    assert done.out == "6 files: 0 changes\n"
    check = campus.run("ci", "generate", "--check")
    assert (check.code, check.out) == (0, "6 files: all as generated\n")
    assert campus.state() == before


def test_the_files_are_marked_for_reviewers(campus: Scratch) -> None:
    lines = campus.text(".gitattributes").splitlines()
    assert lines == sorted(lines, key=lines.index)
    assert "/.github/workflows/ci.yml linguist-generated" in lines
    assert campus.git("check-attr", "linguist-generated", ".github/actionlint.yaml").endswith(": set")
    campus.write({".gitattributes": "*.rs diff=rust"})
    check = campus.run("ci", "generate", "--check")
    assert check.code == 1
    assert ".github/workflows/ci.yml is not marked linguist-generated" in check.out
    campus.run("ci", "generate").ok()
    assert campus.text(".gitattributes").startswith("*.rs diff=rust\n/.github/workflows/")


def test_a_rule_that_marks_them_all_is_enough(campus: Scratch) -> None:
    campus.write({".gitattributes": "/.github/** linguist-generated=true\n"})
    assert campus.run("ci", "generate", "--check").code == 0


def test_a_missing_file_is_named_and_written(campus: Scratch) -> None:
    whole = campus.text(".github/workflows/ci.yml")
    _workflow(campus, "ci").unlink()
    check = campus.run("ci", "generate", "--check")
    assert (check.code, check.out.splitlines()[0]) == (1, ".github/workflows/ci.yml is missing")
    assert not _workflow(campus, "ci").exists(), "--check writes nothing"
    assert campus.run("ci", "generate").ok().out == "wrote .github/workflows/ci.yml\n6 files: 1 change\n"
    assert campus.text(".github/workflows/ci.yml") == whole


def test_a_stale_file_says_what_moved(campus: Scratch) -> None:
    path = _workflow(campus, "ci")
    path.write_text(path.read_text().replace("timeout-minutes: 15", "timeout-minutes: 90", 1))
    check = campus.run("ci", "generate", "--check")
    assert check.code == 1
    assert "jobs.plan.timeout-minutes is 90, should be 15" in check.out
    assert "-    timeout-minutes: 90\n+    timeout-minutes: 15\n" in check.out
    assert "run `release ci generate`, and commit what it writes" in check.out
    found = campus.run("ci", "generate", "--check", "--json").json["drift"]
    assert [(one["path"], one["state"]) for one in found] == [(".github/workflows/ci.yml", "stale")]
    campus.run("ci", "generate").ok()
    assert campus.git("status", "--porcelain") == ""


def test_another_action_in_the_place_of_one_is_said(campus: Scratch) -> None:
    path = _workflow(campus, "ci")
    path.write_text(path.read_text().replace("uses: actions/checkout@", "uses: eve/checkout@", 1))
    check = campus.run("ci", "generate", "--check")
    assert check.code == 1
    assert "jobs.plan.steps[Check out].uses is 'eve/checkout@" in check.out
    assert "only comments" not in check.out


def test_where_only_pins_moved_the_way_to_adopt_them_is_shown(campus: Scratch) -> None:
    path = _workflow(campus, "ci")
    path.write_text(re.sub(r"(actions/checkout)@\w+  # \S+", rf"\1@{'a' * 40}  # v99.0.0", path.read_text()))
    check = campus.run("ci", "generate", "--check")
    assert check.code == 1
    assert f"actions/checkout is at {'a' * 12} (v99.0.0), the pins say" in check.out
    assert check.out.splitlines()[-1].startswith("only pins moved: `release ci pins adopt`")
    other = _workflow(campus, "codeql")
    other.write_text(other.read_text().replace("timeout-minutes: 60", "timeout-minutes: 61"))
    assert "only pins moved" not in campus.run("ci", "generate", "--check").out


def test_what_is_no_yaml_any_more_is_said(campus: Scratch) -> None:
    path = _workflow(campus, "ci")
    path.write_text(path.read_text() + "\n}{\n")
    check = campus.run("ci", "generate", "--check")
    assert check.code == 1
    assert "it is no YAML any more" in check.out


def test_an_orphan_is_found_and_removed_and_what_others_wrote_stays(campus: Scratch) -> None:
    campus.write({".github/workflows/own.yml": "name: own\n", ".github/workflows/notes.txt": "# Generated by nobody\n"})
    campus.write({"release.yaml": f"{_YAML}ci: {{without: [scorecard]}}\n"})
    check = campus.run("ci", "generate", "--check")
    assert check.code == 1
    assert check.out.startswith(".github/workflows/scorecard.yml was generated once and is not needed any more\n")
    assert _workflow(campus, "scorecard").exists()
    assert "removed .github/workflows/scorecard.yml" in campus.run("ci", "generate").ok().out
    assert not _workflow(campus, "scorecard").exists()
    assert campus.text(".github/workflows/own.yml") == "name: own\n"
    assert campus.text(".github/workflows/notes.txt").startswith("# Generated")


def test_linters_settings_that_are_not_needed_any_more_are_an_orphan(campus: Scratch) -> None:
    campus.write({"release.yaml": f"{_YAML}ci: {{without: [release]}}\n"})
    campus.run("ci", "generate").ok()
    assert not (campus.path / ".github/actionlint.yaml").exists()


def test_a_file_written_by_hand_is_not_overwritten_and_nothing_is_written(campus: Scratch) -> None:
    campus.write({".github/workflows/ci.yml": "name: by hand\n", ".github/workflows/codeql.yml": None})
    before = campus.state()
    done = campus.run("ci", "generate")
    assert (done.code, done.out) == (4, "")
    assert "ci.yml was not generated, and would be overwritten" in done.err
    assert "--force" in done.err
    assert campus.state() == before
    assert "was written by hand and would be overwritten" in campus.run("ci", "generate", "--check").out
    campus.run("ci", "generate", "--force").ok()
    assert campus.git("status", "--porcelain") == ""


def test_the_same_repository_gives_the_same_bytes_anywhere(campus: Scratch, tmp_path: Path) -> None:
    other = campus.clone(tmp_path / "elsewhere")
    _workflow(other, "ci").unlink()
    other.run("ci", "generate", env={"LC_ALL": "C", "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"}).ok()
    assert other.text(".github/workflows/ci.yml") == campus.text(".github/workflows/ci.yml")


def test_the_dialect_of_act_goes_to_another_folder_and_lacks_what_act_does_not_know(
    campus: Scratch, tmp_path: Path
) -> None:
    before = campus.state()
    campus.run("ci", "generate", "--dialect", "act", "--out", str(tmp_path / "act")).ok()
    assert sorted(path.stem for path in (tmp_path / "act").iterdir()) == NAMES
    assert "queue: max" in campus.text(".github/workflows/release.yml")
    assert "queue:" not in (tmp_path / "act" / "release.yml").read_text()
    assert campus.state() == before


@pytest.mark.parametrize(
    "options", [["--dialect", "act"], ["--out", "x", "--check"], ["--dialect", "ghes", "--out", "x"]], ids=" ".join
)
def test_options_that_contradict_each_other_are_refused(campus: Scratch, options: list[str]) -> None:
    done = campus.run("ci", "generate", *options)
    assert done.code == 2
    assert "Traceback" not in done.err


@pytest.mark.parametrize("path", [".github/workflows/ci.yml", ".github/actionlint.yaml"])
def test_a_folder_in_the_way_is_an_error_and_nothing_else_is_written(campus: Scratch, path: str) -> None:
    (campus.path / path).unlink()
    (campus.path / path).mkdir()
    _workflow(campus, "codeql").unlink()
    done = campus.run("ci", "generate")
    assert (done.code, done.out) == (4, "")
    assert path in done.err
    assert not _workflow(campus, "codeql").exists()
    assert not list(campus.path.rglob("*.new"))


def test_actionlint_is_told_only_of_the_files_that_need_it(campus: Scratch) -> None:
    settings = yaml.safe_load(campus.text(".github/actionlint.yaml"))
    assert list(settings["paths"]) == [".github/workflows/release.yml"]
    assert "https://github.com/rhysd/actionlint/issues/657" in campus.text(".github/actionlint.yaml")
