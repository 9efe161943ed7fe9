"""The pins file: strict, overlaid entry by entry, edited in place."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from release.ci.pins import OWN, PACKAGED, Pin, Pins, edit
from release.errors import FormatError, PinError

_A, _B = "a" * 40, "b" * 40


def _entry(uses: str = "a/b", sha: str = _A, version: str = "v1", more: str = "") -> bytes:
    return f"pins:\n  - uses: {uses}\n    sha: {sha}\n    version: {version}\n{more}".encode()


def test_every_packaged_pin_is_there_without_a_file_of_ones_own() -> None:
    pins = Pins.load(None)
    assert len(pins) == 42
    checkout = pins.of("actions/checkout")
    assert (checkout.sha, checkout.version) == ("3d3c42e5aac5ba805825da76410c181273ba90b1", "v7.0.1")
    assert checkout.place.path == PACKAGED
    assert not checkout.own
    assert {pin.uses for pin in pins if pin.single_source} == {
        "pantsbuild/actions/init-pants",
        "ramsey/composer-install",
    }


def test_an_own_entry_goes_before_the_packaged_one_and_the_others_stay() -> None:
    pins = Pins.load(_entry("actions/checkout", _B, "v9.0.0"))
    assert (pins.of("actions/checkout").sha, pins.of("actions/checkout").own) == (_B, True)
    assert pins.of("actions/cache") == Pins.load(None).of("actions/cache")
    assert len(pins) == 42


def test_an_action_that_is_not_pinned_is_refused_with_what_to_do() -> None:
    with pytest.raises(PinError, match=r"actions/chekout is not pinned; actions/checkout is") as caught:
        Pins.load(None).of("actions/chekout")
    assert caught.value.exit_code == 12
    assert OWN in caught.value.fix


def test_an_entry_serves_every_action_of_its_repository() -> None:
    pins = Pins.load(None)
    found = pins.of("github/codeql-action/init")
    assert (found.uses, found.sha) == ("github/codeql-action/init", pins.of("github/codeql-action/upload-sarif").sha)


def test_entries_of_a_repository_that_disagree_serve_no_further_action() -> None:
    with pytest.raises(PinError, match="disagree") as caught:
        Pins.load(_entry("github/codeql-action/init", _A)).of("github/codeql-action/analyze")
    assert {place.path for place in caught.value.where} == {OWN, PACKAGED}


@pytest.mark.parametrize(
    ("content", "what", "line", "column"),
    [
        (_entry(sha="A" * 40), "is not a commit", 3, 10),
        (_entry(sha="a" * 39), "is not a commit", 3, 10),
        (_entry(version='""'), "a value is expected", 4, 14),
        (_entry(version='"v 1"'), "is not a version", 4, 14),
        (_entry(uses="checkout"), "is not an action", 2, 11),
        (_entry(more="    seen: 3\n"), "unknown key 'seen'", 5, 11),
        (_entry(more="    sha: " + _A + "\n"), "there twice", 5, 5),
        (_entry(more="    single-source: maybe\n"), "true or false", 5, 20),
        (_entry(more=f"  - uses: A/B\n    sha: {_A}\n    version: v1\n"), "A/B is pinned twice, first in line 2", 5, 5),
        (b"pins:\n  - uses: a/b\n", "sha is missing", 2, 5),
        (b"other: 1\n", "unknown key 'other'", 1, 8),
        (b"pins: 3\n", "a list is expected", 1, 7),
        (b"pins: [\n", "not valid YAML", 2, 1),
    ],
)
def test_a_malformed_file_is_refused_at_its_place(content: bytes, what: str, line: int, column: int) -> None:
    with pytest.raises(FormatError, match=what) as caught:
        Pins.load(content)
    place = caught.value.where[0]
    assert (place.path, place.line, place.column) == (OWN, line, column)


def test_an_edit_changes_the_values_and_no_other_byte() -> None:
    own = f"# why\npins: # here\n  # one\n  - uses: a/b # c\n    sha: '{_A}' # d\n    version: v1.0 # e\n# end".encode()
    new = edit(own, [Pin("a/b", _B, "v2.0")]).apply(own)
    assert new == own.replace(_A.encode(), _B.encode()).replace(b"v1.0", b"v2.0")


def test_a_new_entry_comes_after_the_last_and_before_what_follows_it() -> None:
    own = _entry(more="    note: >-\n      some\n      words\n\n# end\n")
    new = edit(own, [Pin("z/z", _B, "v3"), Pin("c/c", _B, "v2")]).apply(own).decode()
    assert new.startswith(own.decode().partition("\n\n# end")[0])
    assert new.endswith("\n\n# end\n")
    assert [one["uses"] for one in yaml.safe_load(new)["pins"]] == ["a/b", "c/c", "z/z"]


@pytest.mark.parametrize(
    "own", [None, b"", b"# a\n", b"# a", b"pins:", b"pins: # a\n# b\n", b"pins: null\n", b"pins: []\n", b"pins: [] # a"]
)
def test_the_first_entry_is_written_whatever_is_there(own: bytes | None) -> None:
    refused = own is not None and (b"[]" in own or b"null" in own)
    if refused:
        with pytest.raises(FormatError, match="no line can be added"):
            edit(own, [Pin("a/b", _A, "v1")])
        return
    new = edit(own, [Pin("a/b", _A, "v1")]).apply(own)
    assert yaml.safe_load(new) == {"pins": [{"uses": "a/b", "sha": _A, "version": "v1"}]}
    assert all(line in new for line in (own or b"").splitlines())


_names = st.from_regex(r"[a-z][a-z0-9]{0,5}/[a-z][a-z0-9]{0,5}", fullmatch=True)
_shas = st.text("0123456789abcdef", min_size=40, max_size=40)
_versions = st.sampled_from(["v1", "v1.2.3", "2.0", "1e3", "10", "on"])
_pins = st.builds(Pin, _names, _shas, _versions)


@given(st.lists(_pins, unique_by=lambda pin: pin.uses), st.lists(_pins, unique_by=lambda pin: pin.uses))
def test_what_was_written_is_read_again_and_the_rest_stays(first: list[Pin], second: list[Pin]) -> None:
    own = edit(None, first).apply(None)
    new = edit(own, second).apply(own)
    wanted = {pin.uses: pin for pin in Pins.load(None)} | {pin.uses: pin for pin in [*first, *second]}
    read = Pins.load(new)
    assert {pin.uses: pin for pin in read} == wanted
    assert edit(new, second).replacements == ()
