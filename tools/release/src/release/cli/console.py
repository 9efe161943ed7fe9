"""What all commands share: where they run, what time it is, tables, progress and errors."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from release.errors import GitStateError, ReleaseError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID
    from rich.text import Text

    from release.repository.git import Repository

__all__ = [
    "cell",
    "component_names",
    "console",
    "counted",
    "json_option",
    "now",
    "open_repository",
    "print_error",
    "print_json",
    "printable",
    "progress",
    "staged_progress",
    "wants_json",
]

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
_WIDE = 240
_JOINERS = "\u200c\u200d"


def open_repository(ctx: click.Context) -> Repository:
    """Return the repository that the command runs in."""
    from release.repository.git import Repository

    return Repository.open(Path(ctx.find_root().params["directory"]))


def now() -> int:
    """Return the time (seconds since the epoch): ``SOURCE_DATE_EPOCH`` if set, else the clock's.

    Raises:
        GitStateError: the variable is no number.
    """
    text = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not text:
        return int(time.time())
    if not text.isdigit():
        raise GitStateError(f"SOURCE_DATE_EPOCH is {text!r}, not a number of seconds", fix="unset it or correct it")
    return int(text)


def console() -> Console:
    """Return the console for standard output; piped, it is plain and does not wrap."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False, soft_wrap=not sys.stdout.isatty())


def print_json(data: Any) -> None:
    """Print ``data`` as JSON."""
    import msgspec

    try:
        text = msgspec.json.format(msgspec.json.encode(data), indent=2).decode()
    except UnicodeEncodeError:
        import json

        text = json.dumps(data, indent=2)
    click.echo(text)


def printable(text: str) -> str:
    """Return ``text`` without what a terminal would act on: control and direction characters, undecodable bytes."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() or letter in _JOINERS else "\ufffd" for letter in text)


def counted(number: int, noun: str) -> str:
    """Return ``number`` with ``noun`` in its singular or plural."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def cell(text: str) -> Text:
    """Return ``text`` for a table or tree, shown as it is: what looks like markup is none."""
    from rich.text import Text

    return Text(printable(text))


def print_error(error: ReleaseError) -> None:
    """Print what is wrong, where, and what to do; as JSON where the command prints JSON."""
    if wants_json():
        where = [{"path": place.path, "line": place.line, "column": place.column} for place in error.where]
        print_json({"error": {"kind": error.slug, "what": error.what, "where": where, "fix": error.fix}})
    colour = False if os.environ.get("NO_COLOR") else None
    click.secho("error: ", fg="red", bold=True, err=True, nl=False, color=colour)
    click.echo(printable(error.what), err=True)
    for place in error.where:
        click.echo(f"  at  {printable(str(place))}", err=True)
    if error.fix:
        click.echo(f"  fix {printable(error.fix)}", err=True)


def wants_json() -> bool:
    """Tell whether the command line asks for JSON, also where it could not be understood."""
    return "--json" in sys.argv[1:]


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """Yield a function that shows progress on standard error; it does nothing where that is no terminal."""
    if not sys.stderr.isatty():
        from release.flow.progress import silent

        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("starting", total=None)

        def show(stage: str, done: int, total: int) -> None:
            bars.update(task, description=stage, completed=done, total=total or None)

        yield show


@contextmanager
def staged_progress() -> Iterator[Callable[[str, int, int], None]]:
    """Yield a function that shows a bar for each stage on standard error: ``<stage>: <what it does now>``.

    Where that is no terminal, each stage is a line when it begins.
    """
    if not sys.stderr.isatty():
        seen: set[str] = set()

        def tell(stage: str, done: int, total: int) -> None:  # noqa: ARG001
            name = stage.partition(": ")[0]
            if name not in seen:
                seen.add(name)
                click.echo(printable(f"{name} …"), err=True)

        yield tell
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.text import Text

    columns = (SpinnerColumn(), TextColumn("{task.fields[stage]}"), BarColumn(), TimeElapsedColumn())
    told = TextColumn("{task.description}", markup=False)
    with Progress(*columns, told, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def show(stage: str, done: int, total: int) -> None:
            name, _, what = stage.partition(": ")
            if name not in tasks:
                for task in tasks.values():
                    bars.update(task, total=1, completed=1, description="")
                    bars.stop_task(task)
                tasks[name] = bars.add_task("", total=None, stage=Text(printable(name)).plain)
            bars.update(tasks[name], description=printable(what)[:60], completed=done, total=total or None)

        yield show


def component_names(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """Return the component names that start with ``incomplete``, for shell completion."""
    from release.repository.tree import CommitTree
    from release.workspace.config import CONFIG, load
    from release.workspace.discover import discover

    try:
        repository = open_repository(ctx)
        tree = CommitTree(repository, repository.head())
        workspace = discover(tree, load(tree.read_many([CONFIG]).get(CONFIG)))
    except ReleaseError:
        return []
    return [name for name in workspace.components if name.startswith(incomplete)]
