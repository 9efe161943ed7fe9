"""``release config`` and ``release completion``."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from release.workspace.config import Config, effective, load
from scratch import Scratch, image

ODD = """\
main: trunk
zero: semver
tag: "{name}/v{version}"
commits: {types: {docs: patch, feat: major}}
propagation: {image: same}
components: {web: {channel: rc, exclude: [tests/]}}
baseline: {commit: "0123456789012345678901234567890123456789", versions: {web: 1.0.0}}
"""


@pytest.mark.parametrize("text", ["{}", ODD])
def test_what_is_shown_is_a_configuration_of_the_same_meaning(text: str) -> None:
    shown = effective(load(text.encode()))
    again = load(yaml.safe_dump(shown).encode())
    assert effective(again) == shown
    assert again.of("web") == load(text.encode()).of("web")
    assert again.level("docs") == load(text.encode()).level("docs")


def test_the_committed_configuration_is_shown_with_its_usual_values(tmp_path: Path) -> None:
    repo = Scratch(tmp_path / "repo")
    repo.commit("feat: begin", {"images/web/image.yaml": image("web"), "release.yaml": "main: trunk\n"})
    repo.write({"release.yaml": "main: other\n"})
    done = repo.run("config", "show").ok()
    assert load(done.out.encode()).main == "trunk"
    assert "propagation:\n  crate: patch\n  crate-dev: none\n" in done.out
    assert "on disk is another" in done.err
    assert repo.run("config", "show", "--json").ok().json["main"] == "trunk"


def test_without_a_commit_the_configuration_on_disk_is_shown(tmp_path: Path) -> None:
    repo = Scratch(tmp_path / "repo")
    repo.write({"release.yaml": "main: trunk\n"})
    repo.git("add", "-A")
    assert repo.run("config", "show", "--json").ok().json["main"] == "trunk"


def test_the_schema_names_every_key(tmp_path: Path) -> None:
    repo = Scratch(tmp_path / "repo")
    schema = json.loads(repo.run("config", "schema").ok().out)
    properties = schema["$defs"]["Config"]["properties"]
    assert set(effective(Config())) | {"baseline", "github", "rollout", "terraform"} == set(properties)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_is_one_that_the_shell_reads(tmp_path: Path, shell: str) -> None:
    script = Scratch(tmp_path / "repo").run("completion", shell).ok().out
    assert "_RELEASE_COMPLETE" in script
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"{shell} is not installed")
    flag = "--no-execute" if shell == "fish" else "-n"
    subprocess.run([found, flag], input=script.encode(), check=True)


def test_component_names_are_completed(tmp_path: Path) -> None:
    repo = Scratch(tmp_path / "repo")
    repo.commit("feat: begin", {"images/web/image.yaml": image("web"), "images/job/image.yaml": image("job")})
    asked = {"_RELEASE_COMPLETE": "bash_complete", "COMP_WORDS": "release changelog w", "COMP_CWORD": "2"}
    assert repo.run(env=asked).out.split() == ["plain,web"]
