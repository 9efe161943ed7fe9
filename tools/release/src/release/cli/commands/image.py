"""``release image``: container images of this repository's components."""

from __future__ import annotations

import importlib
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
    from release.images.cosign import Trust

__all__ = ["command"]

T = TypeVar("T")
_APART = ("bench", "plugins")
_LARGEST = 8
"""Folders that are shown of an image."""
_folder = click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path)


class _Image(click.Group):
    """Imports the module ``image_<name>`` when its command is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *_APART]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _APART:
            return super().get_command(ctx, name)
        found: click.Command = getattr(importlib.import_module(f"release.cli.commands.image_{name}"), name)
        return found


@click.group("image", cls=_Image, short_help="Build, test, push and verify container images.")
def command() -> None:
    """Build, test, push and verify container images."""


def _inputs(function: Callable[..., T]) -> Callable[..., T]:
    """Add the options that say what an image is made from; ``function`` gets them as ``overrides``."""
    options = (
        click.option(
            "--platform", "platforms", multiple=True, metavar="OS/ARCH[,...]",
            help="What machines it is for; repeatable; default: this one.",
        ),
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

        chosen = tuple(one for text in platforms for one in text.split(","))
        return function(*arguments, overrides=Overrides(base, snapshot, moodle, chosen, partial), **others)

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
        made = assemble(
            open_repository(ctx), name, folder, revision=revision, overrides=overrides,
            environment=os.environ, progress=shown,
        )  # fmt: skip
    _noted(made.notes)
    if as_json:
        from msgspec import to_builtins

        print_json({"folder": str(folder), **to_builtins(made)})
        return
    click.echo(f"{made.inputs.context}  {folder}")


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


@command.command("test", short_help="Try images that are built.")
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=component_names)
@click.option("--image", "reference", metavar="REF", help="Try REF as the one image NAME; pulled if need be.")
@json_option
@click.pass_context
def test(ctx: click.Context, names: tuple[str, ...], reference: str | None, as_json: bool) -> None:
    """Try the images NAMES (default: all) as they are in the engine.

    Each has to run as a user that is not root and has a number, start with a read-only root file system and without
    any capability, and have its labels, no secret and no file with setuid; then its own tests are run, the
    folder tests/ beside its Dockerfile, by pytest, which finds the image's name in IMAGE.
    """
    from release.flow.image_proof import tried as run
    from release.images.engine import connected

    if reference is not None and len(names) != 1:
        raise click.UsageError("--image is one image: name the one that it is tried as")
    with staged_progress() as shown:
        passed = run(
            open_repository(ctx), names, reference=reference, connect=lambda: connected(timeout=600),
            environment=os.environ, progress=shown,
        )  # fmt: skip
    if as_json:
        print_json({"passed": passed})
        return
    for reference in passed:
        click.echo(f"passed  {reference}")


@command.command("size", short_help="Show what images weigh.")
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=component_names)
@json_option
@click.pass_context
def size(ctx: click.Context, names: tuple[str, ...], as_json: bool) -> None:
    """Show what the images NAMES (default: all) weigh unpacked: Moodle's tree, the largest folders, and each layer."""
    from release.flow.image_proof import size as run
    from release.images.engine import connected

    with staged_progress() as shown:
        weights = run(
            open_repository(ctx), names, connect=lambda: connected(timeout=600), environment=os.environ, progress=shown
        )
    if as_json:
        print_json(
            {
                "images": [
                    {
                        "reference": one.reference,
                        "bytes": one.total,
                        "moodle": one.moodle,
                        "layers": [{"instruction": name, "bytes": size} for name, size in one.layers],
                        "folders": one.folders,
                    }
                    for one in weights
                ]
            }
        )
        return
    from rich import box
    from rich.table import Table

    for one in weights:
        table = Table(
            "MB", "what", box=box.SIMPLE_HEAD, pad_edge=False, title=cell(one.reference), title_justify="left"
        )
        table.columns[0].justify = "right"
        rows = [("all layers", one.total), ("Moodle's tree", one.moodle), ("without it", one.total - one.moodle)]
        rows += list(one.folders.items())[:_LARGEST]
        rows += [(f"layer: {name[:100]}", size) for name, size in one.layers]
        for name, size in rows:
            table.add_row(f"{size / 1e6:.1f}", cell(name))
        console().print(table)


_trust = (
    click.option("--identity", metavar="REGEX", help="Whose signature counts without a key: the workflow's address."),
    click.option("--issuer", metavar="URL", help="Who vouches for that identity; default: GitHub Actions."),
)


@command.command("push", short_help="Push images with their proofs.")
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=component_names)
@click.option("--to", metavar="HOST/PATH", help="Push there; {name} in it stands for the image's name.")
@click.option("--as-built", is_flag=True, help="Even in part, or from other inputs than those of HEAD.")
@click.option("--key", envvar="COSIGN_KEY", metavar="FILE|URI", help="Sign with this key (COSIGN_KEY).")
@click.option(
    "--public-key", metavar="FILE", help="Its public half, to verify with; default: FILE's with .pub, or URI."
)
@_trust[0]
@_trust[1]
@click.option("--no-tag", is_flag=True, help="Give it no tag: what has to be done before it has one comes after this.")
@click.option("--github", is_flag=True, help="Write the digest of the one image NAME to $GITHUB_OUTPUT.")
@json_option
@click.pass_context
def push(
    ctx: click.Context,
    names: tuple[str, ...],
    to: str | None,
    as_built: bool,
    key: str | None,
    public_key: str | None,
    identity: str | None,
    issuer: str | None,
    no_tag: bool,
    github: bool,
    as_json: bool,
) -> None:
    """Push the images NAMES (default: all), as they were built last, by digest.

    The bill of materials is made by syft from what is really inside, the provenance is BuildKit's, and both are signed
    by cosign, with a key or as the CI job. All of it is verified from the registry before the version becomes a tag.
    What was built in part, or from other inputs than HEAD and its release.yaml have, is refused.
    """
    from release.flow.image_proof import Pushed
    from release.flow.image_proof import push as run
    from release.images.cosign import public_half

    if github and not os.environ.get("GITHUB_OUTPUT"):
        raise click.UsageError("--github is for a step of GitHub Actions: GITHUB_OUTPUT is not set")
    if github and len(names) != 1:
        raise click.UsageError("--github writes the digest of one image: name it")
    trusted = public_key or (public_half(key) if key is not None else None)
    pushed: list[Pushed] = []

    def settled(one: Pushed) -> None:
        pushed.append(one)
        if not as_json:
            click.echo(f"{one.digest}  {one.reference}")

    with staged_progress() as shown:
        run(
            open_repository(ctx), names, to=to, as_built=as_built, key=key,
            trust=_trusted(ctx, trusted, identity, issuer), tagged=not no_tag, environment=os.environ,
            report=settled, progress=shown,
        )  # fmt: skip
    if github:
        from release.cli.github import write_outputs

        write_outputs(os.environ, {"digest": pushed[0].digest})
    if as_json:
        print_json({"images": [{"reference": one.reference, "digest": one.digest} for one in pushed]})


@command.command("verify", short_help="Verify an image in a registry.")
@click.argument("reference", metavar="REF")
@click.option("--key", metavar="FILE|URI", help="The public key whose signature counts.")
@_trust[0]
@_trust[1]
@json_option
@click.pass_context
def verify(
    ctx: click.Context, reference: str, key: str | None, identity: str | None, issuer: str | None, as_json: bool
) -> None:
    """Verify the image REF (with a tag or a digest) from its registry alone, and show what is in it.

    Its signature, its bill of materials and its provenance have to be there, signed by who is trusted, and be about
    the very bytes that the reference leads to.
    """
    from release.flow.image_proof import verified

    with staged_progress() as shown:
        digest, proven = verified(
            reference, trust=_trusted(ctx, key, identity, issuer), environment=os.environ, progress=shown
        )
    if as_json:
        from msgspec import to_builtins

        print_json({"reference": reference, "digest": digest, "images": [to_builtins(one) for one in proven]})
        return
    click.echo(f"verified  {reference}\n          {digest}")
    for one in proven:
        click.echo(f"{one.platform}  {one.digest}")
        click.echo(f"  built from {', '.join(one.materials) or 'nothing named'}")
        click.echo(f"  packages: {', '.join(f'{count} {kind}' for kind, count in one.packages.items())}")
        for name, value in sorted(one.labels.items()):
            click.echo(printable(f"  {name}: {value}"))


def _trusted(ctx: click.Context, key: str | None, identity: str | None, issuer: str | None) -> Trust:
    """Return whose signatures count; outside of a repository only what the options say."""
    from release.errors import GitStateError
    from release.flow.image_proof import trust_of
    from release.flow.package import opened

    if key is not None or identity is not None:
        return trust_of(None, key, identity, issuer)
    try:
        repository = open_repository(ctx)
        with opened(repository, os.environ) as at:
            return trust_of(at(repository.head()), key, identity, issuer)
    except GitStateError:
        return trust_of(None, key, identity, issuer)
