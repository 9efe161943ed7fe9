"""``release ci oidc``: who a workflow's job is to a cloud."""

from __future__ import annotations

import click

__all__ = ["oidc"]


@click.command("oidc")
def oidc() -> None:
    """Stub."""
