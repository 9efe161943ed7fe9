"""Laws of the plan as JSON: it reads back as itself, equal plans are equal bytes, and any change changes the digest."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release.errors import PlanRefused
from release.formats.plan_json import decode, digest, encode
from release.model.edit import FileEdit, Replacement
from release.model.plan import Bump, CommitReason, GroupReason, PartReason, Plan, Request, RequestReason
from release.model.version import Level, Version

NAMES = st.text(st.sampled_from(list("abc_-é😀/\"'\\ \n\u2028\udce9")), min_size=1, max_size=8)
SHAS = st.text("0123456789abcdef", min_size=40, max_size=40)
DIGESTS = st.text("0123456789abcdef", min_size=64, max_size=64)
NUMBERS = st.integers(0, 99)
VERSIONS = st.builds(Version, NUMBERS, NUMBERS, NUMBERS, st.none() | st.sampled_from(["rc.1", "beta"]))
LEVELS = st.sampled_from(Level)
BUILDS = st.integers(2020010100, 2035123199)
REASONS = st.one_of(
    st.builds(CommitReason, SHAS, LEVELS, NAMES),
    st.builds(PartReason, NAMES, LEVELS, st.just("crate"), st.none() | NAMES, NAMES),
    st.builds(GroupReason, NAMES, LEVELS),
    st.builds(RequestReason, NAMES, LEVELS),
)


@st.composite
def bumps(draw: st.DrawFn) -> Bump:
    build = draw(st.none() | BUILDS)
    return Bump(
        draw(NAMES),
        "plugin",
        draw(NAMES),
        draw(st.none() | VERSIONS),
        draw(VERSIONS),
        None if build is None else draw(st.none() | BUILDS),
        build,
        draw(LEVELS),
        tuple(draw(st.lists(REASONS, max_size=3))),
        draw(st.none() | NAMES),
    )


EDITS = st.builds(
    FileEdit,
    NAMES,
    st.none() | DIGESTS,
    DIGESTS,
    st.lists(st.builds(Replacement, NUMBERS, NAMES, NAMES), max_size=3).map(tuple),
)
REQUESTS = st.builds(
    Request,
    st.lists(NAMES, max_size=2).map(tuple),
    st.none() | NAMES,
    st.dictionaries(NAMES, NAMES, max_size=2).map(lambda asked: tuple(sorted(asked.items()))),
)
PLANS = st.builds(
    Plan,
    SHAS,
    st.none() | NAMES,
    st.dates().map(str),
    DIGESTS,
    DIGESTS,
    REQUESTS,
    st.lists(bumps(), max_size=3).map(tuple),
    st.lists(EDITS, max_size=3).map(tuple),
)


@given(PLANS)
def test_a_plan_reads_back_as_itself(plan: Plan) -> None:
    assert decode(encode(plan)) == plan


@given(PLANS)
def test_the_bytes_are_one_line_of_canonical_json_in_utf_8(plan: Plan) -> None:
    content = encode(plan)
    assert content.endswith(b"\n")
    assert content.count(b"\n") == 1
    data = json.loads(content.decode("utf-8"))
    again = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert content == again.encode(errors="backslashreplace") + b"\n"


@given(PLANS, PLANS)
def test_plans_are_equal_exactly_when_their_bytes_and_digests_are(one: Plan, two: Plan) -> None:
    assert (one == two) == (encode(one) == encode(two)) == (digest(one) == digest(two))
    assert digest(dataclasses.replace(one)) == digest(one)


@given(PLANS, st.data())
def test_a_plan_that_was_changed_anywhere_is_refused(plan: Plan, data: st.DataObject) -> None:
    tree = json.loads(encode(plan))
    places = list(_leaves(tree))
    holder, key = data.draw(st.sampled_from(places))
    holder[key] = data.draw(st.sampled_from([None, "other", 7, "a", ["x"]]).filter(lambda new: new != holder[key]))
    with pytest.raises(PlanRefused):
        decode(json.dumps(tree).encode())


@given(
    st.one_of(
        st.binary(max_size=60), st.recursive(st.none() | st.text(), st.lists).map(lambda d: json.dumps(d).encode())
    )
)
def test_what_is_no_plan_is_refused_without_a_traceback(content: bytes) -> None:
    with pytest.raises(PlanRefused, match="not a plan"):
        decode(content)


@given(PLANS)
def test_a_plan_of_another_format_says_so(plan: Plan) -> None:
    tree = json.loads(encode(plan))
    tree["format"] = 2
    with pytest.raises(PlanRefused, match="format 2"):
        decode(json.dumps(tree).encode())


def _leaves(tree: Any) -> Any:
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        if isinstance(value, dict | list) and value:
            yield from _leaves(value)
        else:
            yield tree, key
