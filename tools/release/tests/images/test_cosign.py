"""What cosign is told, by what the cosign at hand takes: of this, no version's own number says enough."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engines import program
from release.images.cosign import Cosign

_STAND_IN = """\
#!/bin/sh
case "$*" in
  "$1 --"*" --help")
    for known in $KNOWN; do [ "$1 $2" != "$1 $known=false" ] || exit 0; done
    echo "Error: unknown flag: $2" >&2
    exit 1;;
esac
echo "$*" >> "$CALLS"
"""


@pytest.mark.parametrize(
    ("known", "told"),
    [
        ("", ""),
        ("--new-bundle-format", "--new-bundle-format=false "),
        ("--new-bundle-format --use-signing-config", "--new-bundle-format=false --use-signing-config=false "),
    ],
)
def test_it_is_told_to_sign_as_all_versions_do_by_the_options_that_it_has(
    tmp_path: Path, known: str, told: str
) -> None:
    stand_in = tmp_path / "cosign"
    stand_in.write_text(_STAND_IN)
    stand_in.chmod(0o755)
    calls = tmp_path / "calls"
    environment = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "KNOWN": known, "CALLS": str(calls)}
    with Cosign.opened("registry.example", None, environment, "my.key") as cosign:
        cosign.sign("registry.example/a@sha256:1")
        cosign.attest("registry.example/a@sha256:1", Path("bill.json"))
    key = "--key my.key --tlog-upload=false registry.example/a@sha256:1"
    assert calls.read_text().splitlines() == [
        f"sign --yes --recursive {told}{key}",
        f"attest --yes --replace --type spdxjson --predicate bill.json {told}{key}",
    ]


def test_the_cosign_that_is_here_takes_what_it_is_told() -> None:
    program("cosign", "build-support/engine.py has it")
    with Cosign.opened("registry.example", None, os.environ) as cosign:
        for command in ("sign", "attest"):
            assert cosign._done(command, *cosign._plain(command), "--yes", "--help").returncode == 0
        assert cosign._done("sign", "--no-such=false", "--help").returncode != 0
