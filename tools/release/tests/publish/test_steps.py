"""What a step reports, and what it never does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from release.errors import DestinationDiffers, DestinationRefused
from release.publish.destination import Step, preview, publish


class Place:
    """A destination that holds one digest; what it is given becomes ``gets``."""

    def __init__(self, has: str | None, gets: str | None = "right") -> None:
        self.has = has
        self.gets = gets
        self.done = 0

    def do(self) -> None:
        self.done += 1
        self.has = self.gets

    def step(self, *, moves: bool = False, accepts: Callable[[str], bool] | None = None, skipped: str = "") -> Step:
        return Step("thing", "right", lambda: self.has, self.do, accepts, moves, skipped)


def run(step: Step) -> list[str]:
    seen: list[str] = []
    publish([step], report=lambda what, state: seen.append(f"{what} {state}"), before=seen.append)
    return seen


def look(step: Step) -> list[str]:
    seen: list[str] = []
    preview([step], report=lambda what, state: seen.append(f"{what} {state}"))
    return seen


def test_what_is_missing_is_done_once() -> None:
    place = Place(None)
    assert look(place.step()) == ["thing to do"]
    assert place.done == 0
    assert run(place.step()) == ["thing", "thing done"]
    assert run(place.step()) == look(place.step()) == ["thing there"]
    assert place.done == 1


def test_other_bytes_are_never_replaced_unless_the_step_may_move() -> None:
    place = Place("other")
    for ask in (run, look):
        with pytest.raises(DestinationDiffers, match="has other, this release is right"):
            ask(place.step())
    assert look(place.step(moves=True)) == ["thing to move"]
    assert place.done == 0
    assert run(place.step(moves=True)) == ["thing", "thing done"]


def test_what_moved_on_is_accepted_before_and_after() -> None:
    place = Place("newer")
    newer = {"moves": True, "accepts": lambda found: found == "newer"}
    assert run(place.step(**newer)) == look(place.step(**newer)) == ["thing moved on"]  # type: ignore[arg-type]
    assert place.done == 0
    overtaken = Place("older", gets="newer")
    assert run(overtaken.step(**newer)) == ["thing", "thing moved on"]  # type: ignore[arg-type]


@pytest.mark.parametrize("gets", [None, "broken"])
def test_what_is_not_there_afterwards_is_an_error(gets: str | None) -> None:
    with pytest.raises(DestinationRefused, match="afterwards, not right"):
        run(Place(None, gets).step())


def test_what_is_skipped_is_neither_looked_for_nor_done() -> None:
    place = Place("other")
    assert run(place.step(skipped="not wanted")) == look(place.step(skipped="not wanted"))
    assert run(place.step(skipped="not wanted")) == ["thing skipped: not wanted"]
    assert place.done == 0
