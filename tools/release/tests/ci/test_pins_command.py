"""`release ci pins` in scratch repositories, against real git repositories that stand for the actions'."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from github_issues import TOKEN, serving
from release.ci.render import MARK
from scratch import DAY, Result, Scratch

_OTHER = "f" * 40
_WORKFLOW = ".github/workflows/ci.yml"
_PINS = ".github/pins.yaml"


class Stage:
    """A repository that uses the action ``acme/tool``, and a folder with the clone of that."""

    def __init__(self, folder: Path) -> None:
        self.clones = folder / "clones"
        self.action = Scratch(self.clones / "acme/tool", clock=DAY - 60 * 86_400)
        self.shas: dict[str, str] = {}
        self.release("v1.0.0")
        self.scratch = Scratch(folder / "site")
        self.pin("v1.0.0")

    def release(self, tag: str, *, annotated: bool = False, days: int | None = None) -> str:
        """Release ``tag`` of the action, ``days`` before the scratch repository's time."""
        if days is not None:
            self.action.clock = DAY - days * 86_400
        sha = self.action.commit(f"release {tag}")
        if annotated:
            self.action.tag(tag)
        else:
            self.action.git("tag", tag)
        self.shas[tag] = sha
        return sha

    def pin(self, version: str, sha: str | None = None, *, more: str = "") -> None:
        """Pin the action and write a generated workflow that uses it."""
        sha = sha or self.shas[version]
        pin = f"# ours\npins:\n  - uses: acme/tool # why\n    sha: {sha}\n    version: {version}\n{more}"
        self.scratch.write({_PINS: pin, _WORKFLOW: workflow(sha, version)})

    def run(self, *args: str) -> Result:
        """Run ``release ci pins`` with the folder of clones."""
        return self.scratch.run("ci", "pins", *args, "--from", str(self.clones))

    def findings(self, *names: str) -> list[tuple[str, str, int]]:
        """Return rule, path and line of what `verify` finds."""
        result = self.run("verify", "acme/tool", *names, "--json")
        found = result.json["findings"]
        assert result.code == (1 if any(one["severity"] == "error" for one in found) else 0)
        return [(one["rule"], one["path"], one["line"]) for one in found]

    def own(self) -> dict[str, tuple[str, str]]:
        """Return version and SHA of the pins in the own file."""
        read = yaml.safe_load(self.scratch.text(_PINS))["pins"]
        return {one["uses"]: (one["version"], one["sha"]) for one in read}


def workflow(*uses: str, action: str = "acme/tool", mark: str = MARK) -> str:
    """Return a workflow with a step for each pair of SHA and version in ``uses``."""
    pairs = zip(uses[::2], uses[1::2], strict=True)
    steps = "".join(f"      - uses: {action}@{sha}{f' # {version}' if version else ''}\n" for sha, version in pairs)
    return f"{mark}\nname: ci\non: push\njobs:\n  one:\n    runs-on: ubuntu-24.04\n    steps:\n{steps}"


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_the_list_says_where_a_pin_comes_from_and_what_uses_it(stage: Stage) -> None:
    found = {one["uses"]: one for one in stage.scratch.run("ci", "pins", "list", "--json").ok().json["pins"]}
    assert found["acme/tool"]["source"] == "own"
    assert found["acme/tool"]["workflows"] == [_WORKFLOW]
    assert found["actions/checkout"]["source"] == "packaged"
    assert found["actions/checkout"]["workflows"] == []
    printed = stage.scratch.run("ci", "pins", "list").ok().out
    assert "ci.yml" in next(line for line in printed.splitlines() if "acme/tool" in line)
    assert "single source" in next(line for line in printed.splitlines() if "composer-install" in line)


@pytest.mark.parametrize("annotated", [False, True])
def test_a_pin_at_its_tag_is_right(stage: Stage, annotated: bool) -> None:
    stage.release("v1.1.0", annotated=annotated)
    stage.pin("v1.1.0")
    assert stage.findings() == []


def test_a_bare_clone_is_asked_too(stage: Stage) -> None:
    stage.action.git("clone", "-q", "--bare", str(stage.action.path), f"{stage.action.path}.git")
    stage.action.remove()
    assert stage.findings() == []


def test_the_object_of_an_annotated_tag_is_no_commit(stage: Stage) -> None:
    commit = stage.release("v1.1.0", annotated=True)
    stage.pin("v1.1.0", stage.action.git("rev-parse", "refs/tags/v1.1.0"))
    assert stage.findings() == [("tag-object", _PINS, 3)]
    assert commit in stage.run("verify", "acme/tool").out


def test_a_moved_tag_is_said_loudly(stage: Stage) -> None:
    evil = stage.action.commit("malware")
    stage.action.git("tag", "-f", "v1.0.0", evil)
    assert stage.findings() == [("moved-tag", _PINS, 3)]
    result = stage.run("verify", "acme/tool")
    assert result.code == 1
    assert "THE TAG v1.0.0 LEADS ELSEWHERE" in result.out
    assert evil in result.out


def test_a_moved_tag_is_no_wrong_version_though_a_shorter_tag_stayed(stage: Stage) -> None:
    stage.action.git("tag", "v1", stage.shas["v1.0.0"])
    stage.action.git("tag", "-f", "v1.0.0", stage.action.commit("malware"))
    assert stage.findings() == [("moved-tag", _PINS, 3)]


def test_a_comment_that_lies_is_named_with_the_right_version(stage: Stage) -> None:
    new = stage.release("v6.0.3")
    stage.pin("v1.0.0", new)
    assert stage.findings() == [("wrong-version", _PINS, 3)]
    assert f"{new[:12]} is v6.0.3, not v1.0.0" in stage.run("verify", "acme/tool").out


def test_a_comment_beside_a_sha_in_a_written_workflow_is_checked(stage: Stage) -> None:
    hand = ".github/workflows/hand.yaml"
    sha = stage.shas["v1.0.0"]
    text = workflow(sha, "v9", sha, "", "v1", "", sha, "v1.0.0", mark="# by hand")
    stage.scratch.write({hand: text, ".github/workflows/notes.txt": "uses: acme/tool@v1"})
    assert stage.findings() == [("wrong-version", hand, 8), ("no-version", hand, 9), ("unpinned", hand, 10)]


def test_uses_in_a_script_or_of_this_repository_are_none(stage: Stage) -> None:
    step = "      - run: |\n          # uses: acme/tool@main\n      - uses: ./here\n      - uses: docker://alpine@sha256:0\n"
    stage.scratch.write({_WORKFLOW: workflow(stage.shas["v1.0.0"], "v1.0.0") + step})
    assert stage.findings() == []


def test_a_branch_is_a_warning_and_a_tag_that_never_was_an_error(stage: Stage) -> None:
    stage.pin("main", stage.action.commit("later"))
    assert stage.findings() == [("branch", _PINS, 3)]
    stage.pin("v7.7.7", _OTHER)
    assert stage.findings() == [("no-tag", _PINS, 3)]


def test_a_repository_that_is_not_there_is_a_finding(stage: Stage) -> None:
    ((rule, path, line),) = stage.findings("actions/cache")
    assert (rule, path) == ("not-checked", "release/ci/pins.yaml")
    assert line > 1


def test_a_name_without_a_pin_is_refused(stage: Stage) -> None:
    result = stage.run("verify", "acme/other")
    assert result.code == 12
    assert "acme/other is not pinned" in result.err


def test_an_update_takes_the_newest_that_the_cooldown_lets_through(stage: Stage) -> None:
    stage.release("v1.1.0", days=30)
    old_enough = stage.release("v2.0.0", annotated=True, days=8)
    stage.release("v2.1.0", days=6)
    stage.release("v2.2.0-rc.1", days=20)
    stage.release("3.0.0", days=20)
    stage.release("v4", days=20)
    before = stage.scratch.text(_PINS)
    result = stage.run("update", "acme/tool", "--json").ok()
    assert result.json["pins"] == [
        {
            "uses": "acme/tool",
            "from": {"version": "v1.0.0", "sha": stage.shas["v1.0.0"]},
            "to": {"version": "v2.0.0", "sha": old_enough},
            "major": True,
            "waiting": "v2.1.0",
            "until": "2026-01-03",
            "refused": None,
        }
    ]
    after = before.replace(stage.shas["v1.0.0"], old_enough).replace("v1.0.0", "v2.0.0")
    assert stage.scratch.text(_PINS) == after


def test_the_later_of_a_tags_and_its_commits_date_counts(stage: Stage) -> None:
    stage.release("v1.1.0", days=30)
    stage.action.clock = DAY - 2 * 86_400
    stage.action.git("tag", "-d", "v1.1.0")
    stage.action.tag("v1.1.0")
    (found,) = stage.run("update", "acme/tool", "--json").ok().json["pins"]
    assert (found["to"], found["waiting"], found["until"]) == (None, "v1.1.0", "2026-01-06")


def test_a_longer_cooldown_keeps_more_back(stage: Stage) -> None:
    stage.release("v1.1.0", days=8)
    (found,) = stage.run("update", "acme/tool", "--cooldown", "9", "--json").ok().json["pins"]
    assert (found["to"], found["waiting"]) == (None, "v1.1.0")


@pytest.mark.parametrize(("seconds", "raised"), [(0, True), (1, False)])
def test_the_cooldown_ends_to_the_second(stage: Stage, seconds: int, raised: bool) -> None:
    stage.action.clock = DAY - 7 * 86_400 - 1 + seconds
    sha = stage.release("v1.1.0")
    assert stage.action.git("show", "-s", "--format=%ct", sha) == str(DAY - 7 * 86_400 + seconds)
    (found,) = stage.run("update", "acme/tool", "--json").ok().json["pins"]
    assert (found["to"] is not None, found["waiting"]) == ((True, None) if raised else (False, "v1.1.0"))


@pytest.mark.parametrize("days", ["6", "0", "-1"])
def test_a_cooldown_below_a_week_is_refused(stage: Stage, days: str) -> None:
    result = stage.run("update", "acme/tool", f"--cooldown={days}")
    assert result.code == 12
    assert "too short" in result.err


def test_a_dry_run_writes_nothing(stage: Stage) -> None:
    stage.release("v1.1.0", days=8)
    before = stage.scratch.state()
    assert "v1.0.0 → v1.1.0" in stage.run("update", "acme/tool", "--dry-run").ok().out
    assert stage.scratch.state() == before


def test_a_pin_whose_tag_moved_is_refused_and_the_others_are_raised(stage: Stage) -> None:
    other = Scratch(stage.clones / "acme/other", clock=DAY - 60 * 86_400)
    first = other.commit("one")
    other.git("tag", "v1.0.0")
    stage.pin("v1.0.0", more=f"  - uses: acme/other\n    sha: {first}\n    version: v1.0.0\n")
    second = other.commit("two")
    other.git("tag", "v1.2.0")
    stage.release("v1.1.0", days=8)
    stage.action.git("tag", "-f", "v1.0.0", stage.action.commit("malware"))
    result = stage.run("update", "acme/tool", "acme/other")
    assert result.code == 1
    assert "acme/tool: refused: THE TAG v1.0.0 LEADS ELSEWHERE" in result.out
    assert stage.own() == {"acme/tool": ("v1.0.0", stage.shas["v1.0.0"]), "acme/other": ("v1.2.0", second)}


def test_a_packaged_pin_whose_tag_leads_elsewhere_is_refused_and_no_file_made(stage: Stage) -> None:
    cache = Scratch(stage.clones / "actions/cache", clock=DAY - 60 * 86_400)
    cache.commit("another")
    listed = stage.scratch.run("ci", "pins", "list", "--json").ok().json["pins"]
    cache.git("tag", next(one["version"] for one in listed if one["uses"] == "actions/cache"))
    stage.scratch.write({_PINS: None})
    result = stage.run("update", "actions/cache")
    assert result.code == 1
    assert "LEADS ELSEWHERE" in result.out
    assert not (stage.scratch.path / _PINS).exists()


def test_newer_versions_are_told_of_in_one_issue_that_is_closed_when_they_are_taken(stage: Stage) -> None:
    names = ("update", "acme/tool", "--issue", "--from", str(stage.clones))
    with serving() as github:
        env = {"GITHUB_API_URL": github.url, "GITHUB_TOKEN": TOKEN, "GITHUB_REPOSITORY": "acme/site"}

        def tell() -> Result:
            return stage.scratch.run("ci", "pins", *names, env=env).ok()

        assert tell().out.endswith("issue: no issue\n")
        sha = stage.release("v1.1.0", days=30)
        before = stage.scratch.text(_PINS)
        assert tell().out.endswith("issue: opened #1\n")
        assert tell().out.endswith("issue: updated #1\n")
        assert stage.scratch.text(_PINS) == before
        (issue,) = github.issues
        assert (issue["state"], issue["labels"]) == ("open", ["pins-update"])
        assert f"| `acme/tool` | v1.0.0 | v1.1.0 (`{sha}`) |" in issue["body"]
        stage.run("update", "acme/tool").ok()
        assert tell().out.endswith("issue: closed #1\n")
        assert [one["state"] for one in github.issues] == ["closed"]


def test_an_issue_about_a_moved_tag_does_not_make_the_run_green(stage: Stage) -> None:
    stage.action.commit("another")
    stage.action.git("tag", "--force", "v1.0.0")
    with serving() as github:
        env = {"GITHUB_API_URL": github.url, "GITHUB_TOKEN": TOKEN, "GITHUB_REPOSITORY": "acme/site"}
        done = stage.scratch.run("ci", "pins", "update", "acme/tool", "--issue", "--from", str(stage.clones), env=env)
        assert done.code == 1
        assert "moved" in github.issues[0]["body"] or "leads" in github.issues[0]["body"]


def test_a_bump_in_a_generated_workflow_is_adopted(stage: Stage) -> None:
    new = stage.release("v2.0.0")
    stage.scratch.write({_WORKFLOW: workflow(new, "v2.0.0", new, "v2.0.0")})
    before = stage.scratch.text(_PINS)
    (found,) = stage.scratch.run("ci", "pins", "adopt", "--json").ok().json["adopted"]
    assert (found["from"]["version"], found["to"]) == ("v1.0.0", {"version": "v2.0.0", "sha": new})
    assert [place["line"] for place in found["places"]] == [8, 9]
    assert stage.scratch.text(_PINS) == before.replace(stage.shas["v1.0.0"], new).replace("v1.0.0", "v2.0.0")
    assert "nothing to adopt" in stage.scratch.run("ci", "pins", "adopt").ok().out


def test_what_a_bot_did_to_real_workflows_is_adopted_and_then_nothing_differs(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "site")
    scratch.commit("all", {"tools/x/pyproject.toml": '[project]\nname = "x"\nversion = "1.0.0"\n'})
    scratch.run("ci", "generate").ok()
    scratch.commit("chore: generate")
    pin = next(one for one in scratch.run("ci", "pins", "list", "--json").ok().json["pins"] if one["workflows"])
    assert len(pin["workflows"]) > 1
    for name in pin["workflows"]:
        old = re.compile(rf"{pin['sha']}( +# ){re.escape(pin['version'])}")
        scratch.write({name: old.sub(rf"{_OTHER}\1v99.0.0", scratch.text(name))})
    assert scratch.run("ci", "generate", "--check").code == 1
    assert f"{pin['version']} → v99.0.0" in scratch.run("ci", "pins", "adopt").ok().out
    scratch.run("ci", "generate", "--check").ok()
    assert re.search(rf"@{_OTHER} +# v99\.0\.0$", scratch.text(pin["workflows"][0]), re.MULTILINE)
    assert _PINS in scratch.git("status", "--porcelain=v1", "-uall")


def test_a_packaged_pin_is_adopted_into_a_new_file(stage: Stage) -> None:
    stage.scratch.write({_PINS: None, _WORKFLOW: workflow(_OTHER, "v99.0.0", action="github/codeql-action/init")})
    stage.scratch.run("ci", "pins", "adopt").ok()
    assert stage.own() == {"github/codeql-action/upload-sarif": ("v99.0.0", _OTHER)}


def test_a_bump_in_a_workflow_that_is_not_generated_is_left_alone(stage: Stage) -> None:
    stage.scratch.write({".github/workflows/hand.yml": workflow(_OTHER, "v2.0.0", mark="# by hand")})
    before = stage.scratch.text(_PINS)
    assert "nothing to adopt" in stage.scratch.run("ci", "pins", "adopt").ok().out
    assert stage.scratch.text(_PINS) == before


def test_uses_of_an_action_that_disagree_are_refused_with_their_places(stage: Stage) -> None:
    stage.scratch.write({".github/workflows/other.yml": workflow(_OTHER, "v2.0.0")})
    before = stage.scratch.text(_PINS)
    result = stage.run("adopt")
    assert result.code == 12
    assert "disagree" in result.err
    assert "ci.yml:8:15" in result.err
    assert "other.yml:8:15" in result.err
    assert stage.scratch.text(_PINS) == before


def test_a_sha_bumped_without_its_comment_is_adopted_with_the_right_version(stage: Stage) -> None:
    new = stage.release("v1.2.0")
    stage.action.git("tag", "v1", new)
    stage.scratch.write({_WORKFLOW: workflow(new, "v1.0.0")})
    stage.run("adopt").ok()
    assert stage.own()["acme/tool"] == ("v1.2.0", new)


def test_a_sha_that_is_at_no_tag_is_refused(stage: Stage) -> None:
    stage.scratch.write({_WORKFLOW: workflow(stage.action.commit("impostor"), "v1.0.0")})
    result = stage.run("adopt")
    assert result.code == 12
    assert "no tag leads there" in result.err


def test_a_comment_that_changed_alone_must_be_right(stage: Stage) -> None:
    sha = stage.shas["v1.0.0"]
    stage.scratch.write({_WORKFLOW: workflow(sha, "v9.0.0")})
    result = stage.run("adopt")
    assert result.code == 12
    assert "is v1.0.0" in result.err
    stage.action.git("tag", "v1.0.1", sha)
    stage.scratch.write({_WORKFLOW: workflow(sha, "v1.0.1")})
    stage.run("adopt").ok()
    assert stage.own()["acme/tool"] == ("v1.0.1", sha)


def test_where_the_upstream_is_not_there_a_bump_without_its_comment_is_refused(stage: Stage) -> None:
    stage.scratch.write({_WORKFLOW: workflow(_OTHER, "v1.0.0")})
    stage.action.remove()
    result = stage.run("adopt")
    assert result.code == 12
    assert "write the right version beside the SHA" in result.err


def test_a_downgrade_is_adopted_only_when_it_is_allowed(stage: Stage) -> None:
    stage.scratch.write({_WORKFLOW: workflow(_OTHER, "v0.9.0")})
    result = stage.run("adopt")
    assert result.code == 12
    assert "would go down from v1.0.0 to v0.9.0" in result.err
    stage.run("adopt", "--allow-downgrade").ok()
    assert stage.own()["acme/tool"] == ("v0.9.0", _OTHER)


def test_the_export_is_githubs_form_and_says_what_is_missing(stage: Stage) -> None:
    sha = stage.shas["v1.0.0"]
    result = stage.scratch.run("ci", "pins", "export")
    assert result.code == 1
    assert "missing: owner_id and repo_id of acme/tool" in result.err
    key = f"acme/tool@{sha}"
    assert yaml.safe_load(result.out) == {
        "version": "v0.0.2",
        "workflows": {_WORKFLOW: [key]},
        "dependencies": {key: {"ref": "v1.0.0", "commit": f"sha1-{sha}"}},
    }


def test_the_export_takes_numbers_and_inner_uses_over_from_a_lock(stage: Stage) -> None:
    sha = stage.shas["v1.0.0"]
    key, inner = f"acme/tool@{sha}", "acme/inner@v3"
    lock = {
        "version": "v0.0.2",
        "dependencies": {
            key: {"ref": "v1.0.0", "commit": f"sha1-{sha}", "owner_id": 7, "repo_id": 8, "uses": [inner]},
            inner: {"ref": "v3", "commit": f"sha1-{_OTHER}", "owner_id": 7, "repo_id": 9},
            "acme/gone@v1": {"ref": "v1", "commit": f"sha1-{_OTHER}", "owner_id": 7, "repo_id": 10},
        },
        "workflows": {},
    }
    stage.scratch.write({".github/workflows/actions.lock": yaml.safe_dump(lock)})
    stage.scratch.run("ci", "pins", "export", "--out", "new.lock").ok()
    made = yaml.safe_load(stage.scratch.text("new.lock"))
    assert made["workflows"] == {_WORKFLOW: [key]}
    assert made["dependencies"] == {name: lock["dependencies"][name] for name in (inner, key)}  # type: ignore[index]


@pytest.mark.parametrize("key", ["acme/tool@v0", "acme/tool@{sha}"])
def test_numbers_hold_for_another_commit_and_inner_uses_do_not(stage: Stage, key: str) -> None:
    entry = {"ref": "v0", "commit": f"sha1-{_OTHER}", "owner_id": 7, "repo_id": 8, "uses": ["acme/inner@v3"]}
    inner = {"ref": "v3", "commit": f"sha1-{_OTHER}", "owner_id": 7, "repo_id": 9}
    entries = {key.format(sha=stage.shas["v1.0.0"]): entry, "acme/inner@v3": inner}
    lock = {"version": "v0.0.2", "dependencies": entries}
    stage.scratch.write({"old.lock": yaml.safe_dump(lock)})
    result = stage.scratch.run("ci", "pins", "export", "--known", "old.lock").ok()
    (made,) = yaml.safe_load(result.out)["dependencies"].values()
    assert (made["owner_id"], made["repo_id"], "uses" in made) == (7, 8, False)
    assert "not known: what acme/tool@" in result.err


def test_a_workflow_that_is_not_at_its_pin_is_not_exported(stage: Stage) -> None:
    stage.scratch.write({_WORKFLOW: workflow(_OTHER, "v1.0.0")})
    result = stage.scratch.run("ci", "pins", "export")
    assert result.code == 12
    assert "pinned at" in result.err
