"""Behaviour of ``bundle.json``: strict, with places."""

from __future__ import annotations

import json

import pytest

from release.errors import FormatError
from release.formats import bundle_json

SHA = "0" * 64
GOOD = f"""{{
  "crates": {{
    "a\\u0063cel": {{ "version": "0.2.0", "binaries": [
      {{"path": "native/x86_64-linux-gnu/libé.so", "version": "0.2.0", "sha256": "{SHA}"}},
      {{"sha256": "{SHA}",
       "version": "0.1.0-rc.1", "path": "native/b.wasm"}}] }},
    "other": {{"binaries": [], "version": "1.0.0"}}
  }}
}}
"""


def _bundle(**binary: object) -> bytes:
    return json.dumps({"crates": {"a": {"version": "1.0.0", "binaries": [binary]}}}, indent=1).encode()


def test_a_library_that_is_built_has_a_target_in_place_of_a_digest() -> None:
    listed = (
        {"path": "native/a.so", "target": "x86_64-unknown-linux-gnu", "glibc": "2.28"},
        {"path": "native/b.so", "target": "aarch64-unknown-linux-musl"},
        {"path": "native/c.so", "version": "1.0.0", "sha256": SHA},
    )
    text = json.dumps({"crates": {"a": {"version": "1.0.0", "binaries": listed}}}, indent=1)
    (crate,) = bundle_json.parse(text.encode(), "p/bundle.json").crates
    assert [(one.path, one.target, one.glibc, one.token.line) for one in crate.natives] == [
        ("native/a.so", "x86_64-unknown-linux-gnu", "2.28", 7),
        ("native/b.so", "aarch64-unknown-linux-musl", None, 12),
    ]
    assert [one.path for one in crate.binaries] == ["native/c.so"]


@pytest.mark.parametrize(
    ("binary", "line", "said"),
    [
        ({"path": "a"}, 7, "either `version` and `sha256`, or `target`"),
        ({"path": "a", "version": "1.0.0"}, 7, "either"),
        ({"path": "a", "sha256": SHA}, 7, "either"),
        ({"path": "a", "glibc": "2.28"}, 7, "either"),
        ({"path": "a", "version": "1.0.0", "target": "x86_64-unknown-linux-gnu"}, 7, "either"),
        ({"path": "a", "version": "1.0.0", "sha256": SHA, "target": "x86_64-unknown-linux-gnu"}, 7, "either"),
        ({"path": "a", "version": "1.0.0", "sha256": SHA, "glibc": "2.28"}, 7, "either"),
        ({"path": "../a", "target": "x86_64-unknown-linux-gnu"}, 7, "no"),
        ({"path": "a", "target": "x86_64 unknown"}, 8, "is no target of Cargo"),
        ({"path": "a", "target": "--config=x"}, 8, "is no target of Cargo"),
        ({"path": "a", "target": "x86_64-unknown-linux-gnu", "glibc": "2"}, 9, "is no version of the GNU C library"),
        ({"path": "a", "target": "x86_64-unknown-linux-musl", "glibc": "2.28"}, 9, "that x86_64-unknown-linux-musl"),
    ],
)
def test_a_binary_is_either_recorded_or_built(binary: dict[str, object], line: int, said: str) -> None:
    with pytest.raises(FormatError) as caught:
        bundle_json.parse(_bundle(**binary), "b.json")
    assert said in caught.value.what
    assert str(caught.value.where[0]).startswith(f"b.json:{line}:")


def test_a_path_is_there_once() -> None:
    one = {"path": "native/a.so", "target": "x86_64-unknown-linux-gnu"}
    other = {"path": "native/a.so", "version": "1.0.0", "sha256": SHA}
    text = json.dumps({"crates": {"a": {"version": "1.0.0", "binaries": [one, other]}}}, indent=1)
    with pytest.raises(FormatError, match="there twice"):
        bundle_json.parse(text.encode(), "b.json")


def test_versions_are_found_at_their_bytes() -> None:
    bundle = bundle_json.parse(GOOD.encode(), "p/bundle.json")
    accel, other = bundle.crates
    assert (accel.name, str(accel.version), other.name) == ("accel", "0.2.0", "other")
    assert [(binary.path, str(binary.version)) for binary in accel.binaries] == [
        ("native/x86_64-linux-gnu/libé.so", "0.2.0"),
        ("native/b.wasm", "0.1.0-rc.1"),
    ]
    for crate, line in ((accel, 3), (other, 7)):
        start = crate.token.offset
        assert GOOD.encode()[start - 1 : start + 6] == f'"{crate.version}"'.encode()
        assert crate.token.line == line
    assert accel.binaries[1].token.line == 6


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b'{"crates": {"a": {"version": 1}}}', "b.json:1:30"),
        (b'{"crates": {"a":\n {"version": "1.0"}}}', "b.json:2:14"),
        (b'{"crates": {}, "more": 1}', "b.json:1"),
        (b'{"crates": {\n', "b.json:2:1"),
        (b"[]", "b.json:1"),
        (b"", "b.json:1:1"),
        (b'{"crates": {"caf\xe9": {}}}', "b.json:1"),
        (
            json.dumps(
                {
                    "crates": {
                        "a": {
                            "version": "1.0.0",
                            "binaries": [{"path": "../x", "version": "1.0.0", "sha256": SHA}],
                        }
                    }
                },
                indent=1,
            ).encode(),
            "b.json:7:14",
        ),
        (
            json.dumps(
                {
                    "crates": {
                        "a": {
                            "version": "1.0.0",
                            "binaries": [{"path": "x", "version": "1.0.0", "sha256": "ABC"}],
                        }
                    }
                },
                indent=1,
            ).encode(),
            "b.json:9:16",
        ),
    ],
)
def test_another_form_is_refused_with_its_place(content: bytes, place: str) -> None:
    with pytest.raises(FormatError) as caught:
        bundle_json.parse(content, "b.json")
    assert str(caught.value.where[0]).startswith(place)
