"""``release bump --pull-request`` and the tags after its merge: with a real remote and a server in place of GitHub."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from fake_server import FAULTS, REPOSITORY, TOKEN, FakeServer, Fault, serve
from release.flow.pull_request import Proposed, api_for, propose
from release.model.plan import Request
from release.repository.git import Repository
from release.repository.lock import locked
from release.web.http import NoAnswer
from scratch import Result, Scratch, crate, image, plugin, workspace_toml

BRANCH = "release/main"


@dataclass
class Stage:
    """A clone, its bare remote, and the server that shows that remote."""

    repo: Scratch
    origin: Scratch
    server: FakeServer

    def variables(self) -> dict[str, str]:
        return {"GITHUB_TOKEN": TOKEN, "GITHUB_REPOSITORY": REPOSITORY, "GITHUB_API_URL": self.server.url}

    def propose(self, *args: str, repo: Scratch | None = None) -> Result:
        return (repo or self.repo).run("bump", "--pull-request", *args, env=self.variables())

    def change(self, message: str, *paths: str) -> str:
        """Push a change to main."""
        commit = self.repo.touch(message, *paths)
        self.repo.git("push", "-q", "origin", "main")
        return commit

    def remote(self, ref: str) -> str:
        return self.origin.git("rev-parse", "--verify", ref)

    def refs(self) -> str:
        return self.origin.git("for-each-ref")


def make(folder: Path, server: FakeServer) -> Stage:
    """Return a stage with three components released once, and two of them changed since."""
    folder.mkdir(parents=True, exist_ok=True)
    origin = Scratch(folder / "origin.git", init=False)
    origin.path.mkdir()
    origin.git("init", "-q", "--bare", "-b", "main")
    repo = Scratch(folder / "repo")
    repo.git("remote", "add", "origin", str(origin.path))
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
    repo.git("push", "-q", "-u", "--tags", "origin", "main")
    stage = Stage(repo, origin, server)
    stage.change("feat(local_fast): open | close", "plugins/local_fast/lib.php")
    stage.change("fix(accel): less", "crates/accel/src/lib.rs")
    server.heads = stage.remote
    return stage


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with serve() as running:
        yield running


@pytest.fixture
def stage(tmp_path: Path, server: FakeServer) -> Stage:
    return make(tmp_path / "stage", server)


def test_it_opens_a_pull_request_that_shows_the_plan_and_touches_nothing_else(stage: Stage) -> None:
    before, refs = stage.repo.state(), stage.refs()
    (stage.repo.path / "plugins/local_fast/lib.php").write_text("<?php // at work\n")
    out = stage.propose().ok().out
    assert f"opened pull request #1: {stage.server.url}" in out
    stage.repo.git("checkout", "-q", "--", ".")
    after = stage.repo.state()
    for state in (before, after):
        state["refs"] = "\n".join(line for line in state["refs"].splitlines() if "refs/remotes/" not in line)
    assert after == before
    new = f"refs/heads/{BRANCH}"
    assert [line for line in stage.refs().splitlines() if line not in refs.splitlines()] == [
        f"{stage.remote(new)} commit\t{new}"
    ]
    assert stage.remote(f"{BRANCH}^") == stage.remote("main")
    (one,) = stage.server.pulls
    assert (one["head"], one["base"], one["state"]) == (BRANCH, "main", "open")
    assert one["title"] == "chore(release): local_fast 1.1.0, accel 0.1.1"
    assert one["title"] == stage.origin.git("log", "-1", "--format=%s", BRANCH)
    assert "| local_fast | plugin | 1.0.0 | 1.1.0 | 2025010101 → 2026010100 | minor |" in one["body"] or (
        "| local_fast | plugin | 1.0.0 | 1.1.0 |" in one["body"]
    )
    assert "| accel | crate | 0.1.0 | 0.1.1 |  | patch |" in one["body"]
    assert "#### Added\n\n- open | close (" in one["body"]


def test_the_commit_is_the_one_that_a_bump_makes_but_for_its_base(stage: Stage) -> None:
    base = stage.remote("main")
    stage.propose().ok()
    stage.repo.run("bump").ok()
    assert stage.repo.git("rev-parse", "HEAD^{tree}") == stage.remote(f"{BRANCH}^{{tree}}")
    proposed = stage.origin.git("log", "-1", "--format=%B", BRANCH).splitlines()
    proposed.remove(f"Release-Base: {base}")
    assert proposed == stage.repo.git("log", "-1", "--format=%B").splitlines()


def test_a_second_run_pushes_nothing_and_edits_nothing(stage: Stage) -> None:
    stage.propose("--check", "ci.yml").ok()
    refs, before = stage.refs(), len(stage.server.writes())
    stage.repo.clock += 500
    found = stage.propose("--check", "ci.yml", "--json").ok().json
    assert (found["action"], found["dispatched"]) == ("unchanged", False)
    assert found["pull-request"] == {"number": 1, "url": f"{stage.server.url}/{REPOSITORY}/pull/1"}
    assert found["commit"] == stage.remote(BRANCH)
    assert stage.refs() == refs
    assert len(stage.server.writes()) == before


def test_a_person_may_edit_the_text_while_the_plan_stays(stage: Stage) -> None:
    stage.propose().ok()
    stage.server.pulls[0]["body"] += "\nPlease wait for Ada.\r\n"
    assert "unchanged" in stage.propose().ok().out
    assert stage.server.pulls[0]["body"].endswith("Ada.\r\n")


def test_when_main_moves_the_same_pull_request_gets_the_new_plan(stage: Stage) -> None:
    stage.propose().ok()
    stage.change("feat(web): more", "images/web/Dockerfile")
    assert "updated pull request #1" in stage.propose().ok().out
    (one,) = stage.server.pulls
    assert one["title"] == "chore(release): local_fast 1.1.0, accel 0.1.1, web 1.1.0"
    assert "| web | image | 1.0.0 | 1.1.0 |" in one["body"]
    assert stage.remote(f"{BRANCH}^") == stage.remote("main")


def test_with_nothing_to_release_an_open_pull_request_is_closed(stage: Stage) -> None:
    stage.propose().ok()
    stage.repo.run("bump", "--push").ok()
    assert "closed pull request #1" in stage.propose().ok().out
    assert stage.server.pulls[0]["state"] == "closed"
    assert "Nothing is left to release" in stage.server.pulls[0]["body"]
    assert stage.propose("--json").ok().json["action"] == "nothing"
    stage.change("feat(web): more", "images/web/Dockerfile")
    assert "opened pull request #2" in stage.propose().ok().out


def test_a_run_that_main_has_overtaken_does_nothing(stage: Stage, tmp_path: Path) -> None:
    late = stage.origin.clone(tmp_path / "late")
    stage.change("feat(web): more", "images/web/Dockerfile")
    assert "moved on" in stage.propose(repo=late).ok().out
    assert stage.server.seen == []
    with pytest.raises(BaseException, match=BRANCH):
        stage.remote(f"refs/heads/{BRANCH}")


def test_commits_that_the_remote_lacks_are_refused(stage: Stage) -> None:
    stage.repo.touch("feat(web): more", "images/web/Dockerfile")
    done = stage.propose()
    assert done.code == 7
    assert "main has commits here that origin lacks" in done.err


def test_another_branch_and_a_detached_head_are_refused(stage: Stage) -> None:
    stage.repo.git("switch", "-q", "-c", "feature")
    stage.repo.git("push", "-q", "-u", "origin", "feature")
    done = stage.propose()
    assert done.code == 7
    assert "not for feature" in done.err
    stage.repo.git("switch", "-q", "--detach")
    assert stage.propose().code == 7
    assert stage.server.writes() == []


def test_a_maintenance_branch_has_a_pull_request_of_its_own(stage: Stage) -> None:
    stage.repo.run("bump", "--push").ok()
    stage.repo.git("switch", "-q", "-c", "MOODLE_405_STABLE")
    stage.repo.touch("fix(accel): even less", "crates/accel/src/lib.rs")
    stage.repo.git("push", "-q", "-u", "origin", "MOODLE_405_STABLE")
    stage.propose().ok()
    (one,) = stage.server.pulls
    assert (one["head"], one["base"]) == ("release/MOODLE_405_STABLE", "MOODLE_405_STABLE")
    assert one["title"] == "chore(release): accel 0.1.2"


def _commit_to_the_release_branch(stage: Stage) -> str:
    stage.repo.git("fetch", "-q", "origin", BRANCH)
    stage.repo.git("switch", "-q", "-c", "words", "FETCH_HEAD")
    commit = stage.repo.touch("docs: better words", "README.md")
    stage.repo.git("push", "-q", "origin", f"words:{BRANCH}")
    stage.repo.git("switch", "-q", "main")
    return commit


def test_commits_of_people_on_the_release_branch_stay_and_are_never_thrown_away(stage: Stage) -> None:
    stage.propose().ok()
    commit = _commit_to_the_release_branch(stage)
    assert "unchanged" in stage.propose().ok().out
    stage.change("feat(web): more", "images/web/Dockerfile")
    done = stage.propose()
    assert done.code == 7
    assert f"{commit[:12]} (docs: better words)" in done.err
    assert stage.remote(BRANCH) == commit


def test_a_release_branch_that_was_updated_from_main_is_replaced(stage: Stage) -> None:
    stage.propose().ok()
    stage.change("feat(web): more", "images/web/Dockerfile")
    stage.repo.git("fetch", "-q", "origin", BRANCH)
    stage.repo.git("switch", "-q", "-c", "update", "FETCH_HEAD")
    stage.repo.merge("main", "Merge branch 'main' into release/main")
    stage.repo.git("push", "-q", "origin", f"update:{BRANCH}")
    stage.repo.switch("main")
    assert "updated" in stage.propose().ok().out
    assert stage.remote(f"{BRANCH}^") == stage.remote("main")


def test_the_check_is_started_once_for_each_commit(stage: Stage) -> None:
    assert f"started ci.yml on {BRANCH}" in stage.propose("--check", "ci.yml").ok().out
    stage.propose("--check", "ci.yml").ok()
    first = stage.remote(BRANCH)
    stage.change("feat(web): more", "images/web/Dockerfile")
    stage.propose("--check", "ci.yml").ok()
    assert stage.server.runs == [
        {"workflow": "ci.yml", "ref": BRANCH, "head_sha": sha} for sha in (first, stage.remote(BRANCH))
    ]


@pytest.mark.parametrize(
    ("settings", "warned"),
    [
        ({"allow_squash_merge": True, "squash_merge_commit_message": "PR_BODY"}, True),
        ({"allow_squash_merge": True, "squash_merge_commit_message": "COMMIT_MESSAGES"}, False),
        ({"allow_squash_merge": False, "squash_merge_commit_message": "BLANK"}, False),
        ({}, False),
    ],
)
def test_where_a_squash_would_lose_the_message_it_warns(
    stage: Stage, settings: dict[str, object], warned: bool
) -> None:
    stage.server.settings = settings
    stage.propose().ok()
    assert ("Do not squash it" in stage.server.pulls[0]["body"]) == warned


def test_a_plan_too_long_for_a_pull_request_is_cut_and_says_so(stage: Stage) -> None:
    for number in range(400):
        stage.repo.commit(f"feat(local_fast): {number} {'more ' * 40}", {"plugins/local_fast/lib.php": f"{number}\n"})
    stage.repo.git("push", "-q", "origin", "main")
    stage.propose().ok()
    text = stage.server.pulls[0]["body"]
    assert "too long to be shown here" in text
    assert len(text) < 65_536


@pytest.mark.parametrize(
    "args",
    [("--dry-run",), ("--push",), ("--plan", "x"), ("--plan-out", "x")],
)
def test_options_that_contradict_are_refused(stage: Stage, args: tuple[str, ...]) -> None:
    assert stage.propose(*args).code == 2
    assert stage.repo.run("bump", "--check", "ci.yml").code == 2


def test_without_a_token_it_says_so_and_with_a_wrong_one_it_does_not_say_it(stage: Stage) -> None:
    done = stage.repo.run("bump", "--pull-request", env={"GITHUB_REPOSITORY": REPOSITORY})
    assert done.code == 15
    done = stage.repo.run("bump", "--pull-request", env={**stage.variables(), "GITHUB_TOKEN": "another-secret"})
    assert done.code == 14
    assert "401" in done.err
    assert "another-secret" not in done.out + done.err


def _in_process(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Proposed:
    for name, value in stage.repo.environment.items():
        monkeypatch.setenv(name, value)
    repository = Repository.open(stage.repo.path)
    api = api_for(repository, stage.variables(), sleep=lambda _: None)
    with locked(repository, "release bump"):
        return propose(repository, Request(), api, time=stage.repo.clock, check="ci.yml")


@pytest.mark.parametrize("outage", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("how", FAULTS)
def test_broken_at_any_request_and_run_again_it_ends_the_same(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, how: str, outage: bool
) -> None:
    _in_process(stage, monkeypatch)
    server, wanted, refs = stage.server, stage.server.state(), stage.refs()
    for at in range(len(server.seen)):
        stage.origin.git("update-ref", "-d", f"refs/heads/{BRANCH}")
        for listed in (server.pulls, server.runs, server.seen):
            listed.clear()
        server.fault = Fault(at, how, outage)
        with pytest.raises(NoAnswer) if outage else nullcontext():
            _in_process(stage, monkeypatch)
        assert len(server.seen) > at
        server.fault = None
        _in_process(stage, monkeypatch)
        assert (server.state(), stage.refs()) == (wanted, refs), at


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_any_change_and_run_again_it_ends_the_same(stage: Stage, moment: str) -> None:
    stage.propose("--check", "ci.yml").ok()
    server, wanted, refs = stage.server, stage.server.state(), stage.refs()
    for at in [at for at, one in enumerate(server.seen) if not one.startswith("GET")]:
        stage.origin.git("update-ref", "-d", f"refs/heads/{BRANCH}")
        for listed in (server.pulls, server.runs, server.seen):
            listed.clear()
        process = stage.repo.start("bump", "--pull-request", "--check", "ci.yml", env=stage.variables())
        server.kill, server.fault = process.kill, Fault(at, f"drop {moment}", outage=True)
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        server.kill, server.fault = None, None
        stage.propose("--check", "ci.yml").ok()
        assert (server.state(), stage.refs()) == (wanted, refs), at


Merge = Callable[[Scratch], str]


def _merge(repo: Scratch) -> str:
    return repo.merge(f"origin/{BRANCH}", f"Merge pull request #1 from acme/{BRANCH}\n\nchore(release): three\n")


def _squash(repo: Scratch) -> str:
    """Squash as GitHub does one commit: its message, the number in the subject, and who made it at the end."""
    text = repo.git("log", "-1", "--format=%B", f"origin/{BRANCH}")
    subject, _, rest = text.partition("\n")
    repo.git("merge", "-q", "--squash", f"origin/{BRANCH}")
    return repo.commit(f"{subject} (#1)\n{rest}\n\nCo-authored-by: Bot <bot@example.org>\n")


def _squash_several(repo: Scratch) -> str:
    """Squash as GitHub does several commits: each subject as a bullet, with what it says below."""
    repo.git("switch", "-q", "-c", "several", f"origin/{BRANCH}")
    repo.touch("docs: better words", "README.md")
    repo.switch("main")
    text = repo.git("log", "-1", "--format=%B", f"origin/{BRANCH}")
    repo.git("merge", "-q", "--squash", "several")
    return repo.commit(f"chore(release): three (#1)\n\n* {text}\n\n* docs: better words\n\n---------\n")


def _rebase(repo: Scratch) -> str:
    repo.git("config", "user.name", "GitHub")
    repo.git("cherry-pick", f"origin/{BRANCH}", env={"GIT_COMMITTER_NAME": "GitHub", **repo._dates()})
    return repo.git("rev-parse", "HEAD")


@pytest.mark.parametrize("moved", [False, True], ids=["main stayed", "main moved"])
@pytest.mark.parametrize("merge", [_merge, _squash, _squash_several, _rebase])
def test_however_it_is_merged_its_tags_are_made_and_later_commits_count_for_the_next_release(
    stage: Stage, tmp_path: Path, merge: Merge, moved: bool
) -> None:
    stage.propose().ok()
    later = stage.change("feat(accel)!: other than before", "crates/accel/src/lib.rs") if moved else None
    stage.repo.git("fetch", "-q", "origin", f"+refs/heads/{BRANCH}:refs/remotes/origin/{BRANCH}")
    stage.repo.clock += 100
    merged = merge(stage.repo)
    stage.repo.git("push", "-q", "origin", "main")
    release = stage.remote(BRANCH) if merge is _merge else merged
    job = stage.origin.clone(tmp_path / "job")
    _counts_only(job, later)
    _tags_are_made(stage, job, release)
    _counts_only(job, later)
    verified = job.run("verify", "local_fast-v1.1.0")
    if merge is _squash_several:
        assert verified.code == 1
        assert [line for line in verified.out.splitlines()[1:] if not line.startswith("    ")] == ["  file README.md"]
    else:
        assert verified.ok().out.startswith("local_fast-v1.1.0 is what the history gives")
    if later:
        job.run("bump", "--push").ok()
        assert "other than before" in job.text("crates/accel/CHANGELOG.md")
        assert job.versions() == {}


def _counts_only(job: Scratch, later: str | None) -> None:
    """Check that the commit ``later`` is all that is unreleased."""
    plan = job.run("bump", "--dry-run", "--json").ok().json
    told = {one["name"]: [reason.get("commit") for reason in one["reasons"]] for one in plan["components"]}
    assert told == ({"accel": [later]} if later else {})
    assert [one["to"] for one in plan["components"]] == (["0.2.0"] if later else [])


def _tags_are_made(stage: Stage, job: Scratch, release: str) -> None:
    done = job.run("tag", "--restore", "--push", "--github", "--json", env=_step(job)).ok()
    assert done.json["pushed"] == ["accel-v0.1.1", "local_fast-v1.1.0"]
    for tag in done.json["pushed"]:
        assert stage.remote(f"{tag}^{{commit}}") == release
    plugin_tag = {
        "tag": "local_fast-v1.1.0",
        "component": "local_fast",
        "kind": "plugin",
        "version": "1.1.0",
        "commit": release,
        "path": "plugins/local_fast",
    }
    crate_tag = {
        "tag": "accel-v0.1.1",
        "component": "accel",
        "kind": "crate",
        "version": "0.1.1",
        "commit": release,
        "path": "crates/accel",
    }
    none: dict[str, list[object]] = {"python": [], "image": [], "chart": []}
    both = [plugin_tag, crate_tag]
    assert _outputs(job) == {"tags": both, "plugin": [plugin_tag], "crate": [crate_tag], **none}
    again = job.run("tag", "--restore", "--push", "--github", env=_step(job)).ok()
    assert "The remote lacks none of them." in again.out
    assert _outputs(job) == {"tags": both, "plugin": [], "crate": [], **none}
    for variables in ({"GITHUB_EVENT_NAME": "workflow_dispatch"}, {"GITHUB_RUN_ATTEMPT": "2"}):
        job.run("tag", "--restore", "--push", "--github", env={**_step(job), **variables}).ok()
        assert _outputs(job) == {"tags": both, "plugin": [plugin_tag], "crate": [crate_tag], **none}


def _step(job: Scratch) -> dict[str, str]:
    return {"GITHUB_OUTPUT": str(job.path.parent / "output"), "GITHUB_EVENT_NAME": "push", "GITHUB_RUN_ATTEMPT": "1"}


def _outputs(job: Scratch) -> dict[str, object]:
    """Return a step's outputs and forget them."""
    output = job.path.parent / "output"
    lines = dict(line.split("=", 1) for line in output.read_text().splitlines())
    output.unlink()
    return {name: json.loads(text) for name, text in lines.items()}


def test_the_tags_of_two_releases_in_quick_succession_are_all_published(stage: Stage, tmp_path: Path) -> None:
    base = stage.remote("main")
    stage.repo.run("bump").ok()
    first = stage.repo.git("rev-parse", "HEAD")
    stage.repo.touch("feat(accel): still more", "crates/accel/src/lib.rs")
    stage.repo.run("bump").ok()
    stage.repo.git("push", "-q", "origin", "main")
    job = stage.origin.clone(tmp_path / "job")
    older, newer = ["accel-v0.1.1", "local_fast-v1.1.0"], ["accel-v0.1.2"]
    made = job.run("tag", "--restore", "--push", "--github", "--json", env=_pushed(job, first)).ok().json["pushed"]
    assert (sorted(made), _published(job)) == (sorted(older + newer), newer), "the newer release's run comes first"
    job.git("switch", "-q", "-C", "main", first)
    out = job.run("tag", "--restore", "--push", "--github", env=_pushed(job, base)).ok().out
    assert "The remote lacks none of them." in out
    assert sorted(_published(job)) == older
    job.git("switch", "-q", "-C", "main", "origin/main")
    job.run("tag", "--restore", "--push", "--github", env=_pushed(job, base)).ok()
    assert sorted(_published(job)) == sorted(older + newer), "both came with one push"
    job.run("tag", "--restore", "--push", "--github", env=_pushed(job, "1" * 40)).ok()
    assert _published(job) == [], "the commit before the push is not here"


def _pushed(job: Scratch, before: str) -> dict[str, str]:
    event = job.path.parent / "event.json"
    event.write_text(json.dumps({"ref": "refs/heads/main", "before": before}))
    return {**_step(job), "GITHUB_EVENT_PATH": str(event)}


def _published(job: Scratch) -> list[str]:
    """Return the tags that the step's outputs say are to be published, by kind."""
    outputs = cast(dict[str, list[dict[str, str]]], _outputs(job))
    return [one["tag"] for kind, rows in outputs.items() if kind != "tags" for one in rows]


def test_a_shallow_clone_that_does_not_reach_the_base_of_a_squashed_release_is_refused(
    stage: Stage, tmp_path: Path
) -> None:
    stage.change("fix(web): more", "images/web/Dockerfile")
    stage.propose().ok()
    stage.change("feat(accel)!: other than before", "crates/accel/src/lib.rs")
    stage.repo.git("fetch", "-q", "origin", f"+refs/heads/{BRANCH}:refs/remotes/origin/{BRANCH}")
    _squash(stage.repo)
    stage.repo.git("push", "-q", "origin", "main")
    shallow = stage.origin.clone(tmp_path / "shallow", "--depth", "1")
    done = shallow.run("bump", "--dry-run")
    assert done.code == 7
    assert "git fetch --unshallow" in done.err
    assert shallow.run("bump", "--dry-run", "--fetch", "--json").ok().json["components"][0]["to"] == "0.2.0"


def test_tags_that_are_only_here_are_pushed_and_no_other(stage: Stage) -> None:
    stage.repo.run("bump").ok()
    stage.repo.tag("nightly")
    stage.repo.git("push", "-q", "origin", "main")
    out = stage.repo.run("tag", "--restore", "--push").ok().out
    assert "pushed accel-v0.1.1, local_fast-v1.1.0" in out
    assert "nightly" not in stage.refs()


def test_a_tag_that_leads_elsewhere_on_the_remote_is_an_error_and_nothing_is_pushed(stage: Stage) -> None:
    stage.repo.run("bump").ok()
    stage.repo.git("push", "-q", "origin", "main")
    stage.origin.git("tag", "accel-v0.1.1", "main~1")
    refs = stage.refs()
    done = stage.repo.run("tag", "--restore", "--push")
    assert done.code == 8
    assert "accel-v0.1.1 leads to" in done.err
    assert stage.refs() == refs


def test_a_remote_that_refuses_a_tag_takes_none(stage: Stage) -> None:
    stage.repo.run("bump").ok()
    stage.repo.git("push", "-q", "origin", "main")
    hook = stage.origin.path / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\ncase "$1" in refs/tags/local_*) echo "not today" >&2; exit 1;; esac\n')
    hook.chmod(0o755)
    refs = stage.refs()
    done = stage.repo.run("tag", "--restore", "--push")
    assert done.code == 10
    assert "not today" in done.err
    assert stage.refs() == refs


def test_outputs_are_written_only_in_a_step(stage: Stage) -> None:
    done = stage.repo.run("tag", "--restore", "--github")
    assert done.code == 2
    assert "GITHUB_OUTPUT" in done.err
    assert stage.repo.run("tag", "--restore", "--dry-run", "--push").code == 2


def test_without_any_release_the_outputs_are_empty_lists(tmp_path: Path) -> None:
    repo = Scratch(tmp_path / "new")
    repo.commit("feat: begin", {"crates/a/Cargo.toml": crate("a")})
    repo.run("tag", "--restore", "--push", "--github", env={"GITHUB_OUTPUT": str(tmp_path / "out")}).ok()
    names = ("tags", "plugin", "crate", "python", "image", "chart")
    assert (tmp_path / "out").read_text() == "".join(f"{name}=[]\n" for name in names)


def test_an_images_output_says_where_it_is_pushed_to(tmp_path: Path) -> None:
    repo = Scratch(tmp_path / "new")
    settings = "publish:\n  destinations:\n    images: {to: oci, options: {repository: example.org/acme/{name}}}\n"
    settings = settings.replace("example.org/acme/{name}", '"example.org/acme/{name}"') + "  kinds: {image: [images]}\n"
    repo.commit("feat: begin", {"images/web/image.yaml": image("web"), "release.yaml": settings})
    repo.run("bump").ok()
    found = repo.run("tag", "--restore", "--json").ok().json["newest"]
    assert [(one["path"], one["repository"]) for one in found] == [("images/web", "example.org/acme/web")]


def test_this_process_leaves_no_variable_behind() -> None:
    assert TOKEN not in "".join(os.environ.values())
