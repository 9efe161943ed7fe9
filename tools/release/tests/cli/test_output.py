"""What people, pipes, machines and shells are given."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from scratch import Scratch, crate, image

ESCAPE = "\x1b"
COMMANDS = (
    "init",
    "status",
    "graph",
    "affected",
    "why",
    "check",
    "bump",
    "verify",
    "changelog",
    "tag",
    "bundle",
    "package",
    "publish",
    "image",
    "ci",
    "tf",
    "rollout",
    "stack",
    "config",
    "completion",
)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Scratch:
    """Return a repository with one release made by the command and one to make."""
    s = Scratch(tmp_path_factory.mktemp("output") / "r")
    s.commit(
        "feat: begin",
        {
            "crates/alpha/Cargo.toml": crate("alpha", "1.0.0"),
            "crates/alpha/src/lib.rs": "",
            "images/web/image.yaml": image("web", "1.0.0", "contains:\n  crates: [alpha]\n"),
        },
    )
    s.run("bump").ok()
    s.touch("feat: [bold]more[/nonsense] of [/tmp] \x1b[31mred \u202e", "crates/alpha/src/lib.rs")
    return s


def in_terminal(s: Scratch, *args: str, **env: str) -> str:
    """Return what the command shows in a terminal, both streams together."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "release", *args],
        cwd=s.path,
        env={**s.environment, "SOURCE_DATE_EPOCH": str(s.clock), "TERM": "xterm-256color", "COLUMNS": "120", **env},
        stdin=subprocess.DEVNULL,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    shown = b""
    while True:
        try:
            chunk = os.read(leader, 4096)
        except OSError:
            break
        if not chunk:
            break
        shown += chunk
    os.close(leader)
    process.wait()
    return shown.decode(errors="replace")


def test_help_lists_all_commands_each_with_a_line(scratch: Scratch) -> None:
    listed = scratch.run("--help").ok().out.partition("Commands:\n")[2].splitlines()
    assert tuple(line.split()[0] for line in listed if not line.startswith("   ")) == COMMANDS
    assert all(len(line.split()) > 2 for line in listed if not line.startswith("   "))


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(scratch: Scratch, command: str) -> None:
    out = scratch.run(command, "--help").ok().out
    assert out.startswith(f"Usage: release {command}")


def test_the_version_is_printed(scratch: Scratch) -> None:
    assert scratch.run("--version").ok().out.startswith("release ")


PLAIN = [
    ("status",),
    ("graph",),
    ("graph", "--format", "mermaid"),
    ("why", "web"),
    ("affected", "--base", "HEAD~1", "--explain"),
    ("bump", "--dry-run"),
    ("changelog", "alpha"),
    ("check",),
    ("bump", "nope"),
]


@pytest.mark.parametrize("args", PLAIN, ids=" ".join)
def test_piped_output_is_plain(scratch: Scratch, args: tuple[str, ...]) -> None:
    result = scratch.run(*args)
    assert result.out or result.err
    for text in (result.out, result.err):
        assert ESCAPE not in text
        assert "\r" not in text


def test_texts_of_commits_are_shown_as_they_are_without_control_characters(scratch: Scratch) -> None:
    for args in (("status",), ("why", "alpha"), ("bump", "--dry-run")):
        out = scratch.run(*args).ok().out
        assert "[bold]more[/nonsense] of [/tmp]" in out
        assert ESCAPE not in out
        assert "\u202e" not in out


@pytest.mark.parametrize("args", [("status",), ("why", "web"), ("bump", "nope")], ids=" ".join)
def test_a_terminal_gets_colour_unless_it_is_not_wanted(scratch: Scratch, args: tuple[str, ...]) -> None:
    assert f"{ESCAPE}[" in in_terminal(scratch, *args)
    shown = in_terminal(scratch, *args, NO_COLOR="1")
    for colour in range(30, 38):
        assert f"{ESCAPE}[{colour}m" not in shown
        assert f";{colour}m" not in shown


def test_a_progress_bar_is_shown_in_terminals_only(scratch: Scratch) -> None:
    shown = in_terminal(scratch, "status")
    assert "reading" in shown or "starting" in shown or "weighing" in shown
    assert scratch.run("status").ok().err == ""


JSON = [
    ("status",),
    ("graph",),
    ("affected", "--base", "HEAD~1"),
    ("why", "web"),
    ("bump", "--dry-run"),
    ("changelog", "alpha"),
    ("check",),
    ("verify", "alpha-v1.0.0"),
    ("tag", "--restore", "--dry-run"),
    ("config", "show"),
]


@pytest.mark.parametrize("args", JSON, ids=" ".join)
def test_json_is_json(scratch: Scratch, args: tuple[str, ...]) -> None:
    result = scratch.run(*args, "--json")
    assert result.code in (0, 1), result.err
    data = json.loads(result.out)
    assert isinstance(data, dict)
    assert "error" not in data


def test_the_schema_of_the_configuration_is_json(scratch: Scratch) -> None:
    assert "$ref" in scratch.run("config", "schema").ok().json


@pytest.mark.parametrize("args", [*JSON, ("init",)], ids=" ".join)
def test_json_is_json_for_errors_too(scratch: Scratch, tmp_path: Path, args: tuple[str, ...]) -> None:
    result = scratch.run(*args, "--json", cwd=tmp_path, env={"GIT_CEILING_DIRECTORIES": str(tmp_path.parent)})
    assert result.code == 7
    error = json.loads(result.out)["error"]
    assert error["kind"] == "git-state"
    assert "not in a git repository" in error["what"]
    assert error["fix"]
    assert result.err.startswith("error: ")


@pytest.mark.parametrize(
    ("args", "code", "kind"),
    [
        (("bump", "--nope"), 2, "usage"),
        (("bump", "--pre", "1x"), 2, "usage"),
        (("nope",), 2, "usage"),
        (("why", "nope"), 5, "workspace"),
        (("bump", "--plan", "nope"), 3, "plan-refused"),
        (("bump", "--dry-run", "--plan-out", "no/where"), 11, "storage"),
    ],
)
def test_errors_of_every_sort_are_json_where_json_is_asked_for(
    scratch: Scratch, args: tuple[str, ...], code: int, kind: str
) -> None:
    result = scratch.run(*args, "--json")
    assert result.code == code
    assert json.loads(result.out)["error"]["kind"] == kind


def test_json_of_a_release_says_what_was_made(scratch: Scratch, tmp_path: Path) -> None:
    clone = scratch.clone(tmp_path / "clone")
    data = clone.run("bump", "--json").ok().json
    assert data["commit"] == clone.git("rev-parse", "HEAD")
    assert data["pushed"] is False
    assert [one["tag"] for one in data["components"]] == ["alpha-v1.1.0", "web-v1.0.1"]
    again = clone.run("bump", "--json").ok().json
    assert again["components"] == []
    assert again["commit"] is None


def test_a_closed_pipe_is_no_error(scratch: Scratch) -> None:
    with scratch.start("status", "--json") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_printed(scratch: Scratch, shell: str) -> None:
    assert f"_RELEASE_COMPLETE={shell}_complete" in scratch.run("completion", shell).ok().out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("release ", set(COMMANDS)),
        ("release st", {"stack", "status"}),
        ("release bump al", {"alpha"}),
        ("release why ", {"alpha", "web"}),
        ("release bump --pl", {"--plan", "--plan-out"}),
        ("release -C crates bump w", {"web"}),
    ],
)
def test_shells_complete_commands_options_and_components(scratch: Scratch, words: str, expected: set[str]) -> None:
    parts = words.split(" ")
    env = {"_RELEASE_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(parts) - 1)}
    result = scratch.run(env=env)
    assert {line.split(",")[1] for line in result.out.splitlines()} == expected


def test_completion_is_silent_where_nothing_can_be_completed(scratch: Scratch, tmp_path: Path) -> None:
    env = {"_RELEASE_COMPLETE": "bash_complete", "COMP_WORDS": "release bump ", "COMP_CWORD": "2"}
    result = scratch.run(cwd=tmp_path, env={**env, "GIT_CEILING_DIRECTORIES": str(tmp_path.parent)})
    assert result.out.strip() == ""
    assert result.err == ""
