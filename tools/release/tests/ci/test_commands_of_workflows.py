"""Every command that a generated workflow runs is one that the command line takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from everything import everything
from release.ci.compose import compose
from release.cli.main import cli
from release.flow.ci import survey_site
from release.repository.git import Repository


def _parsed(words: list[str]) -> None:
    """Parse ``words`` as the command line would, without running them; raise what it would complain of."""
    command: click.Command = cli
    context = click.Context(cli, info_name="release")
    while isinstance(command, click.Group):
        found = command.get_command(context, words[0])
        assert found is not None, words
        command, words = found, words[1:]
        context = click.Context(command, parent=context, info_name=command.name)
    command.parse_args(context, words)


def test_each_is_parsed(tmp_path: Path) -> None:
    site = survey_site(Repository.open(everything(tmp_path / "campus").path))
    lines = {
        line
        for workflow in compose(site)
        for job in workflow.jobs
        for step in job.steps
        for line in step.run.splitlines()
        if re.match(r"(exec )?release ", line)
    }
    assert {line.split()[1] for line in lines} >= {"affected", "ci", "bump", "tag", "publish", "tf"}
    values = {"$DIGEST": f"site=sha256:{'0' * 64}", "$SUMMARY": __file__}
    for line in sorted(lines):
        words = shlex.split(line.removeprefix("exec "))[1:]
        _parsed([values.get(word, word) for word in words])


@pytest.mark.parametrize("words", [["ci", "pins", "update", "--no-such"], ["tf", "plan"], ["bump", "--check"]])
def test_one_that_is_wrong_is_found(words: list[str]) -> None:
    with pytest.raises(click.UsageError):
        _parsed(words)
