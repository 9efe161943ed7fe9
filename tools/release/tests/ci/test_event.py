"""What each of GitHub's events is compared with, and which pull request is trusted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from release.ci.event import Event
from scratch import Scratch, crate, workspace_toml

SHA = "a" * 40
ZERO = "0" * 40


def pull(home: str | None = "acme/campus", author: str = "ada", base: Any = SHA) -> dict[str, Any]:
    return {
        "pull_request": {
            "user": {"login": author},
            "base": {"sha": base, "repo": {"full_name": "acme/campus"}},
            "head": {"repo": None if home is None else {"full_name": home}},
        }
    }


@pytest.mark.parametrize(
    ("name", "payload", "base", "trusted"),
    [
        pytest.param("pull_request", pull(), SHA, True, id="a pull request of the repository"),
        pytest.param("pull_request", pull("eve/campus"), SHA, False, id="a fork's pull request"),
        pytest.param("pull_request", pull(None), SHA, False, id="a pull request of a fork that was deleted"),
        pytest.param("pull_request", pull(author="dependabot[bot]"), SHA, False, id="Dependabot's pull request"),
        pytest.param("pull_request", pull(base="main"), None, True, id="a base that is no commit"),
        pytest.param("pull_request", {}, None, False, id="a pull request without anything"),
        pytest.param("merge_group", {"merge_group": {"base_sha": SHA}}, SHA, True, id="the merge queue"),
        pytest.param("merge_group", {"merge_group": []}, None, True, id="the merge queue without a base"),
        pytest.param("push", {"ref": "refs/heads/main", "before": SHA}, SHA, True, id="a push"),
        pytest.param("push", {"ref": "refs/heads/main", "before": ZERO}, None, True, id="a new branch"),
        pytest.param("push", {"ref": "refs/heads/main", "before": SHA, "forced": True}, None, True, id="a forced push"),
        pytest.param("push", {"ref": "refs/tags/v1", "before": SHA}, None, True, id="a tag"),
        pytest.param("push", {"ref": "refs/heads/main", "before": 7}, None, True, id="an odd payload"),
        pytest.param("schedule", {"schedule": "7 3 * * *"}, None, True, id="a schedule"),
        pytest.param("workflow_dispatch", {"inputs": {}}, None, True, id="a run by hand"),
    ],
)
def test_the_base_is_the_event_s(name: str, payload: Mapping[str, Any], base: str | None, trusted: bool) -> None:
    event = Event.of(name, payload)
    assert (event.name, event.base, event.trusted) == (name, base, trusted)


class TestPlan:
    """`release affected --github ci` in a repository with two crates that have nothing to do with each other."""

    @pytest.fixture
    def campus(self, tmp_path: Path) -> Scratch:
        repository = Scratch(tmp_path / "campus")
        repository.commit(
            "feat: begin",
            {
                "release.yaml": "main: main\n",
                "noxfile.py": "import nox\n\n\n@nox.session\ndef rust(session):\n    session.log('rust')\n",
                "Cargo.toml": workspace_toml("crates/*"),
                "crates/core/Cargo.toml": crate("core"),
                "crates/core/src/lib.rs": "",
                "crates/fast/Cargo.toml": crate("fast"),
                "crates/fast/src/lib.rs": "",
            },
        )
        return repository

    def planned(self, repository: Scratch, name: str, payload: Mapping[str, Any]) -> list[str]:
        """Return the crates that the plan has tested, and check that GITHUB_OUTPUT says the same."""
        folder = repository.home
        (folder / "event.json").write_text(json.dumps(payload))
        (folder / "output").write_text("")
        environment = {
            "GITHUB_EVENT_NAME": name,
            "GITHUB_EVENT_PATH": str(folder / "event.json"),
            "GITHUB_OUTPUT": str(folder / "output"),
        }
        outputs = repository.run("affected", "--github", "ci", "--json", env=environment).ok().json["outputs"]
        written = dict(line.split("=", 1) for line in (folder / "output").read_text().splitlines())
        assert written == outputs
        assert outputs["test-crate"] == ("true" if json.loads(outputs["test-crate-cells"]) else "false")
        return [cell["components"] for cell in json.loads(outputs["test-crate-cells"])]

    def push(self, before: str, **further: Any) -> dict[str, Any]:
        return {"ref": "refs/heads/main", "before": before, **further}

    def test_a_run_again_plans_the_same(self, campus: Scratch) -> None:
        before = campus.git("rev-parse", "HEAD")
        campus.touch("fix: core", "crates/core/src/lib.rs")
        payload = self.push(before)
        assert self.planned(campus, "push", payload) == self.planned(campus, "push", payload) == ["core"]

    def test_a_push_of_several_commits_is_compared_with_what_was_there_before(self, campus: Scratch) -> None:
        before = campus.git("rev-parse", "HEAD")
        campus.touch("fix: core", "crates/core/src/lib.rs")
        campus.touch("docs: say more", "README.md")
        assert self.planned(campus, "push", self.push(before)) == ["core"]

    def test_a_pull_request_is_compared_with_where_it_left_its_base(self, campus: Scratch) -> None:
        campus.branch("better")
        campus.touch("fix: core", "crates/core/src/lib.rs")
        campus.switch("main")
        base = campus.touch("fix: fast", "crates/fast/src/lib.rs")
        campus.switch("better")
        assert self.planned(campus, "pull_request", pull(base=base)) == ["core"]

    def test_the_merge_of_a_pull_request_with_its_base_is_compared_with_the_base(self, campus: Scratch) -> None:
        campus.branch("better")
        campus.touch("fix: core", "crates/core/src/lib.rs")
        campus.switch("main")
        base = campus.touch("fix: fast", "crates/fast/src/lib.rs")
        campus.git("switch", "-q", "--detach")
        campus.merge("better")
        assert self.planned(campus, "pull_request", pull(base=base)) == ["core"]

    def test_a_push_that_replaced_history_without_saying_so_is_compared_with_nothing(self, campus: Scratch) -> None:
        replaced = campus.touch("fix: fast", "crates/fast/src/lib.rs")
        campus.git("reset", "-q", "--hard", "HEAD~1")
        campus.touch("fix: core", "crates/core/src/lib.rs")
        assert self.planned(campus, "push", self.push(replaced)) == ["core", "fast"]

    @pytest.mark.parametrize("path", ["release.yaml", "noxfile.py", ".github/pins.yaml"])
    def test_what_the_workflows_are_made_from_affects_everything(self, campus: Scratch, path: str) -> None:
        before = campus.git("rev-parse", "HEAD")
        old = campus.text(path) if (campus.path / path).exists() else "pins: []\n"
        campus.commit("ci: change", {path: f"{old}# more\n"})
        assert self.planned(campus, "push", self.push(before)) == ["core", "fast"]

    def test_without_an_event_the_command_says_what_to_do(self, campus: Scratch, tmp_path: Path) -> None:
        done = campus.run("affected", "--github", "ci")
        assert done.code == 7
        assert "--base REF" in done.err
        (tmp_path / "broken.json").write_text("{")
        broken = {"GITHUB_EVENT_NAME": "push", "GITHUB_EVENT_PATH": str(tmp_path / "broken.json")}
        assert campus.run("affected", "--github", "ci", env=broken).code == 7

    def test_a_workflow_that_is_not_there_is_named(self, campus: Scratch) -> None:
        done = campus.run("affected", "--github", "nightly", env={"GITHUB_EVENT_NAME": "push"})
        assert done.code == 2
        assert "nightly" in done.err
