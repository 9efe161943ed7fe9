"""What ``release image bench`` makes of what it measures; the measuring itself needs an engine and a Moodle."""

from __future__ import annotations

import http.server
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from release.cli.commands.image_bench import _rows, _write
from release.errors import ImageUnproven
from release.images.bench.load import Page, Round, load
from release.images.bench.run import Comparison, Report, Size
from release.images.bench.tunings import TUNINGS

seconds = st.floats(0.001, 10)
rounds = st.builds(
    Round, st.lists(seconds, min_size=2, max_size=30).map(tuple), st.floats(0.1, 60), st.floats(0.001, 60)
)


class _Server(http.server.BaseHTTPRequestHandler):
    """Says who asks, and fails where it is told to."""

    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, str | None, str | None]]

    def do_GET(self) -> None:
        type(self).seen.append((self.path, self.headers["Cookie"], self.headers["Host"]))
        body = b"the page" if self.path != "/other" else b"something else"
        self.send_response(500 if self.path == "/broken" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[str, list[tuple[str, str | None, str | None]]]]:
    handler = type("Handler", (_Server,), {"seen": []})
    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    yield f"127.0.0.1:{listening.server_port}", handler.seen
    listening.shutdown()
    thread.join()
    listening.server_close()


def test_each_visitor_asks_for_the_own_page_with_the_own_cookie(server: tuple[str, list]) -> None:
    address, seen = server
    page = Page("both", ("/a", "/b"), ("s=1", ""), b"the page")
    begin = time.monotonic()
    made = load(address, "moodle.test", page, 0.3)
    assert {(path, cookie) for path, cookie, _ in seen} == {("/a", "s=1"), ("/b", None)}
    assert {host for _, _, host in seen} == {"moodle.test"}
    assert len(made.latencies) == len(seen)
    assert 0.3 <= made.wall <= time.monotonic() - begin
    assert made.rate == len(seen) / made.wall


@pytest.mark.parametrize("path", ["/broken", "/other"])
def test_an_answer_that_is_not_the_page_is_no_result(server: tuple[str, list], path: str) -> None:
    with pytest.raises(ImageUnproven, match=f"course: {path} answers"):
        load(server[0], "moodle.test", Page("course", ("/a", path), ("", ""), b"the page"), 0.1)


def test_a_server_that_is_not_there_is_no_result() -> None:
    with pytest.raises(ImageUnproven, match="doesn't answer"):
        load("127.0.0.1:1", "moodle.test", Page("course", ("/a",), ("",), b""), 0.1)


@given(rounds)
def test_the_slowest_twentieth_is_beyond_p95(made: Round) -> None:
    assert min(made.latencies) <= made.p95 <= max(made.latencies)
    assert sum(latency > made.p95 for latency in made.latencies) <= len(made.latencies) / 20 + 1


@given(st.lists(st.tuples(rounds, rounds), min_size=1, max_size=6))
def test_with_the_sides_changed_a_gain_is_its_inverse(pairs: list[tuple[Round, Round]]) -> None:
    ours, theirs = (tuple(side) for side in zip(*pairs, strict=True))
    forwards = Comparison("x", "course", ours, theirs)
    ratios = [a.rate / b.rate for a, b in pairs]
    assert forwards.gain(lambda one: one.rate) == statistics.median(ratios)
    if len(pairs) % 2:
        backwards = Comparison("x", "course", theirs, ours)
        assert forwards.gain(lambda one: one.rate) * backwards.gain(lambda one: one.rate) == pytest.approx(1)


def report() -> Report:
    """Return a report in which ours answers twice as fast with half the work."""
    ours = (Round((0.1, 0.1), 1.0, 0.2),) * 2
    theirs = (Round((0.2, 0.2), 2.0, 0.4),) * 2
    size = Size("a", 250_000_000, (3.0, 4.0, 5.0), (0.5, 0.6, 0.7), 40 << 20)
    other = Size("b", 310_000_000, (1.0, 1.0, 1.0), (2.0, 2.0, 2.0), 0)
    page = Comparison("course", "course", ours, theirs)
    return Report("a machine", (size, other), (page,), (Comparison("realpath cache", "course", ours, theirs),), 6.04)


def test_the_tables_say_what_was_gained() -> None:
    (_, _, pages), (_, _, tunings), (_, _, sizes) = _rows(report())
    assert pages == [("course", "2.0", "1.0", "x2.00", "100", "200", "x2.00", "100", "200", "x2.00")]
    assert tunings[0] == ("realpath cache", "course", "+100%", "+100%", "+100%")
    assert tunings[1][2] == "6.0 times fewer bytes"
    assert sizes == [("tuned", "250", "4.0", "0.60", "40"), ("untuned", "310", "1.0", "2.00", "?")]


def test_a_row_has_as_many_cells_as_its_head() -> None:
    for _, head, rows in _rows(report()):
        assert {len(row) for row in rows} == {len(head)}


def test_only_what_is_between_the_marks_of_a_page_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "images.md"
    page.write_text("before\n<!-- bench: images -->\nold\n<!-- end of bench: images -->\nafter\n")
    _write(page, report())
    text = page.read_text()
    assert text.startswith("before\n<!-- bench: images -->\nMeasured on a shared machine (a machine).")
    assert text.endswith("|\n<!-- end of bench: images -->\nafter\n")
    assert "old" not in text
    assert "| realpath cache | course | +100% |" in text
    _write(page, report())
    assert page.read_text() == text


def test_a_page_without_marks_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "images.md"
    page.write_text("nothing\n")
    with pytest.raises(click.UsageError, match="has no <!-- bench: images -->"):
        _write(page, report())


def test_every_tuning_switches_something_off() -> None:
    assert len({one.name for one in TUNINGS}) == len(TUNINGS)
    for one in TUNINGS:
        assert one.ini or one.config or one.environment, one.name
