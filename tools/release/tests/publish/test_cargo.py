"""Cargo itself publishes to a registry on this machine, and builds what depends on it from there."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from cargo_registry import TOKEN, CargoRegistry, cargo_registry
from releases import CRATES, monorepo
from scratch import Result, Scratch, crate

CONFIG = """publish:
  destinations:
    crates:
      to: cargo
      options: {registry: test, index: "sparse+%s"}
  kinds:
    crate: [crates]
"""


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[CargoRegistry]:
    with cargo_registry(tmp_path / "registry") as running:
        yield running


def made(path: Path, registry: CargoRegistry, files: Mapping[str, str | bytes] | None = None) -> Scratch:
    return monorepo(path / "work", CONFIG % registry.index, files)


def published(scratch: Scratch, registry: CargoRegistry, *args: str, token: str | None = TOKEN) -> Result:
    env = registry.environment() | ({"CARGO_REGISTRIES_TEST_TOKEN": token} if token else {})
    return scratch.run("publish", *args, env=env)


def states(result: Result) -> dict[str, str]:
    return {step["tag"]: step["state"] for step in result.ok().json["steps"] if step["destination"]}


def test_crates_are_published_parts_first_and_another_crate_is_built_from_them(
    tmp_path: Path, registry: CargoRegistry
) -> None:
    scratch = made(tmp_path, registry)
    assert states(published(scratch, registry, "--dry-run", "--json")) == {
        "part-v0.1.0": "to do", "whole-v0.3.0": "to do",
    }  # fmt: skip
    assert registry.published == []
    assert set(states(published(scratch, registry, "--json")).values()) == {"done"}
    assert registry.published == ["part 0.1.0", "whole 0.3.0"]
    assert set(states(published(scratch, registry, "--json", token=None)).values()) == {"there"}
    assert (registry.published, registry.refused) == (["part 0.1.0", "whole 0.3.0"], [])
    user = tmp_path / "user"
    (user / "src").mkdir(parents=True)
    needs = '[dependencies]\nwhole = { version = "0.3", registry = "test" }\n'
    (user / "Cargo.toml").write_text(crate("user", further=needs))
    (user / "src/main.rs").write_text('fn main() {\n    println!("{}", whole::whole());\n}\n')
    env = {**scratch.environment, **registry.environment()}
    done = subprocess.run(["cargo", "run", "-q"], cwd=user, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "2\n"), done.stderr


def test_other_bytes_under_the_version_stop_the_run(tmp_path: Path, registry: CargoRegistry) -> None:
    published(made(tmp_path, registry), registry, "part-v0.1.0").ok()
    other = made(tmp_path / "other", registry, {"crates/part/src/lib.rs": "pub fn part() -> u8 {\n    7\n}\n"})
    for extra in ((), ("--dry-run",)):
        result = published(other, registry, "part-v0.1.0", *extra)
        assert result.code == 13
        assert "crate part 0.1.0 in test: the destination has" in result.err
    assert registry.published == ["part 0.1.0"]


@pytest.mark.parametrize("says", ["publish = false", "publish = []", 'publish = ["elsewhere"]'])
def test_a_crate_that_is_not_to_be_published_there_is_passed_over(
    tmp_path: Path, registry: CargoRegistry, says: str
) -> None:
    manifest = CRATES["crates/part/Cargo.toml"] + says + "\n"
    scratch = made(tmp_path, registry, {"crates/part/Cargo.toml": manifest})
    state = states(published(scratch, registry, "part-v0.1.0", "--json"))["part-v0.1.0"]
    assert state.startswith("skipped: publish = ")
    assert registry.published == []


def test_a_missing_token_is_said_by_its_name_before_anything_is_sent(tmp_path: Path, registry: CargoRegistry) -> None:
    result = published(made(tmp_path, registry), registry, "part-v0.1.0", token=None)
    assert (result.code, "CARGO_REGISTRIES_TEST_TOKEN" in result.err) == (15, True)
    assert registry.published == []


def test_a_wrong_token_is_refused_and_not_shown(tmp_path: Path, registry: CargoRegistry) -> None:
    wrong = "wrong-token-8812"
    result = published(made(tmp_path, registry), registry, "part-v0.1.0", token=wrong)
    assert result.code == 14
    assert "wrong token" in result.err
    assert wrong not in result.out + result.err


def test_a_crate_that_does_not_build_from_its_package_is_not_published(tmp_path: Path, registry: CargoRegistry) -> None:
    manifest = CRATES["crates/part/Cargo.toml"] + 'exclude = ["src/more.rs"]\n'
    files = {"crates/part/Cargo.toml": manifest, "crates/part/src/lib.rs": "mod more;\npub use more::part;\n",
             "crates/part/src/more.rs": "pub fn part() -> u8 {\n    1\n}\n"}  # fmt: skip
    result = published(made(tmp_path, registry, files), registry, "part-v0.1.0")
    assert (result.code, "more" in result.err) == (14, True)
    assert registry.published == []


def test_build_scripts_see_no_secret_of_any_destination(tmp_path: Path, registry: CargoRegistry) -> None:
    seen = tmp_path / "seen"
    script = (
        'fn main() {\n    let all: Vec<String> = std::env::vars().map(|(k, v)| format!("{k}={v}")).collect();\n'
        f'    std::fs::write("{seen}", all.join("\\n")).unwrap();\n}}\n'
    )
    scratch = made(tmp_path, registry, {"crates/part/build.rs": script})
    names = ("CARGO_REGISTRIES_TEST_TOKEN", "CARGO_REGISTRY_TOKEN", "OCI_PASSWORD", "GITHUB_TOKEN",
             "ACTIONS_ID_TOKEN_REQUEST_TOKEN")  # fmt: skip
    env = {**registry.environment(), **dict.fromkeys(names, TOKEN), "HARMLESS": "seen"}
    scratch.run("publish", "part-v0.1.0", env=env).ok()
    text = seen.read_text()
    assert "CARGO_PKG_NAME=part" in text
    assert "HARMLESS=seen" in text
    assert TOKEN not in text


def test_a_registry_that_is_busy_is_asked_again_and_one_that_stays_so_is_reported(
    tmp_path: Path, registry: CargoRegistry
) -> None:
    scratch = made(tmp_path, registry)
    registry.failures = [503, 429]
    assert states(published(scratch, registry, "part-v0.1.0", "--dry-run", "--json")) == {"part-v0.1.0": "to do"}
    assert registry.failures == []
    registry.failures = [503] * 4
    result = published(scratch, registry, "part-v0.1.0", "--dry-run")
    assert (result.code, "answers 503" in result.err, "run it again" in result.err) == (14, True, True)


def test_no_child_process_gets_the_token_as_an_argument(tmp_path: Path, registry: CargoRegistry) -> None:
    """A cargo that comes first in PATH writes down what it is called with."""
    real = shutil.which("cargo")
    log = tmp_path / "calls"
    wrapper = tmp_path / "bin/cargo"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >>"{log}"\nexec "{real}" "$@"\n')
    wrapper.chmod(0o755)
    scratch = made(tmp_path, registry)
    env = {**registry.environment(), "CARGO_REGISTRIES_TEST_TOKEN": TOKEN,
           "PATH": f"{wrapper.parent}:{scratch.environment['PATH']}"}  # fmt: skip
    result = scratch.run("publish", "part-v0.1.0", "--json", env=env).ok()
    calls = log.read_text()
    assert "publish --no-verify" in calls
    assert TOKEN not in calls + result.out + result.err


def test_a_registry_of_unknown_index_is_said(tmp_path: Path) -> None:
    config = (
        "publish:\n  destinations:\n    crates: {to: cargo, options: {registry: mine}}\n  kinds: {crate: [crates]}\n"
    )
    files = {"crates/whole/Cargo.toml": CRATES["crates/whole/Cargo.toml"].replace(', registry = "test"', "")}
    with cargo_registry(tmp_path / "r") as registry:
        env = registry.environment()
    result = monorepo(tmp_path / "a", config, files).run("publish", "part-v0.1.0", env=env)
    assert (result.code, "index: sparse+https" in result.err) == (4, True)
