"""The binding's file: the same bytes for the same thing, and no edit goes unseen."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release.errors import PlanTampered, PlanUnbound
from release.terraform.binding import Binding, decode, encode
from release.terraform.show import Counts

_digests = st.text("0123456789abcdef", min_size=64, max_size=64)
_objects = st.text("0123456789abcdef", min_size=40, max_size=40)
_names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
_numbers = st.integers(0, 99)
_bindings = st.builds(
    Binding,
    format=st.just(1),
    root=_names,
    environment=_names,
    commit=_objects,
    tree=_objects,
    inputs=st.dictionaries(_names, _names, max_size=3),
    plan=_digests,
    lock=st.none() | _digests,
    terraform=_names,
    show=_digests,
    counts=st.builds(Counts, _numbers, _numbers, _numbers, _numbers, _numbers, _numbers, _numbers),
)
ONE = Binding(
    format=1,
    root="site",
    environment="dev",
    commit="1" * 40,
    tree="2" * 40,
    inputs={"site/main.tf": f"100644 {'3' * 40}"},
    plan="4" * 64,
    lock=None,
    terraform="1.11.4",
    show="5" * 64,
    counts=Counts(add=1),
)


@given(_bindings)
def test_what_is_written_is_read_back_and_written_the_same(binding: Binding) -> None:
    content = encode(binding)
    assert decode(content, "b") == binding
    assert encode(decode(content, "b")) == content


@given(st.data())
def test_no_changed_byte_goes_unseen(data: st.DataObject) -> None:
    content = encode(ONE)
    at = data.draw(st.integers(0, len(content) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != content[at]))
    with pytest.raises((PlanTampered, PlanUnbound)):
        decode(content[:at] + bytes([byte]) + content[at + 1 :], "b")


@pytest.mark.parametrize("member", sorted({*json.loads(encode(ONE))} - {"digest", "format"}))
def test_an_edited_member_is_an_edited_binding(member: str) -> None:
    other = {"counts": {"add": 2}, "inputs": {}, "lock": "6" * 64, "commit": "7" * 40, "tree": "7" * 40}
    edited = {**json.loads(encode(ONE)), member: other.get(member, "8" * 64)}
    with pytest.raises(PlanTampered, match="edited"):
        decode(json.dumps(edited).encode(), "b")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b"null",
        b'{"format": 2}',
        b'{"format": true}',
        b'{"format": 1}',
        encode(ONE).replace(b'"root": "site"', b'"root": 3'),
        encode(ONE).replace(b'"root": "site",', b'"root": "site", "further": 1,'),
        encode(ONE).replace(b"4" * 64, b"plan"),
    ],
)
def test_what_is_no_binding_is_refused_as_none(content: bytes) -> None:
    with pytest.raises(PlanUnbound):
        decode(content, "b")
