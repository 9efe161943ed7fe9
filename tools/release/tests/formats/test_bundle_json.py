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
