"""``release ci oidc``: the trust conditions that clouds need for the jobs of the workflows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from release.cli.console import cell, console, counted, json_option, open_repository, print_json, printable

if TYPE_CHECKING:
    from release.checks.rule import Finding
    from release.ci.oidc import Trust

__all__ = ["oidc"]

_folder = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command("oidc", short_help="Show or check the trust conditions of the jobs' cloud identities.")
@click.option("--write", "target", type=_folder, metavar="DIR", help="Write them into DIR/github_oidc.tf.json.")
@click.option(
    "--check", "checked", type=_folder, metavar="DIR", help="Compare the Terraform files below DIR with them."
)
@json_option
@click.pass_context
def oidc(ctx: click.Context, target: Path | None, checked: Path | None, as_json: bool) -> int:
    """Derive who jobs are to AWS, Google Cloud and Azure from release.yaml: which tokens each identity must trust.

    With --check exits with 1 when Terraform trusts more or less than that.
    """
    from release.ci.oidc import plain
    from release.flow import oidc as flow

    trusts, content = flow.derive(open_repository(ctx))
    notes = list(flow.without_numbers(trusts, content))
    if target is not None:
        path = flow.write(target, trusts)
        click.echo(f"{path} is written", err=True)
    findings = [*notes, *flow.check(checked, trusts)] if checked is not None else notes
    if as_json:
        print_json({**plain(trusts), "findings": [_data(one) for one in findings]})
    elif checked is None:
        _table(trusts)
        _show(findings, err=True)
    else:
        _show(findings)
        for line in flow.drift(checked, trusts):
            click.echo(printable(line))
        errors = sum(one.severity == "error" for one in findings)
        click.echo(f"identities: {len(trusts)}; {counted(errors, 'error')}")
    return 1 if any(one.severity == "error" for one in findings) else 0


def _data(one: Finding) -> dict[str, object]:
    place = {"path": one.place.path, "line": one.place.line, "column": one.place.column}
    return {"rule": one.rule, "severity": one.severity, **place, "what": one.what, "fix": one.fix}


def _table(trusts: tuple[Trust, ...]) -> None:
    from rich import box
    from rich.table import Table

    if not trusts:
        click.echo("no job asks for a cloud identity")
        return
    table = Table("cloud", "identity", "asked for by", "must trust", box=box.SIMPLE_HEAD, pad_edge=False)
    for trust in trusts:
        asks = sorted({f"{ask.purpose} {ask.environment}" for ask in trust.asks})
        table.add_row(
            trust.cloud,
            cell(trust.identity),
            cell(", ".join(asks)),
            cell(f"aud {trust.audience}"),
        )
        for subject in trust.subjects:
            table.add_row("", "", "", cell(f"sub {subject}"))
        if trust.repository_id and trust.cloud != "azure":
            table.add_row("", "", "", cell(f"repository_id {trust.repository_id}"))
    console().print(table)


def _show(findings: list[Finding], *, err: bool = False) -> None:
    for one in findings:
        click.echo(printable(f"{one.place}: {one.severity} {one.rule}: {one.what}"), err=err)
        click.echo(printable(f"  fix {one.fix}"), err=err)
