"""``release publish``: bring tagged releases to where they are to be."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from release.cli.console import cell, console, json_option, open_repository, print_json, printable, progress
from release.cli.github import write_summary
from release.errors import ReleaseError

if TYPE_CHECKING:
    from release.flow.publish import Row

__all__ = ["command"]

_DIGEST = re.compile(r"([^\s=]+)=(sha256:[0-9a-f]{64})")
_DIGESTS = "RELEASE_DIGESTS"


@click.command("publish", short_help="Publish tagged releases; what is there already is left alone.")
@click.argument("tags", nargs=-1, metavar="[TAG]...")
@click.option("--dry-run", is_flag=True, help="Only look what the destinations have.")
@click.option("--to", multiple=True, metavar="NAME", help="Only to this destination of release.yaml; repeatable.")
@click.option(
    "--digest",
    "digests",
    multiple=True,
    metavar="NAME=sha256:…",
    help="The digest by which the image NAME was pushed; repeatable.",
)
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    tags: tuple[str, ...],
    dry_run: bool,
    to: tuple[str, ...],
    digests: tuple[str, ...],
    as_json: bool,
) -> None:
    """Publish the releases of TAGs (those at HEAD, or of the newest release commit) as release.yaml says.

    Each step asks the destination first: what is missing is sent, the same bytes are left alone, other bytes stop the
    run. A run that was interrupted is simply run again.
    """
    from release.flow.publish import publish_releases

    repository = open_repository(ctx)
    known = _digests((*os.environ.get(_DIGESTS, "").split(), *digests))
    rows: list[Row] = []
    try:
        with progress() as shown:
            count = publish_releases(
                repository,
                tags,
                environment=os.environ,
                to=to,
                digests=known,
                dry_run=dry_run,
                report=rows.append,
                progress=shown,
            )
    except ReleaseError as error:
        _summarise(rows, error, dry_run)
        if not as_json:
            _show(rows)
        raise
    _summarise(rows, None, dry_run)
    if as_json:
        from msgspec import to_builtins

        print_json({"dry-run": dry_run, "releases": count, "steps": to_builtins(rows)})
        return
    _show(rows)
    if not count:
        click.echo("Nothing to publish: no release tag at HEAD, and no release commit with tags before it.")


def _digests(words: Sequence[str]) -> dict[str, str]:
    known = {}
    for word in words:
        found = _DIGEST.fullmatch(word)
        if found is None:
            raise click.UsageError(f"{word!r} is not NAME=sha256: and 64 digits (--digest, {_DIGESTS})")
        known[found[1]] = found[2]
    return known


def _show(rows: Sequence[Row]) -> None:
    if not rows:
        return
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("release", "to", "what", "state"):
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*map(cell, (row.tag, row.destination or "—", row.what, row.state)))
    console().print(table)


def _summarise(rows: Sequence[Row], error: ReleaseError | None, dry_run: bool) -> None:
    """Add the table to the job's summary where GitHub Actions asks for one."""
    if not (rows or error):
        return
    lines = [f"### {'What would be published' if dry_run else 'Published'}", ""]
    if rows:
        lines += ["| release | to | what | state |", "| --- | --- | --- | --- |"]
        lines += [f"| {' | '.join(map(_markdown, (row.tag, row.destination, row.what, row.state)))} |" for row in rows]
        lines.append("")
    if error is not None:
        lines += [f"**{_markdown(error.what)}**", "", _markdown(error.fix), ""]
    write_summary(os.environ, "\n".join(lines))


def _markdown(text: str) -> str:
    return re.sub(r"([\\|`*_<>\[\]])", r"\\\1", printable(text)) or "—"
