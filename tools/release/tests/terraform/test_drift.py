"""Drift as the real Terraform sees it, and what is told on GitHub."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from github_issues import TOKEN, serving
from infra import MAIN, ROOT, SECRET, Infra, needs_terraform

pytestmark = needs_terraform

READING = """check "site" {
  data "terraform_remote_state" "other" {
    backend = "local"
    config = {
      path = "${path.module}/other.tfstate"
    }
  }
  assert {
    condition     = data.terraform_remote_state.other.outputs != null
    error_message = "never"
  }
}
"""


def _drifted(infra: Infra) -> None:
    """Change the state as if somebody had changed the resource and Terraform had only noticed."""
    path = infra.folder / "dev.tfstate"
    state = json.loads(path.read_text())
    server = next(one for one in state["resources"] if one["name"] == "server")
    server["instances"][0]["attributes"]["input"]["value"][0] = 99
    path.write_text(json.dumps({**state, "serial": state["serial"] + 1}))


@pytest.fixture
def applied(tmp_path: Path) -> Infra:
    infra = Infra(tmp_path, MAIN + READING)
    infra.plan().ok()
    infra.apply().ok()
    return infra


def test_what_is_only_read_is_no_drift(applied: Infra) -> None:
    """A data source in a check is read at each apply, for which `plan -detailed-exitcode` gives 2 each time."""
    done = applied.run("drift", ROOT, "--environment", "dev", "--json", "--exit-code").ok().json
    assert done == {"root": ROOT, "environment": "dev", "drift": False, "outside": [], "pending": [], "issue": None}
    serial = applied.serial()
    _drifted(applied)
    found = applied.run("drift", ROOT, "--environment", "dev", "--json", "--exit-code")
    assert found.code == 1
    assert found.json["drift"] is True
    assert found.json["pending"] == [{"address": "terraform_data.server", "action": "update", "before": ""}]
    assert SECRET not in found.out + found.err
    assert applied.serial() == serial + 1
    assert applied.run("drift", ROOT, "--environment", "dev").ok().out == (
        f"{ROOT} dev: drift\n  update terraform_data.server\n"
    )


def test_an_issue_follows_the_drift_and_terraform_gets_no_token(applied: Infra, tmp_path: Path) -> None:
    program = tmp_path / "terraform"
    program.write_text('#!/bin/sh\n[ -n "$GITHUB_TOKEN" ] && exit 9\nexec terraform "$@"\n')
    program.chmod(0o755)
    with serving() as server:
        asked = {
            "GITHUB_TOKEN": TOKEN,
            "GITHUB_REPOSITORY": "acme/site",
            "GITHUB_API_URL": server.url,
            "TERRAFORM": str(program),
        }

        def told() -> str:
            done = applied.run("drift", ROOT, "--environment", "dev", "--issue", env=asked).ok()
            assert TOKEN not in done.out + done.err
            return done.out.splitlines()[-1]

        assert told() == "GitHub: no issue"
        _drifted(applied)
        assert told() == "GitHub: opened #1"
        assert "terraform_data.server" in server.issues[0]["body"]
        assert SECRET not in server.issues[0]["body"]
        assert told() == "GitHub: updated #1"
        applied.plan().ok()
        applied.apply().ok()
        assert told() == "GitHub: closed #1"
    refused = applied.run("drift", ROOT, "--environment", "dev", "--issue")
    assert refused.code == 15
    assert "GITHUB_TOKEN" in refused.err


def test_a_plan_is_shown_on_its_pull_request(applied: Infra, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    applied.plan("--summary", str(summary)).ok()
    with serving() as server:
        asked = {"GITHUB_TOKEN": TOKEN, "GITHUB_REPOSITORY": "acme/site", "GITHUB_API_URL": server.url}
        run = {**asked, "GITHUB_REF": "refs/pull/5/merge"}
        assert applied.run("comment", str(summary), env=run).ok().out == "comment on #5 created\n"
        assert applied.run("comment", str(summary), "--json", env=run).ok().json == {
            "pull-request": 5,
            "comment": "unchanged",
        }
        assert applied.run("comment", str(summary), "--pull-request", "6", env=asked).ok().out.endswith("created\n")
        assert [(one["of"], one["body"]) for one in server.comments] == [
            (5, summary.read_text()),
            (6, summary.read_text()),
        ]
        token = tmp_path / "terraform"
        token.write_text('#!/bin/sh\n[ -n "$GITHUB_TOKEN" ] && exit 9\nexec terraform "$@"\n')
        token.chmod(0o755)
        args = ("plan", ROOT, "--environment", "prod", "--comment", "--terraform", str(token))
        assert "comment on #5 created" in applied.run(*args, env=run).ok().err
        assert server.comments[2]["body"].startswith("<!-- release:plan infra/site prod -->")
        assert applied.run(*args, env=asked).code == 2
        assert applied.run(*args, env={"GITHUB_REF": "refs/pull/5/merge"}).code == 15
        assert applied.run("comment", str(summary), env={**asked, "GITHUB_REF": "refs/heads/main"}).code == 2
