"""``release image``: container images of this repository's components."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from release.cli.console import (
    cell,
    component_names,
    console,
    json_option,
    open_repository,
    print_json,
    printable,
    staged_progress,
)

if TYPE_CHECKING:
    from release.flow.image import Built, Overrides

__all__ = ["command"]

T = TypeVar("T")
_folder = click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path)


@click.group("image", short_help="Build, test, push and verify container images.")
def command() -> None:
    """Build, test, push and verify container images."""


def _inputs(function: Callable[..., T]) -> Callable[..., T]:
    """Add the options that say what an image is made from; ``function`` gets them as ``overrides``."""
    options = (
        click.option("--platform", "platforms", multiple=True, metavar="OS/ARCH", help="Default: this machine's."),
        click.option(
            "--moodle", type=_folder, envvar="MOODLE_DIR", metavar="DIR",
            help="Take Moodle's source from DIR (MOODLE_DIR), not from where release.yaml says.",
        ),
        click.option(
            "--base", envvar="RELEASE_IMAGE_BASE", metavar="IMAGE",
            help="Begin with IMAGE (RELEASE_IMAGE_BASE), not with the one that release.yaml names.",
        ),
        click.option(
            "--snapshot", envvar="RELEASE_IMAGE_SNAPSHOT", metavar="TIME|none",
            help="Debian's packages as of TIME, as 20261120T000000Z; none: of today (RELEASE_IMAGE_SNAPSHOT).",
        ),
        click.option("--partial", is_flag=True, help="Leave out libraries that aren't built."),
    )  # fmt: skip

    @wraps(function)
    def with_overrides(
        *arguments: Any,
        platforms: tuple[str, ...],
        moodle: Path | None,
        base: str | None,
        snapshot: str | None,
        partial: bool,
        **others: Any,
    ) -> T:
        from release.flow.image import Overrides

        return function(*arguments, overrides=Overrides(base, snapshot, moodle, platforms, partial), **others)

    decorated: Callable[..., T] = with_overrides
    for option in reversed(options):
        decorated = option(decorated)
    return decorated


_revision = click.option("--at", "revision", default="HEAD", metavar="TAG|COMMIT", help="The commit; usually HEAD.")


@command.command("list", short_help="Show the images and what is in them.")
@json_option
@click.pass_context
def list_(ctx: click.Context, as_json: bool) -> None:
    """Show the images of this repository: version, reference, what they contain, and whether they are built."""
    from release.flow.image import listed

    found = listed(open_repository(ctx), environment=os.environ)
    if as_json:
        print_json({"images": found})
        return
    if not found:
        click.echo("There is no image here: an image is a folder with an image.yaml.")
        return
    from rich import box
    from rich.table import Table

    table = Table("image", "version", "reference", "base", "contains", "built", box=box.SIMPLE_HEAD, pad_edge=False)
    for one in found:
        built = one["built"]
        table.add_row(
            cell(one["name"]), one["version"], cell(one["reference"]), cell(one["base"] or ""),
            cell(", ".join(one["contains"])), cell(built[:19] if built else "no"),
        )  # fmt: skip
    console().print(table)


@command.command("context", short_help="Write an image's build context into a folder.")
@click.argument("name", shell_complete=component_names)
@click.option("--output", "folder", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Empty or new.")
@_revision
@_inputs
@json_option
@click.pass_context
def context(ctx: click.Context, name: str, folder: Path, revision: str, as_json: bool, overrides: Overrides) -> None:
    """Write all that the Dockerfile of the image NAME can copy into DIR: the same inputs give the same bytes.

    It has the Dockerfile, rootfs/, Moodle with its plugins in moodle/, and the programs of crates in bin/OS/ARCH/.
    """
    from release.flow.image import assemble

    with staged_progress() as shown:
        inputs, notes = assemble(
            open_repository(ctx), name, folder, revision=revision, overrides=overrides,
            environment=os.environ, progress=shown,
        )  # fmt: skip
    _noted(notes)
    if as_json:
        from msgspec import to_builtins

        print_json({"folder": str(folder), "inputs": to_builtins(inputs), "notes": list(notes)})
        return
    click.echo(f"{inputs.context}  {folder}")


@command.command("build", short_help="Build images from a commit.")
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=component_names)
@_revision
@_inputs
@click.option(
    "--builder",
    envvar="BUILDX_BUILDER",
    metavar="NAME",
    help="The buildx builder (BUILDX_BUILDER); default: the current.",
)
@click.option("--no-cache", is_flag=True, help="Run every instruction again.")
@json_option
@click.pass_context
def build(
    ctx: click.Context,
    names: tuple[str, ...],
    revision: str,
    builder: str | None,
    no_cache: bool,
    as_json: bool,
    overrides: Overrides,
) -> None:
    """Build the images NAMES (default: all), and their bases, as they are in a commit.

    Each is in the engine afterwards, tagged with its version, and described by dist/images/NAME/image.lock.json. The
    same inputs give the same digest where BuildKit builds. Nothing is tagged before an image is whole.
    """
    from release.flow.image import build as run
    from release.images.engine import connected

    made: list[Built] = []

    def settled(one: Built) -> None:
        made.append(one)
        _noted(one.notes)
        if not as_json:
            digest = one.lock.results[0].manifest or one.lock.results[0].config
            click.echo(f"{digest}  {one.image.reference}")

    with staged_progress() as shown:
        run(
            open_repository(ctx), names, revision=revision, overrides=overrides, builder=builder,
            cache=not no_cache, connect=lambda: connected(timeout=600), environment=os.environ,
            report=settled, progress=shown,
        )  # fmt: skip
    if as_json:
        from msgspec import to_builtins

        print_json({"images": [{**to_builtins(one.lock), "notes": list(one.notes)} for one in made]})
    elif not made:
        click.echo("There is no image here: an image is a folder with an image.yaml.")


def _noted(notes: tuple[str, ...]) -> None:
    for note in notes:
        click.echo(printable(f"note: {note}"), err=True)
