"""Requests: what is tried again, how long is waited, and that a secret is in no text."""

from __future__ import annotations

import traceback
from collections.abc import Iterator

import pytest

from fake_server import REPOSITORY, TOKEN, FakeServer, Fault, serve
from release.errors import DestinationRefused
from release.web.github import GitHubApi, github_api
from release.web.http import NoAnswer


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with serve() as running:
        yield running


def api(server: FakeServer, pauses: list[float], token: str = TOKEN) -> GitHubApi:
    environment = {"GH_TOKEN": token, "GITHUB_API_URL": server.url + "/"}
    return github_api(environment, REPOSITORY, sleep=pauses.append)


@pytest.mark.parametrize(
    ("status", "headers", "pause"),
    [
        (429, {"Retry-After": "7"}, 7.0),
        (403, {"Retry-After": "3"}, 3.0),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "0"}, 0.0),
        (403, {"X-RateLimit-Remaining": "0"}, 60.0),
        (429, {}, 60.0),
    ],
)
def test_what_is_refused_for_its_rate_is_tried_again_after_the_pause_that_is_named(
    server: FakeServer, status: int, headers: dict[str, str], pause: float
) -> None:
    pauses: list[float] = []
    server.limits = [(status, headers)]
    api(server, pauses).create_draft("v1", name="one", prerelease=False)
    assert pauses == [pause]
    assert len(server.releases) == 1


def test_a_server_that_wants_a_long_pause_is_not_waited_for(server: FakeServer) -> None:
    pauses: list[float] = []
    server.limits = [(429, {"Retry-After": "3600"})]
    with pytest.raises(DestinationRefused, match="status 429, slow down"):
        list(api(server, pauses).releases())
    assert pauses == []


def test_a_server_that_is_always_busy_is_asked_four_times(server: FakeServer) -> None:
    pauses: list[float] = []
    server.limits = [(429, {"Retry-After": "1"})] * 9
    with pytest.raises(DestinationRefused):
        list(api(server, pauses).releases())
    assert len(server.seen) == 4
    assert pauses == [1.0] * 3


def test_a_refusal_that_is_none_of_rate_is_not_tried_again(server: FakeServer) -> None:
    pauses: list[float] = []
    server.limits = [(403, {})]
    with pytest.raises(DestinationRefused, match="403") as refused:
        list(api(server, pauses).releases())
    assert "permissions" in refused.value.fix
    assert len(server.seen) == 1


@pytest.mark.parametrize("how", ["drop before", "500 before"])
def test_what_only_reads_is_tried_again_and_what_makes_something_is_not(server: FakeServer, how: str) -> None:
    pauses: list[float] = []
    server.fault = Fault(0, how)
    assert list(api(server, pauses).releases()) == []
    assert pauses == [1.0]
    server.fault = Fault(len(server.seen), how)
    with pytest.raises(NoAnswer):
        api(server, pauses).create_draft("v1", name="one", prerelease=False)
    assert pauses == [1.0]


def test_a_server_that_is_not_there_gives_no_answer() -> None:
    with serve() as server:
        gone = server.url
    pauses: list[float] = []
    with pytest.raises(NoAnswer, match="GitHub gives no answer to GET /repos/acme/shop/releases"):
        list(github_api({"GITHUB_TOKEN": TOKEN, "GITHUB_API_URL": gone}, REPOSITORY, sleep=pauses.append).releases())
    assert pauses == [1.0, 2.0, 4.0]


def test_something_else_than_json_is_an_error_with_a_sentence(server: FakeServer) -> None:
    server.settings = {"allow_squash_merge": "perhaps"}
    with pytest.raises(DestinationRefused, match="something else than its documents say"):
        api(server, []).settings()


@pytest.mark.parametrize("address", ["http://[", "no address", "http://host:port"])
def test_an_address_that_is_none_is_an_error_with_a_sentence(address: str) -> None:
    environment = {"GITHUB_TOKEN": TOKEN, "GITHUB_API_URL": address}
    with pytest.raises(DestinationRefused):
        list(github_api(environment, REPOSITORY, sleep=lambda _: None).releases())


def test_the_secret_is_in_no_text(server: FakeServer) -> None:
    one = api(server, [])
    assert TOKEN not in repr(one)
    server.limits = [(404, {})]
    with pytest.raises(DestinationRefused) as refused:
        list(one.releases())
    other = TOKEN[::-1]
    with pytest.raises(DestinationRefused, match="401, Bad credentials") as wrong:
        list(api(server, [], other).releases())
    shown = "".join(traceback.format_exception(refused.value) + traceback.format_exception(wrong.value))
    shown += refused.value.what + refused.value.fix + wrong.value.what + wrong.value.fix
    assert TOKEN not in shown
    assert other not in shown


def test_a_secret_that_the_server_repeats_is_hidden(server: FakeServer) -> None:
    assert api(server, []).http.hidden(f"bad token {TOKEN}!") == "bad token ***!"


def test_all_pages_of_a_list_are_read(server: FakeServer) -> None:
    server.page = 2
    for number in range(5):
        server.add(f"v{number}", draft=True)
    assert [one.tag_name for one in api(server, []).releases()] == ["v4", "v3", "v2", "v1", "v0"]
