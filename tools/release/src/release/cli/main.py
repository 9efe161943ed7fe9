"""The ``release`` command."""

from __future__ import annotations

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
    "config",
    "completion",
)


class _Commands(click.Group):
    """Imports a command's module when the command is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"release.cli.commands.{name}").command
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-C",
    "directory",
    type=click.Path(exists=True, file_okay=False),
    default=".",
    help="Run as if started here.",
)
@click.version_option(package_name="moodle-release", prog_name="release", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context, directory: str) -> None:
    """Version every component of a monorepo on its own, from real git history."""
    ctx.obj = directory


def main() -> None:
    """Run the command line and exit with a documented code (``docs/release/exit-codes.md``)."""
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
        error.show()
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        from release.cli.console import print_error
        from release.errors import StorageError

        storage = StorageError(f"{error.filename or 'a file'}: {error.strerror}", fix="free space or mend permissions")
        print_error(storage)
        sys.exit(storage.exit_code)
    except Exception as error:
        if os.environ.get("RELEASE_TRACEBACK"):
            raise
        click.echo(f"internal error: {type(error).__name__}: {error}", err=True)
        click.echo("  fix report it, with what RELEASE_TRACEBACK=1 shows", err=True)
        sys.exit(70)
