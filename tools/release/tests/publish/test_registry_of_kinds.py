"""The registry of destinations: each kind under its own name, loaded when it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from release.publish.destinations import DESTINATIONS


def test_each_kind_has_the_name_that_it_is_registered_under() -> None:
    assert list(DESTINATIONS) == ["folder", "github", "cargo", "moodle", "oci"]
    assert {name: kind.name for name, kind in DESTINATIONS.items()} == {name: name for name in DESTINATIONS}
    assert DESTINATIONS["oci"] is DESTINATIONS["oci"]


def test_what_is_no_kind_is_not_there() -> None:
    assert DESTINATIONS.get("npm") is None
    assert "npm" not in DESTINATIONS
    with pytest.raises(KeyError):
        DESTINATIONS["npm"]


def test_to_compose_workflows_loads_nothing_that_speaks_http() -> None:
    code = (
        "import sys, release.ci.compose; print(*[name for name in ('ssl', 'httpx', 'zipfile') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == []
