"""``release tf``: Terraform plans bound to what was reviewed."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from release.cli.console import json_option, open_repository, print_json, printable
from release.cli.github import write_outputs, write_summary

if TYPE_CHECKING:
    from release.repository.git import Repository
    from release.terraform.apply import Bound
    from release.terraform.bind import Planned, Target
    from release.terraform.program import Terraform
    from release.terraform.stores.store import Store

__all__ = ["command"]

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _environment(*, required: bool) -> Callable[[_Function], _Function]:
    return click.option(
        "--environment",
        required=required,
        metavar="ENV",
        help="The environment; ENV.tfvars and ENV.tfbackend are used.",
    )


_OBJECT = re.compile("[0-9a-f]{40}(?:[0-9a-f]{24})?")
_root = click.option("--root", metavar="ROOT", help="The root module's folder.")
_commit = click.option("--commit", metavar="SHA", help="The reviewed commit; default: HEAD.")
_store = click.option("--store", metavar="URL", help="Where plans are kept: s3://, gs://, azblob:// or file://.")
_no_lock = click.option("--no-lock", is_flag=True, help="Do not lock the state: for who may only read it.")
_terraform = click.option(
    "--terraform", envvar="TERRAFORM", default="terraform", metavar="PATH", help="The Terraform program."
)


@click.group("tf", short_help="Plan, review and apply Terraform: exactly the reviewed plan or none.")
def command() -> None:
    """Bind Terraform plans to what was reviewed, and apply exactly these."""


@command.command("plan", short_help="Plan a root and bind the plan to the commit.")
@click.argument("root")
@_environment(required=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The plan file.")
@_commit
@_store
@click.option("--summary", type=click.Path(dir_okay=False, path_type=Path), help="Write the summary (Markdown) here.")
@click.option("--comment", is_flag=True, help="Show the summary on the workflow's pull request.")
@_no_lock
@_terraform
@json_option
@click.pass_context
def plan(
    ctx: click.Context,
    root: str,
    environment: str,
    out: Path | None,
    commit: str | None,
    store: str | None,
    summary: Path | None,
    comment: bool,
    no_lock: bool,
    terraform: str,
    as_json: bool,
) -> None:
    """Plan ROOT, write the plan and its binding, and show what would change, without values."""
    from release.terraform import bind
    from release.terraform.comment import comment as commented
    from release.terraform.github import github
    from release.terraform.summary import summary as summarized

    repository = open_repository(ctx)
    wanted = bind.target(repository, _path(ctx, repository, root), environment)
    place = _opened(store)
    out = _from(ctx, out) if out else repository.root / wanted.root / ".terraform" / f"{environment}.tfplan"
    pull_request = _pull_request() if comment else None
    api = github(os.environ) if comment else None
    program = _program(repository, wanted, terraform, _variables(token=not comment))
    planned = bind.plan(repository, program, wanted, commit=commit, out=out, lock=not no_lock)
    text = summarized(planned)
    if api is not None and pull_request is not None:
        _say(f"comment on #{pull_request} {commented(api, pull_request, text, out.name)}")
    if summary is not None:
        _from(ctx, summary).write_text(text, encoding="utf-8")
    write_summary(os.environ, text)
    _finish(planned, place, as_json)


@command.command("bind", short_help="Bind a plan that Terraform wrote to a commit.")
@click.argument("plan", type=click.Path(dir_okay=False, exists=True, path_type=Path))
@_root
@_environment(required=False)
@_commit
@_store
@_terraform
@json_option
@click.pass_context
def bind_(
    ctx: click.Context,
    plan: Path,
    root: str | None,
    environment: str | None,
    commit: str | None,
    store: str | None,
    terraform: str,
    as_json: bool,
) -> None:
    """Write PLAN.binding.json: what PLAN, made by `terraform plan -out`, is bound to."""
    from release.terraform import bind

    repository = open_repository(ctx)
    wanted = _only(ctx, repository, root, environment)
    place = _opened(store)
    program = _program(repository, wanted, terraform, os.environ)
    _finish(bind.bind(repository, program, wanted, commit=commit, made=_from(ctx, plan)), place, as_json)


@command.command("apply", short_help="Apply exactly the reviewed plan, or refuse.")
@click.argument("plan", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--require-binding", is_flag=True, help="Apply what its binding allows; there is no other way.")
@click.option(
    "--binding", type=click.Path(dir_okay=False, path_type=Path), help="The binding; default: beside the plan."
)
@_root
@_environment(required=False)
@click.option("--store", metavar="URL", help="Fetch the plan and its binding from here.")
@click.option("--commit", metavar="SHA", help="The reviewed commit; default: what HEAD is or merges.")
@click.option("--reviewed", is_flag=True, help="Ask GitHub for it: the head of the pull request merged as HEAD.")
@click.option("--sha256", metavar="HEX", help="The plan's SHA-256, where it is known: this plan, not the newest.")
@_terraform
@json_option
@click.pass_context
def apply(
    ctx: click.Context,
    plan: Path | None,
    require_binding: bool,
    binding: Path | None,
    root: str | None,
    environment: str | None,
    store: str | None,
    commit: str | None,
    reviewed: bool,
    sha256: str | None,
    terraform: str,
    as_json: bool,
) -> None:
    """Apply PLAN, or the plan kept in a store, if it is the reviewed one in every respect."""
    from release.terraform.apply import apply as applied
    from release.terraform.apply import read
    from release.terraform.bind import beside, target

    if not require_binding:
        raise click.UsageError("a plan is applied with --require-binding only; without a binding use Terraform itself")
    repository = open_repository(ctx)
    if store is not None:
        if plan is not None or binding is not None or root is None or environment is None or (reviewed and commit):
            raise click.UsageError(
                "with --store name --root and --environment, not PLAN or --binding, and --commit or --reviewed"
            )
        wanted = target(repository, _path(ctx, repository, root), environment)
        bound = _fetched(_open(store), wanted, _reviewed(repository, commit, ask=reviewed), sha256)
    else:
        if plan is None or commit is not None or reviewed:
            raise click.UsageError("name PLAN, or --store; --commit and --reviewed are for --store")
        path = _from(ctx, plan)
        named = _path(ctx, repository, root) if root is not None else None
        bound = read(
            path,
            _from(ctx, binding) if binding else beside(path),
            root=named,
            environment=environment,
            digest=sha256,
        )
        wanted = target(repository, bound.binding.root, bound.binding.environment)
    done = applied(repository, bound, wanted, _program(repository, wanted, terraform, os.environ), stage=_say)
    counts = f"{done.add} added, {done.change} changed, {done.destroy} destroyed"
    write_summary(
        os.environ,
        f"### Terraform apply: `{wanted.name}`, {wanted.environment}\n\n**{counts}**\n\n"
        f"Plan `sha256:{done.binding.plan}` of commit {done.binding.commit}\n",
    )
    if as_json:
        print_json({**_named(wanted), "commit": done.binding.commit, "plan": done.binding.plan,
                    "added": done.add, "changed": done.change, "destroyed": done.destroy})  # fmt: skip
    else:
        click.echo(printable(f"{wanted.name} {wanted.environment}: applied, {counts}"))


@command.command("drift", short_help="Tell whether a root's resources are as configured.")
@click.argument("root")
@_environment(required=True)
@click.option("--issue", is_flag=True, help="Open, update or close the one GitHub issue about it.")
@click.option("--exit-code", is_flag=True, help="End with 1 when there is drift.")
@_no_lock
@_terraform
@json_option
@click.pass_context
def drift(
    ctx: click.Context,
    root: str,
    environment: str,
    issue: bool,
    exit_code: bool,
    no_lock: bool,
    terraform: str,
    as_json: bool,
) -> int:
    """Compare what is there with what ROOT's configuration says. Reading a data source is no drift."""
    from release.terraform import drift as drifts
    from release.terraform.bind import target
    from release.terraform.github import github

    repository = open_repository(ctx)
    wanted = target(repository, _path(ctx, repository, root), environment)
    api = github(os.environ) if issue else None
    program = _program(repository, wanted, terraform, _variables(token=not issue))
    found = drifts.drift(program, wanted, lock=not no_lock)
    told = drifts.tell(api, wanted, found, os.environ) if api is not None else None
    if as_json:
        both = {"outside": found.outside, "pending": found.pending}
        listed = {name: [_change(one) for one in changes] for name, changes in both.items()}
        print_json({**_named(wanted), "drift": bool(found), **listed, "issue": told})
    else:
        click.echo(printable(f"{wanted.name} {wanted.environment}: {'drift' if found else 'no drift'}"))
        for one in found.outside:
            click.echo(printable(f"  changed outside of Terraform: {one.address} ({one.action})"))
        for one in found.pending:
            click.echo(printable(f"  {one.action} {one.address}"))
        if told is not None:
            click.echo(f"GitHub: {told}")
    return 1 if found and exit_code else 0


@command.command("comment", short_help="Show a plan's summary on its pull request.")
@click.argument("summary", type=click.Path(dir_okay=False, exists=True, path_type=Path))
@click.option(
    "--pull-request", type=click.IntRange(min=1), metavar="NUMBER", help="Default: that of the workflow's GITHUB_REF."
)
@json_option
@click.pass_context
def comment(ctx: click.Context, summary: Path, pull_request: int | None, as_json: bool) -> None:
    """Write SUMMARY, from `release tf plan --summary`, into the one comment about its root and environment."""
    from release.terraform.comment import comment as commented
    from release.terraform.github import github

    path = _from(ctx, summary)
    pull_request = pull_request or _pull_request()
    done = commented(github(os.environ), pull_request, path.read_text(encoding="utf-8"), path.name)
    if as_json:
        print_json({"pull-request": pull_request, "comment": done})
    else:
        click.echo(f"comment on #{pull_request} {done}")


def _pull_request() -> int:
    """Return the number of the pull request that the workflow runs for."""
    found = re.fullmatch(r"refs/pull/(\d+)/(?:merge|head)", os.environ.get("GITHUB_REF", ""))
    if found is None:
        raise click.UsageError("GITHUB_REF is that of no pull request; `release tf comment --pull-request` names one")
    return int(found[1])


def _variables(*, token: bool) -> dict[str, str]:
    """Return the environment for Terraform, without the token that is for GitHub's issues and comments."""
    return {name: value for name, value in os.environ.items() if token or name != "GITHUB_TOKEN"}


def _from(ctx: click.Context, path: Path) -> Path:
    """Return ``path`` as seen from the folder that the command runs in."""
    return Path(ctx.find_root().params["directory"], path).absolute()


def _path(ctx: click.Context, repository: Repository, root: str) -> str:
    """Return ``root``, named from where the command runs, as a path from the repository's top."""
    folder = _from(ctx, Path(root)).resolve()
    top = repository.root.resolve()
    if not folder.is_relative_to(top):
        raise click.UsageError(f"{root} is not in this repository")
    return folder.relative_to(top).as_posix()


def _only(ctx: click.Context, repository: Repository, root: str | None, environment: str | None) -> Target:
    """Return the target named, or the only one that ``release.yaml`` has where parts of the name are left out."""
    from release.repository.tree import CommitTree
    from release.terraform.bind import target
    from release.terraform.roots import normal
    from release.workspace.config import CONFIG, load

    named = _path(ctx, repository, root) if root is not None else None
    if named is not None and environment is not None:
        return target(repository, named, environment)
    config = load(CommitTree(repository, repository.head()).read_many([CONFIG]).get(CONFIG))
    known = [
        (one.path, each)
        for one in (config.terraform.roots if config.terraform else ())
        for each in one.environments
        if (named is None or normal(one.path) == normal(named)) and environment in (None, each)
    ]
    if len(known) != 1:
        raise click.UsageError("name --root and --environment: release.yaml does not have exactly one that fits")
    return target(repository, *known[0])


def _program(repository: Repository, wanted: Target, program: str, environment: Mapping[str, str]) -> Terraform:
    from release.terraform.program import Terraform

    path = str(Path(program).absolute()) if os.sep in program else program
    return Terraform(path, repository.root / wanted.root, wanted.root, environment, _say)


def _say(line: str) -> None:
    click.echo(printable(line), err=True)


def _open(url: str) -> Store:
    from release.terraform.stores import open_store

    return open_store(url, os.environ)


def _opened(url: str | None) -> Store | None:
    return _open(url) if url is not None else None


def _finish(planned: Planned, store: Store | None, as_json: bool) -> None:
    """Keep the plan where a store is named, and show what was bound."""
    from release.terraform import show
    from release.terraform.kept import keep

    key = keep(store, planned) if store is not None else None
    bound = planned.binding
    changed = show.changes(planned.shown)
    write_outputs(os.environ, {"changes": str(bool(bound.counts)).lower(), "sha256": bound.plan})
    if as_json:
        print_json(
            {
                "root": bound.root,
                "environment": bound.environment,
                "commit": bound.commit,
                "plan": {"path": str(planned.plan), "sha256": bound.plan, "key": key},
                "binding": str(planned.file),
                "counts": bound.counts,
                "changes": [_change(one) for one in changed],
            }
        )
        return
    click.echo(printable(f"{bound.root} {bound.environment}: {bound.counts or 'no changes'}"))
    for one in changed:
        click.echo(printable(f"  {one.action} {one.address}{f' (was {one.before})' if one.before else ''}"))
    click.echo(f"bound to commit {bound.commit[:12]}: sha256:{bound.plan}")
    if key is not None:
        click.echo(printable(f"kept as {key}"))


def _fetched(store: Store, wanted: Target, commits: Iterator[str], sha256: str | None) -> Bound:
    """Return the plan that is kept for the first of ``commits`` that has one."""
    from release.errors import PlanUnbound
    from release.terraform.apply import read
    from release.terraform.bind import beside
    from release.terraform.kept import fetch

    tried = []
    with tempfile.TemporaryDirectory(prefix="release-tf-") as folder:
        for one in commits:
            tried.append(one[:12])
            path = fetch(store, wanted, one, Path(folder), sha256)
            if path is not None:
                asked = {"root": wanted.name, "environment": wanted.environment, "commit": one, "digest": sha256}
                return read(path, beside(path), **asked)
    raise PlanUnbound(
        f"no plan of {wanted.name} in {wanted.environment} is kept for {', '.join(tried)}",
        fix="name the reviewed commit with --commit, or plan again, have it reviewed and apply that",
    )


def _reviewed(repository: Repository, commit: str | None, *, ask: bool) -> Iterator[str]:
    """Yield the commits that may be the reviewed one; GitHub is asked when git alone does not know."""
    from release.terraform.github import github, reviewed_head
    from release.terraform.reviewed import candidates

    if commit is not None:
        yield commit if _OBJECT.fullmatch(commit) else repository.resolve(commit)
        return
    yield from candidates(repository)
    if ask:
        head = reviewed_head(github(os.environ), repository.head())
        if head is not None:
            yield head


def _change(one: Any) -> dict[str, str]:
    return {"address": one.address, "action": one.action, "before": one.before}


def _named(wanted: Target) -> dict[str, str]:
    return {"root": wanted.name, "environment": wanted.environment}
