"""Killed at any event, the run that follows ends as one that was never killed, and nothing is done twice."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from cargo_registry import TOKEN, cargo_registry
from oci_registry import oci_registry
from releases import monorepo, written_files
from scratch import Scratch

_DRIVER = Path(__file__).parent / "driver.py"


def run(scratch: Scratch, fatal: int, to: str, env: Mapping[str, str], *digests: str) -> tuple[int, list[str]]:
    """Publish in a process of its own; return its exit code and its events."""
    done = subprocess.run(
        [sys.executable, str(_DRIVER), str(fatal), to, *digests],
        cwd=scratch.path,
        env={**scratch.environment, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode, done.stdout.splitlines()


def killed_at_each_event(
    make: Callable[[int], tuple[Scratch, Mapping[str, str], tuple[str, ...]]], to: str, state: Callable[[int], object]
) -> list[str]:
    """Kill a run at each of its events, each time in a new place, and run again; return all events of a whole run."""
    scratch, env, digests = make(-1)
    code, events = run(scratch, -1, to, env, *digests)
    assert code == 0
    expected = state(-1)
    for fatal in range(len(events)):
        scratch, env, digests = make(fatal)
        code, seen = run(scratch, fatal, to, env, *digests)
        assert (code, len(seen)) == (-signal.SIGKILL, fatal + 1)
        code, rest = run(scratch, -1, to, env, *digests)
        assert code == 0
        # What was about to be done is done now; what was done is not done again.
        assert len(rest) == len(events) - fatal - fatal % 2
        assert state(fatal) == expected
        assert run(scratch, -1, to, env, *digests) == (0, [])
    return events


def test_a_folder(tmp_path: Path) -> None:
    config = """publish:
  destinations: {shelf: {to: folder, options: {path: ../shelf}}}
  kinds: {plugin: [shelf], chart: [shelf]}
"""
    first = monorepo(tmp_path / "first/work", config)

    def make(number: int) -> tuple[Scratch, Mapping[str, str], tuple[str, ...]]:
        return first.clone(tmp_path / str(number) / "work"), {}, ()

    events = killed_at_each_event(make, "shelf", lambda number: written_files(tmp_path / str(number) / "shelf"))
    assert len(events) == 8


def test_a_cargo_registry(tmp_path: Path) -> None:
    with cargo_registry(tmp_path / "registry") as registry:
        config = f"""publish:
  destinations: {{crates: {{to: cargo, options: {{registry: test, index: "{registry.index}"}}}}}}
  kinds: {{crate: [crates]}}
"""
        scratch = monorepo(tmp_path / "work", config)
        env = {**registry.environment(), "CARGO_REGISTRIES_TEST_TOKEN": TOKEN}

        def make(_: int) -> tuple[Scratch, Mapping[str, str], tuple[str, ...]]:
            for part in ("index", "crates"):
                shutil.rmtree(registry.folder / part, ignore_errors=True)
            registry.published.clear()
            return scratch, env, ()

        def state(_: int) -> object:
            assert registry.refused == []
            return list(registry.published), written_files(registry.folder / "crates")

        events = killed_at_each_event(make, "crates", state)
        assert len(events) == 4


def test_an_oci_registry(tmp_path: Path) -> None:
    with oci_registry(tmp_path / "registry") as registry:

        def make(number: int) -> tuple[Scratch, Mapping[str, str], tuple[str, ...]]:
            digest = registry.push_image(f"run{number}/site", "the image")
            config = f"""publish:
  destinations: {{registry: {{to: oci, options: {{repository: "{registry.address}/run{number}/{{name}}"}}}}}}
  kinds: {{image: [registry], chart: [registry]}}
"""
            scratch = monorepo(tmp_path / str(number) / "work")
            scratch.commit("ci: publish", {"release.yaml": f"version: 1\n{config}"})
            return scratch, {}, ("site-v1.2.3", "web-v0.9.0", f"site={digest}")

        def state(number: int) -> object:
            return registry.tags(f"run{number}/site"), registry.tags(f"run{number}/web")

        events = killed_at_each_event(make, "registry", state)
        assert len(events) == 14
