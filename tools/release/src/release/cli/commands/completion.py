"""``release completion``: completion for shells."""

from __future__ import annotations

import click

__all__ = ["command"]


@click.command("completion", short_help="Print the completion script for a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    r"""Print the script that makes SHELL complete commands, options and component names.

    \b
    bash: eval "$(release completion bash)" in ~/.bashrc
    zsh:  eval "$(release completion zsh)" in ~/.zshrc
    fish: release completion fish > ~/.config/fish/completions/release.fish
    """
    from click.shell_completion import get_completion_class

    from release.cli.main import cli

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(cli, {}, "release", "_RELEASE_COMPLETE").source())
