"""``release tag``: tags that are missing."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from release.cli.console import counted, json_option, open_repository, print_json, progress
from release.cli.github import write_outputs

if TYPE_CHECKING:
    from release.flow.restore import Newest

__all__ = ["command"]


@click.command("tag", short_help="Make missing tags again from the trailers of release commits.")
@click.option("--restore", "restoring", is_flag=True, help="Make the missing tags again.")
@click.option("--push", is_flag=True, help="Push the tags that the remote lacks.")
@click.option("--github", is_flag=True, help="Write the newest release's tags to $GITHUB_OUTPUT, as JSON.")
@click.option("--dry-run", is_flag=True, help="List them and change nothing.")
@click.option("--wait", type=float, default=0, metavar="SECONDS", help="Wait for a release to end.")
@json_option
@click.pass_context
def command(
    ctx: click.Context, restoring: bool, push: bool, github: bool, dry_run: bool, wait: float, as_json: bool
) -> None:
    """Make the tags again that the history of HEAD tells of and that are missing: in a fork, a mirror, a CI checkout.

    They carry the message and the time that they had. After a release pull request was merged this makes its tags.
    """
    from release.flow.restore import lost_tags, newest, push_missing, restore, since
    from release.repository.lock import locked

    if not restoring:
        raise click.UsageError("say --restore; new tags are made by `release bump`")
    if dry_run and (push or github):
        raise click.UsageError("--dry-run changes nothing; it can't be combined with --push or --github")
    if github and not os.environ.get("GITHUB_OUTPUT"):
        raise click.UsageError("--github is for a step of GitHub Actions: GITHUB_OUTPUT is not set")
    repository = open_repository(ctx)
    pushed: tuple[str, ...] = ()
    if dry_run:
        lost = lost_tags(repository)
    else:
        with locked(repository, " ".join(["release", *sys.argv[1:]]), wait=wait), progress() as report:
            lost = restore(repository, progress=report)
            if push:
                pushed = push_missing(repository, progress=report)
    if github:
        last, just = newest(repository), since(repository, _base())
        further = [one for one in last if one not in just and (_is_again() or one.tag in pushed)]
        write_outputs(os.environ, _outputs(last, (*just, *further)))
    if as_json:
        rows = [
            {"tag": one.tag, "component": one.component, "version": one.version, "commit": one.commit} for one in lost
        ]
        release = _data(newest(repository))
        print_json({"tags": rows, "made": not dry_run, "pushed": list(pushed), "newest": release})
        return
    for one in lost:
        click.echo(f"{one.tag} at {one.commit[:12]}")
    if not lost:
        click.echo("No tag is missing: each release in the history of HEAD has its tag.")
    elif dry_run:
        click.echo(f"{counted(len(lost), 'tag')} {'is' if len(lost) == 1 else 'are'} missing")
    else:
        click.echo(
            f"{counted(len(lost), 'tag')} made again{'' if push else '; push them: release tag --restore --push'}"
        )
    if push:
        click.echo(f"pushed {', '.join(pushed)}" if pushed else "The remote lacks none of them.")


def _base() -> str | None:
    """Return the commit that a push started from, where that is known."""
    from release.cli.github import event

    return event(os.environ).base if os.environ.get("GITHUB_EVENT_NAME") == "push" else None


def _is_again() -> bool:
    """Tell whether the run was started by hand or once more."""
    return os.environ.get("GITHUB_EVENT_NAME", "push") != "push" or os.environ.get("GITHUB_RUN_ATTEMPT", "1") != "1"


def _data(tags: tuple[Newest, ...]) -> list[dict[str, Any]]:
    found = []
    for one in tags:
        row = {"tag": one.tag, "component": one.component, "kind": one.kind, "version": one.version}
        row |= {"commit": one.commit, "path": one.path}
        found.append(row if one.repository is None else {**row, "repository": one.repository})
    return found


def _outputs(tags: tuple[Newest, ...], published: tuple[Newest, ...]) -> dict[str, str]:
    """Return the outputs ``tags`` (all of the newest release) and, for each kind, its tags that are to be published.

    These are the tags of every release in the push, whichever run made them, and those of the newest one that this run
    made: an ordinary push publishes nothing. A run that was started by hand or again has all of the newest release,
    since an earlier one may have failed after pushing.
    """
    import json

    from release.workspace.kinds import KINDS

    outputs = {"tags": _data(tags)}
    for kind in KINDS:
        outputs[kind] = [one for one in _data(published) if one["kind"] == kind]
    return {name: json.dumps(rows, separators=(",", ":")) for name, rows in outputs.items()}
