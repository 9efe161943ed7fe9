"""``release changelog``: a component's changelog from the history."""

from __future__ import annotations

import click

from release.cli.console import component_names, json_option, now, open_repository, print_json, progress

__all__ = ["command"]


@click.command("changelog", short_help="Print a component's changelog between two points, from the history.")
@click.argument("component", shell_complete=component_names)
@click.option("--from", "start", metavar="VERSION|TAG|REF", help="After this; usually the last release.")
@click.option("--to", "end", metavar="VERSION|TAG|REF", help="Up to this; usually HEAD.")
@json_option
@click.pass_context
def command(ctx: click.Context, component: str, start: str | None, end: str | None, as_json: bool) -> None:
    """Print the sections of COMPONENT's changelog, newest first, as the history has them.

    What people wrote into the changelog by hand is not among them.
    """
    from release.flow.changelog import changelog
    from release.flow.release import utc_day

    repository = open_repository(ctx)
    with progress() as report:
        sections = changelog(repository, component, start=start, end=end, today=utc_day(now()), progress=report)
    if as_json:
        print_json(
            {
                "component": component,
                "sections": [
                    {
                        "version": one.version,
                        "date": one.date,
                        "commit": one.commit,
                        "entries": [{"section": entry.section.value, "text": entry.text} for entry in one.entries],
                    }
                    for one in sections
                ],
            }
        )
        return
    for number, one in enumerate(sections):
        click.echo(("\n" if number else "") + one.text, nl=False)
    if not sections:
        click.echo(f"Nothing about {component} between these points.", err=True)
