"""One comment about a plan and one issue about a drift, whatever fails in between."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from github_issues import TOKEN, Issues, serving
from release.errors import CredentialsMissing, DestinationRefused, FormatError
from release.terraform.bind import Target
from release.terraform.comment import comment
from release.terraform.drift import LABEL, Drift, tell
from release.terraform.github import github, reviewed_head
from release.terraform.show import Change

DEV = Target("infra/site", "dev")
PROD = Target("infra/site", "prod")
SOME = Drift((Change("a.changed", "update"),), (Change("a.missing", "create"),))
NONE = Drift((), ())
SUMMARY = "<!-- release:plan infra/site dev -->\n### Plan\n"


@pytest.fixture
def server() -> Iterator[Issues]:
    with serving() as known:
        yield known


def _environment(server: Issues, **further: str) -> dict[str, str]:
    return {"GITHUB_TOKEN": TOKEN, "GITHUB_REPOSITORY": "acme/site", "GITHUB_API_URL": server.url, **further}


def _told(server: Issues, wanted: Target, found: Drift, **further: str) -> str:
    environment = _environment(server, **further)
    return tell(github(environment, sleep=lambda _: None), wanted, found, environment)


def _open(server: Issues) -> list[dict[str, object]]:
    return [one for one in server.issues if one["state"] == "open"]


def test_drift_opens_one_issue_for_each_root_and_environment_and_its_end_closes_it(server: Issues) -> None:
    assert _told(server, DEV, NONE) == "no issue"
    assert _told(server, DEV, SOME) == "opened #1"
    assert _told(server, PROD, SOME) == "opened #2"
    assert _told(server, DEV, SOME) == "updated #1"
    first = server.issues[0]
    assert first["title"] == "Terraform drift: infra/site (dev)"
    assert first["labels"] == [LABEL]
    assert "! update a.changed" in first["body"]
    assert "+ create a.missing" in first["body"]
    assert _told(server, DEV, Drift((), SOME.pending)) == "updated #1"
    assert "a.changed" not in server.issues[0]["body"]
    assert _told(server, DEV, NONE) == "closed #1"
    assert server.issues[0]["state_reason"] == "completed"
    assert [one["number"] for one in _open(server)] == [2]
    assert _told(server, DEV, SOME) == "opened #3"


def test_an_issue_that_says_the_same_is_not_written_again(server: Issues) -> None:
    _told(server, DEV, SOME)
    before = len(server.requests)
    _told(server, DEV, SOME)
    assert server.requests[before:] == ["GET /repos/acme/site/issues"]


def test_an_issue_names_the_run_that_saw_it(server: Issues) -> None:
    _told(server, DEV, SOME, GITHUB_SERVER_URL="https://github.com", GITHUB_RUN_ID="7")
    assert "https://github.com/acme/site/actions/runs/7" in server.issues[0]["body"]


def test_issues_beyond_the_first_page_are_found_and_second_ones_closed(server: Issues) -> None:
    _told(server, DEV, SOME)
    server.issues.append({**server.issues[0], "number": 2})
    server.issues += [
        {"number": number, "state": "open", "labels": [LABEL], "body": None if number % 2 else "other"}
        for number in range(3, 250)
    ]
    server.issues[2] = {**server.issues[0], "number": 3, "pull_request": {}}
    assert _told(server, DEV, SOME) == "updated #1"
    assert server.issues[1]["state"] == "closed"
    assert server.issues[2]["state"] == "open"


def test_an_issue_that_anyone_may_have_written_is_not_ours(server: Issues) -> None:
    server.issues.append(
        {"number": 1, "state": "open", "labels": [], "body": "<!-- release:drift infra/site dev -->\nfake"}
    )
    assert _told(server, DEV, SOME) == "opened #2"


def _commented(server: Issues, text: str = SUMMARY, number: int = 5) -> str:
    return comment(github(_environment(server), sleep=lambda _: None), number, text, "summary.md")


def test_a_plan_has_one_comment_that_is_kept_up_to_date(server: Issues) -> None:
    assert _commented(server) == "created"
    assert _commented(server) == "unchanged"
    assert _commented(server, SUMMARY + "more\n") == "updated"
    assert _commented(server, SUMMARY.replace("dev", "prod")) == "created"
    assert _commented(server, number=6) == "created"
    assert [(one["of"], one["body"]) for one in server.comments] == [
        (5, SUMMARY + "more\n"),
        (5, SUMMARY.replace("dev", "prod")),
        (6, SUMMARY),
    ]


def test_a_comment_that_another_person_wrote_is_not_taken_for_ours(server: Issues) -> None:
    fake = {"id": 0, "of": 5, "user": {"login": "eve", "type": "User"}, "body": SUMMARY + "all is well\n"}
    server.comments.append(fake)
    assert _commented(server) == "created"
    assert server.comments[0] == fake
    server.who = {"login": "ada", "type": "User"}
    assert _commented(server) == "created"
    assert _commented(server, SUMMARY + "more\n") == "updated"
    assert [one["user"]["login"] for one in server.comments] == ["eve", "github-actions[bot]", "ada"]


def test_a_comment_beyond_the_first_page_is_found(server: Issues) -> None:
    server.comments += [
        {"id": number, "of": 5, "user": server.who, "body": None if number % 2 else "hello"} for number in range(150)
    ]
    assert _commented(server) == "created"
    assert _commented(server) == "unchanged"


def test_what_is_no_summary_is_not_commented(server: Issues) -> None:
    with pytest.raises(FormatError):
        _commented(server, "### Plan\n")
    assert server.requests == []


HOWS = (500, 403, 429, "before", "after")


@pytest.mark.parametrize("how", HOWS)
def test_whatever_request_fails_the_next_run_ends_with_one_issue(server: Issues, how: int | str) -> None:
    for number in range(4):
        for found, there in ((SOME, 1), (SOME, 1), (NONE, 0)):
            server.fail, server.how = len(server.requests) + number, how
            try:
                _told(server, DEV, found, GITHUB_SERVER_URL="https://x", GITHUB_RUN_ID=str(len(server.requests)))
            except DestinationRefused:
                server.fail = -1
                _told(server, DEV, found)
            assert len(_open(server)) == there


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("number", range(3))
def test_whatever_request_fails_the_next_run_ends_with_one_comment(server: Issues, how: int | str, number: int) -> None:
    server.fail, server.how = number, how
    if (number, how) == (0, 403):
        _commented(server)
    else:
        server.lasting = True
        with pytest.raises(DestinationRefused) as caught:
            _commented(server)
        assert TOKEN not in f"{caught.value.what} {caught.value.fix}"
    server.fail = -1
    _commented(server)
    assert [one["body"] for one in server.comments] == [SUMMARY]


@pytest.mark.parametrize("name", ["GITHUB_TOKEN", "GITHUB_REPOSITORY"])
def test_without_a_token_or_repository_nothing_is_asked(server: Issues, name: str) -> None:
    with pytest.raises(CredentialsMissing, match=name):
        github({**_environment(server), name: ""})


def test_no_answer_at_all_is_said() -> None:
    with serving() as server:
        environment = _environment(server)
    with pytest.raises(DestinationRefused, match="no answer"):
        github(environment, sleep=lambda _: None).open_issues(LABEL)


def test_the_reviewed_head_is_that_of_the_pull_request_merged_as_this_commit(server: Issues) -> None:
    server.pulls = [
        {"merged_at": None, "merge_commit_sha": "a" * 40, "head": {"sha": "1" * 40}},
        {"merged_at": "2026-01-01T00:00:00Z", "merge_commit_sha": "b" * 40, "head": {"sha": "2" * 40}},
        {"merged_at": "2026-01-01T00:00:00Z", "merge_commit_sha": "a" * 40, "head": {"sha": "3" * 40}},
    ]
    api = github(_environment(server))
    assert reviewed_head(api, "a" * 40) == "3" * 40
    assert reviewed_head(api, "c" * 40) is None
