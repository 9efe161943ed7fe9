"""Cargo's version requirements: what they accept, and how they follow a version."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from release.formats.cargo_requirement import cargo_requirement_for
from release.model.version import parse_version

CASES = [
    ("0.1.0", "0.1.9", True),
    ("0.1.0", "0.2.0", False),
    ("0.1.5", "0.1.4", False),
    ("^0.2", "0.2.0-rc.2", False),
    ("0.2.0-rc.1", "0.2.0", True),
    ("0.2.0-rc.1", "0.2.0-rc.2", True),
    ("0.2.0-rc.2", "0.2.0-rc.1", False),
    ("0.2.0-rc.1", "0.2.1-rc.1", False),
    ("0.2.0-rc.1", "0.2.7", True),
    ("0.0.3", "0.0.4", False),
    ("0.0", "0.0.9", True),
    ("0.0", "0.1.0", False),
    ("0", "0.9.9", True),
    ("0", "1.0.0", False),
    ("1", "1.99.0", True),
    ("1.2", "1.1.9", False),
    ("1.2.3", "2.0.0", False),
    ("~1.2.3", "1.2.9", True),
    ("~1.2.3", "1.3.0", False),
    ("~1", "1.9.0", True),
    ("~1.2", "1.3.0", False),
    ("=1.2.3", "1.2.3", True),
    ("=1.2.3", "1.2.4", False),
    ("=1.2", "1.2.9", True),
    ("=1.2.3-rc.1", "1.2.3-rc.1", True),
    ("=1.2.3-rc.1", "1.2.3", False),
    ("*", "9.9.9", True),
    ("*", "9.9.9-rc.1", False),
    ("1.*", "1.9.0", True),
    ("1.2.*", "1.3.0", False),
    ("1.*.*", "1.3.0", True),
    (">=1.0, <2", "1.9.9", True),
    (">=1.0, <2", "2.0.0", False),
    (">= 1.2.3,<1.5", "1.4.9", True),
    (">1", "1.9.0", False),
    (">1.2", "1.3.0", True),
    ("<=1.2", "1.2.9", True),
    ("<=1.2.3", "1.2.4", False),
    (">=1.0.0-rc.1, <2", "1.0.0-rc.2", True),
    ("^1, >=1.2.0-rc.1", "1.2.0-rc.1", True),
    (" 0.1 ", "0.1.4", True),
    ("1.2.3+build", "1.2.4", True),
]


@pytest.mark.parametrize(("requirement", "version", "accepted"), CASES)
def test_a_requirement_accepts_what_cargo_says(requirement: str, version: str, accepted: bool) -> None:
    assert (cargo_requirement_for(requirement, parse_version(version)) == requirement) is accepted


@pytest.mark.parametrize(
    ("requirement", "version", "expected"),
    [
        ("0.1", "0.1.7", "0.1"),
        ("0.1", "0.2.0", "0.2"),
        ("0.1.0", "0.2.0", "0.2.0"),
        ("^1", "2.0.0", "^2"),
        ("^0.2", "0.2.1-rc.1", "^0.2.1-rc.1"),
        ("0.2.0-rc.1", "0.2.0", "0.2.0-rc.1"),
        ("=0.1.0", "0.2.0", "=0.2.0"),
        ("= 0.1.0", "0.2.0", "= 0.2.0"),
        ("=0.1.0", "0.2.0+7", "=0.2.0"),
        ("~0.1.3", "0.2.0", "~0.2.0"),
        ("~1", "2.1.0", "~2"),
        ("0.1.*", "0.2.0", "0.2.*"),
        ("1.*", "2.0.0-rc.1", "2.0.0-rc.1"),
        ("*", "2.0.0-rc.1", "2.0.0-rc.1"),
        ("*", "2.0.0", "*"),
        (">=0.1, <0.2", "0.2.3", ">=0.1, <0.3"),
        (">=1.0, <2.0", "2.4.0", ">=1.0, <3.0"),
        (">=1.0, <2.0", "2.0.0-rc.1", ">=2.0.0-rc.1, <3.0"),
        ("<1.0.0", "1.0.0", "<2.0.0"),
        ("<=1.0.0", "1.0.1", "<=1.0.1"),
        (">5", "2.0.0", ">=2"),
    ],
)
def test_a_requirement_follows_in_its_own_style(requirement: str, version: str, expected: str) -> None:
    assert cargo_requirement_for(requirement, parse_version(version)) == expected


@pytest.mark.parametrize("text", ["", "what", "1.2.3.4", "*.1", "1.*.3", "01.2", ">=*", "1.2-rc.1", "1,,2", "1 2"])
def test_what_is_no_requirement_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a version requirement"):
        cargo_requirement_for(text, parse_version("1.0.0"))


@pytest.mark.skipif(shutil.which("cargo") is None, reason="cargo is not installed")
def test_cargo_itself_agrees_on_every_case(tmp_path: Path) -> None:
    """One resolution settles the accepted cases together; each refused one is asked for alone."""

    def write(name: str, version: str, dependency: str) -> None:
        folder = tmp_path / name
        (folder / "src").mkdir(parents=True, exist_ok=True)
        (folder / "src/lib.rs").touch()
        (folder / "Cargo.toml").write_text(
            f'[package]\nname = "{name}"\nversion = "{version}"\nedition = "2021"\n{dependency}[workspace]\n'
        )

    def resolves(name: str) -> bool:
        command = ["cargo", "generate-lockfile", "--offline"]
        return subprocess.run(command, cwd=tmp_path / name, check=False, capture_output=True).returncode == 0

    uses: list[str] = []
    for number, (requirement, version, accepted) in enumerate(CASES):
        write(f"part{number}", version, "")
        use = f'part{number} = {{ path = "../part{number}", version = "{requirement}" }}\n'
        if accepted:
            uses.append(use)
        else:
            write(f"refused{number}", "1.0.0", f"[dependencies]\n{use}")
            assert not resolves(f"refused{number}"), (requirement, version)
    write("accepted", "1.0.0", "[dependencies]\n" + "".join(uses))
    assert resolves("accepted")
