"""``release stack``: a whole site on this machine, for developers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from release.cli.console import cell, console, json_option, open_repository, print_json, printable, progress

if TYPE_CHECKING:
    from release.flow.image import Overrides
    from release.flow.progress import Progress
    from release.flow.stack import Summary
    from release.stack.running import Report
    from release.stack.site import Choices

__all__ = ["command"]

_name = click.option(
    "--name", envvar="RELEASE_STACK_NAME", metavar="NAME", help="Another name than stack.name (RELEASE_STACK_NAME)."
)


@click.group("stack", short_help="Run a whole Moodle site on this machine.")
def command() -> None:
    """Run a whole Moodle site on this machine, with this repository's plugins live in it."""


@command.command("generate", short_help="Write compose.yaml.")
@click.option("--check", is_flag=True, help="Write nothing; show what differs and end with 1 if anything does.")
@click.pass_context
def generate(ctx: click.Context, check: bool) -> int:
    """Write compose.yaml from release.yaml and the components."""
    from release.flow import stack

    found = stack.survey_stack(open_repository(ctx))
    differs = stack.drift(found)
    if not check:
        stack.generate(found)
        click.echo(f"wrote {stack.FILE}" if differs else f"{stack.FILE}: as generated")
        return 0
    click.echo(f"{differs}\nrun `release stack generate`, and commit what it writes" if differs else "as generated")
    return 1 if differs else 0


@command.command("up", short_help="Start the site, and say how it is reached.")
@click.option("--database", type=click.Choice(["pgsql", "mariadb"]), help="This database instead of stack.database.")
@click.option("--xdebug", is_flag=True, help="Let PHP connect to a debugger on this machine, port 9003.")
@click.option("--seed/--no-seed", default=None, help="Make a course, users and a quiz, or don't (stack.seed).")
@click.option(
    "--images",
    "images_file",
    envvar="RELEASE_STACK_IMAGES",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with other images than the usual ones (RELEASE_STACK_IMAGES).",
)
@click.option("--driver", type=click.Choice(["compose", "sdk"]), help="Start it by Compose or by the engine itself.")
@_name
@json_option
@click.pass_context
def up(
    ctx: click.Context,
    database: str | None,
    xdebug: bool,
    seed: bool | None,
    images_file: Path | None,
    driver: str | None,
    name: str | None,
    as_json: bool,
) -> None:
    """Start the site with all that it needs, or bring what runs of it up to date; data stays as it is.

    The first time Moodle is installed. Plugins with a new version are upgraded. A second run changes only what differs.
    """
    from release.flow import stack
    from release.stack.site import Choices
    from release.workspace.stack import StackDatabase

    repository = open_repository(ctx)
    found = stack.survey_stack(repository)
    choices = Choices(
        name=name,
        database=StackDatabase(database) if database else None,
        images=stack.images_of(images_file.read_bytes(), str(images_file)) if images_file else {},
        xdebug=xdebug,
        seed=seed,
    )
    with _shown() as (report, bar):
        build = stack.built(repository, found.config.stack.moodle, _overrides(os.environ), os.environ)
        done = stack.up(found, choices, driver=driver, build=build, report=report, progress=bar)
    if as_json:
        print_json(_data(done))
    else:
        _show(done)


@command.command("status", short_help="Show the services, their health and addresses.")
@_name
@json_option
@click.pass_context
def status(ctx: click.Context, name: str | None, as_json: bool) -> int:
    """Show each service, how it is and where it is reached; end with 1 unless all are well."""
    from rich import box
    from rich.table import Table

    from release.flow import stack

    found = stack.survey_stack(open_repository(ctx))
    rows = stack.status(found, _named(name))
    if as_json:
        from msgspec import to_builtins

        print_json({"services": to_builtins(rows)})
    else:
        table = Table(box=box.SIMPLE_HEAD)
        for heading in ("service", "state", "address", "image"):
            table.add_column(heading)
        for row in rows:
            table.add_row(*map(cell, (row.service, row.state, ", ".join(row.addresses), row.image)))
        console().print(table)
    return 0 if rows and all(row.well for row in rows) else 1


@command.command("down", short_help="Stop the site; its data stays.")
@_name
@click.pass_context
def down(ctx: click.Context, name: str | None) -> None:
    """Stop and remove the containers. Database, files and caught mail stay for the next `release stack up`."""
    from release.flow import stack

    found = stack.survey_stack(open_repository(ctx))
    with stack.held(found, "release stack down"), _shown() as (report, _):
        stack.running(found, _named(name)).remove(report)


@command.command("reset", short_help="Stop the site and delete its data.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@_name
@click.pass_context
def reset(ctx: click.Context, yes: bool, name: str | None) -> None:
    """Remove the containers and delete database, files and caught mail, of both databases. It asks first."""
    from release.flow import stack

    found = stack.survey_stack(open_repository(ctx))
    running = stack.running(found, _named(name))
    volumes = [volume.name for volume in running.volumes()]
    if volumes and not yes:
        click.echo(f"This deletes: {', '.join(sorted(volumes))}")
        click.confirm("Delete all data of the stack?", abort=True)
    with stack.held(found, "release stack reset"), _shown() as (report, _):
        running.refuse_foreign()
        running.remove(report)
        running.remove_volumes(report)


@command.command("logs", short_help="Show what a service says.")
@click.argument("service", default="web")
@click.option("-f", "--follow", is_flag=True, help="Go on until interrupted.")
@click.option("--tail", default=100, show_default=True, help="So many lines at first.")
@_name
@click.pass_context
def logs(ctx: click.Context, service: str, follow: bool, tail: int, name: str | None) -> None:
    """Show what SERVICE (default: web) says."""
    from release.flow import stack

    running = stack.running(stack.survey_stack(open_repository(ctx)), _named(name))
    for part in running.logs(service, follow=follow, tail=tail):
        sys.stdout.buffer.write(part)
        sys.stdout.buffer.flush()


@command.command("shell", short_help="Run a shell or a command in a service's container.")
@click.argument("service", default="web")
@click.argument("words", nargs=-1, metavar="[-- COMMAND...]")
@_name
@click.pass_context
def shell(ctx: click.Context, service: str, words: tuple[str, ...], name: str | None) -> int:
    """Run a shell, or COMMAND, in the container of SERVICE (default: web)."""
    from release.flow import stack

    running = stack.running(stack.survey_stack(open_repository(ctx)), _named(name))
    container = running.one(service)
    if words and not sys.stdin.isatty():
        code, said = running.run(service, words)
        click.echo(said, nl=False)
        return code
    given = words or ("sh", "-c", "exec $(command -v bash || command -v sh)")
    terminal = ["--tty"] if sys.stdin.isatty() else []
    command = ["docker", "exec", "--interactive", *terminal, str(container.id), *given]
    try:
        return subprocess.run(command, check=False).returncode
    except FileNotFoundError:
        from release.errors import StackFailed

        raise StackFailed(
            "a shell needs Docker's command line, and there is no program `docker` here",
            fix="install Docker's command line (docker-cli, or Docker Desktop)",
        ) from None


@command.command("seed", short_help="Make the course, users and quiz again where they are missing.")
@_name
@click.pass_context
def seed(ctx: click.Context, name: str | None) -> None:
    """Make a course, users and a quiz, as far as they are not there."""
    from release.flow import stack

    found = stack.survey_stack(open_repository(ctx))
    with _shown() as (report, _):
        said = stack.seed(found, _named(name), report)
    click.echo(said)


def _overrides(environment: Mapping[str, str]) -> Overrides:
    """Return what the variables of `release image build` say; libraries that can't be built here are left out."""
    from release.flow.image import Overrides

    return Overrides(
        environment.get("RELEASE_IMAGE_BASE"),
        environment.get("RELEASE_IMAGE_SNAPSHOT"),
        Path(moodle).resolve() if (moodle := environment.get("MOODLE_DIR")) else None,
        partial=True,
    )


def _named(name: str | None) -> Choices:
    from release.stack.site import Choices

    return Choices(name=name)


@contextmanager
def _shown() -> Iterator[tuple[Report, Progress]]:
    """Yield what prints a line on standard error whenever a service does something else, and what shows progress."""
    said: dict[str, str] = {}
    with progress() as bar:

        def report(service: str, word: str, line: str) -> None:
            if line:
                bar(f"{service}: {printable(line)}", 0, 0)
            if said.get(service) != word and word not in ("absent", "created"):
                said[service] = word
                click.echo(f"{service:<10} {printable(word)}", err=True)

        yield report, bar


def _show(done: Summary) -> None:
    from rich import box
    from rich.table import Table

    for moved in done.moved:
        if moved.taken:
            click.echo(f"port {moved.wanted} is taken: {moved.service} is on port {moved.given}")
        else:
            click.echo(
                f"port {moved.wanted} is free again: {moved.service} stays on port {moved.given} until it is stopped"
            )
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("what", "address", "user", "password"):
        table.add_column(heading)
    for one in done.reached:
        table.add_row(*map(cell, (one.what, one.address, one.user, one.password)))
    console().print(table)


def _data(done: Summary) -> dict[str, Any]:
    from msgspec import to_builtins

    return {
        "name": done.stack.name,
        "driver": done.driver,
        "moved": to_builtins(done.moved),
        "reached": to_builtins(done.reached),
    }
