"""Laws of Moodle's build number: it rises, stays between its neighbours, and on a frozen line keeps its date."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release.errors import VersionRefused
from release.planning.build_number import next_build

DAYS = st.dates(dt.date(2020, 1, 1), dt.date(2035, 12, 31))
COUNTS = st.integers(0, 99)


def _number(day: dt.date, count: int) -> int:
    return int(day.strftime("%Y%m%d")) * 100 + count


NUMBERS = st.builds(_number, DAYS, COUNTS)
NAMED = st.lists(st.tuples(st.sampled_from(["one", "two", "three"]), NUMBERS), max_size=4)


@given(NUMBERS, DAYS, st.none() | NUMBERS, NAMED, st.booleans())
def test_the_next_number_is_above_all_that_was_given_out(
    current: int, today: dt.date, floor: int | None, tagged: list[tuple[str, int]], next_day: bool
) -> None:
    try:
        number = next_build("local_a", current, today=today, floor=floor, tagged=tagged, next_day=next_day)
    except VersionRefused:
        assert not next_day
        assert max(current, *(known for _, known in tagged), 0) % 100 == 99
        return
    assert number > current
    assert all(number > known for _, known in tagged)
    assert floor is None or number >= floor
    assert number >= _number(today, 0)
    dt.datetime.strptime(str(number)[:8], "%Y%m%d").replace(tzinfo=dt.UTC)


@given(NUMBERS, st.lists(DAYS, min_size=2, max_size=12))
def test_release_after_release_the_number_rises_whatever_the_clock_says(current: int, days: list[dt.date]) -> None:
    numbers = [current]
    for day in days:
        numbers.append(next_build("local_a", numbers[-1], today=day, next_day=True))
    assert numbers == sorted(set(numbers))


@given(NUMBERS, DAYS, NAMED)
def test_on_a_frozen_line_the_date_stays(current: int, today: dt.date, tagged: list[tuple[str, int]]) -> None:
    try:
        number = next_build("local_a", current, today=today, tagged=tagged, frozen=True, here="MOODLE_405_STABLE")
    except VersionRefused as error:
        refusal = error.what
    else:
        assert number // 100 == current // 100
        assert number > current
        return
    assert "frozen on MOODLE_405_STABLE" in refusal


@given(NUMBERS, DAYS, NAMED, NAMED, st.booleans())
def test_the_number_lies_between_the_older_and_the_newer_lines_or_is_refused_by_name(
    current: int, today: dt.date, below: list[tuple[str, int]], above: list[tuple[str, int]], frozen: bool
) -> None:
    try:
        number = next_build(
            "local_a", current, today=today, frozen=frozen, below=below, above=above, next_day=True, here="here"
        )
    except VersionRefused as error:
        refusal = error.what
    else:
        assert all(number > other for _, other in below)
        assert all(number < other for _, other in above)
        return
    assert "frozen" in refusal or ("here" in refusal and any(name in refusal for name in ("one", "two", "three")))


@given(NUMBERS, DAYS)
def test_two_lines_never_have_the_same_number(current: int, today: dt.date) -> None:
    number = next_build("local_a", current, today=today, next_day=True)
    with pytest.raises(VersionRefused, match="the older line one"):
        next_build("local_a", current, today=today, next_day=True, below=[("one", number)])
    with pytest.raises(VersionRefused, match="the newer line one"):
        next_build("local_a", current, today=today, next_day=True, above=[("one", number)])


@given(NUMBERS, DAYS)
def test_the_number_that_an_author_wrote_is_kept_for_the_first_release(current: int, today: dt.date) -> None:
    assert next_build("local_a", current, today=today, first=True) == current


@given(DAYS)
def test_without_any_number_the_day_begins_at_zero(today: dt.date) -> None:
    assert next_build("local_a", None, today=today) == _number(today, 0)


@given(DAYS, DAYS)
def test_a_number_in_the_future_goes_on_from_there(today: dt.date, other: dt.date) -> None:
    later = max(today, other)
    current = _number(later, 7)
    assert next_build("local_a", current, today=min(today, other)) == (
        current + 1 if later > min(today, other) or later == today else _number(today, 0)
    )
