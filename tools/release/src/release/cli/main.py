"""The ``release`` command."""

from __future__ import annotations

import gc
import importlib
import os
import sys

import click

from release.errors import ReleaseError

__all__ = ["cli", "main"]

_COMMANDS = (
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


class _Commands(click.Group):
    """Imports a command's module when the command is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        if name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"release.cli.commands.{name}").command
        return command


def _print_version(ctx: click.Context, parameter: click.Parameter, asked: bool) -> None:  # noqa: ARG001
    if not asked or ctx.resilient_parsing:
        return
    from importlib import metadata

    try:
        version = metadata.version("moodle-release")
    except metadata.PackageNotFoundError:
        version = "(run from its source, not installed)"
    click.echo(f"release {version}")
    ctx.exit()


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-C",
    "directory",
    type=click.Path(exists=True, file_okay=False),
    default=".",
    help="Run as if started here.",
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Show the version and exit.",
)
def cli(directory: str) -> None:
    """Version every component of a monorepo on its own, from real git history."""


def main() -> None:
    """Run the command line and exit with a documented code (``docs/release/exit-codes.md``)."""
    gc.disable()  # a run is short and makes hardly any cycles
    try:
        code = cli.main(prog_name="release", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except ReleaseError as error:
        from release.cli.console import print_error

        print_error(error)
        sys.exit(error.exit_code)
    except click.exceptions.Abort:
        click.echo("interrupted; nothing was left half-done", err=True)
        sys.exit(130)
    except click.ClickException as error:
        from release.cli.console import print_json, wants_json

        if wants_json():
            what = error.format_message()
            print_json({"error": {"kind": "usage", "what": what, "where": [], "fix": "see release --help"}})
        error.show()
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        if (known := _known(error)) is not None:
            from release.cli.console import print_error

            print_error(known)
            sys.exit(known.exit_code)
        if os.environ.get("RELEASE_TRACEBACK"):
            raise
        from release.cli.console import print_json, wants_json

        what = f"{type(error).__name__}: {error}"
        fix = "report it, with what RELEASE_TRACEBACK=1 shows"
        if wants_json():
            print_json({"error": {"kind": "internal", "what": what, "where": [], "fix": fix}})
        click.echo(f"internal error: {what}", err=True)
        click.echo(f"  fix {fix}", err=True)
        sys.exit(70)


def _known(error: Exception) -> ReleaseError | None:
    """Return what an error that nothing caught says to a user; ``None`` for one that nobody expected."""
    from release.errors import StorageError
    from release.images.engine import refusal

    if (of_engine := refusal(error)) is not None:
        return of_engine
    if isinstance(error, OSError):
        where, why = error.filename or "a file", error.strerror or error
        return StorageError(f"{where}: {why}", fix="free space or mend permissions")
    return None
