"""``release rollout``: a chart rolled out stage by stage, and brought back where a stage fails."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from release.cli.console import cell, console, json_option, open_repository, print_json, printable

if TYPE_CHECKING:
    from release.errors import ReleaseError
    from release.rollout.drive import Ended
    from release.rollout.helm import Release
    from release.rollout.machine import State
    from release.rollout.stages import Site
    from release.workspace.delivery import Rollout

__all__ = ["command"]

_chart_options = (
    click.option("--chart", "reference", required=True, metavar="REF", help="A chart: folder, archive or oci://…."),
    click.option("--version", "version", default="", metavar="V", help="The version of a chart in a registry."),
    click.option(
        "--image",
        "pins",
        multiple=True,
        metavar="NAME=REPO@sha256:…",
        envvar="RELEASE_IMAGES",
        help="An image of the chart, by digest.",
    ),
)
_recover_option = click.option(
    "--recover",
    type=click.Choice(["stale", "now"]),
    default="stale",
    show_default=True,
    help="Take over what a former run left: once it must have ended, or now, because you know that it has.",
)


def _with_chart(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_chart_options):
        function = option(function)
    return function


@click.group("rollout", short_help="Roll a chart out stage by stage, and bring a failed stage back.")
def command() -> None:
    """Roll a chart out stage by stage, and bring a failed stage back to the last good revision."""


@command.command("run")
@click.argument("names", metavar="[STAGE]...", nargs=-1)
@_with_chart
@click.option("--from", "start", default="", metavar="STAGE", help="Begin with this stage.")
@_recover_option
@json_option
@click.pass_context
def run(
    ctx: click.Context,
    names: tuple[str, ...],
    reference: str,
    version: str,
    pins: tuple[str, ...],
    start: str,
    recover: str,
    as_json: bool,
) -> None:
    """Roll out to each STAGE in its order (default: all); a failed stage goes back and ends the run."""
    from release.rollout.drive import in_order
    from release.rollout.images import parse_pin
    from release.rollout.machine import Step
    from release.rollout.stages import selected

    with _site(ctx) as (site, native), tempfile.TemporaryDirectory(prefix="release-rollout-") as folder:
        stages = selected(site.rollout, names, start)
        parsed = [parse_pin(pin) for pin in pins]
        site.refuse_other_helm()
        chart = site.chart(reference, version, Path(folder), native)
        cargos = [site.cargo(stage, chart, parsed, Path(folder)) for stage in stages]
        targets = {stage.name: site.target(stage, cargo) for stage, cargo in zip(stages, cargos, strict=True)}
        drivers = [
            (name, site.driver(target, now=time.time, report=_reporter(name), insist=recover == "now"))
            for name, target in targets.items()
        ]
        ended = in_order(drivers)
        waiting = [stage.name for stage in stages][len(ended) :]
        _finish(ended, waiting, {name: target.release for name, target in targets.items()}, site.environment)
        if waiting:
            _say(f"not begun: {', '.join(waiting)}")
            raise click.Abort
    if as_json:
        done = [{"stage": one.stage, "revision": one.revision} for one in ended]
        print_json({"result": Step.DONE.value, "chart": chart.name, "version": chart.version, "stages": done})
        return
    for one in ended:
        click.echo(printable(f"{one.stage}: revision {one.revision} ({chart.name} {chart.version}) is good"))


@command.command("recover")
@click.argument("name", metavar="STAGE")
@_recover_option
@click.option("--to", "revision", type=click.IntRange(min=1), metavar="REVISION", help="Call this revision good.")
@json_option
@click.pass_context
def recover(ctx: click.Context, name: str, recover: str, revision: int | None, as_json: bool) -> None:
    """Bring STAGE to its last good revision after a run that was killed or cancelled; do nothing if it is there."""
    from release.rollout.drive import Ended
    from release.rollout.stages import selected

    with _site(ctx) as (site, _):
        stage = selected(site.rollout, (name,))[0]
        site.refuse_other_helm()
        target = site.target(stage)
        driver = site.driver(target, now=time.time, report=_reporter(name), insist=recover == "now")
        state = driver.recover() if revision is None else driver.go_back(revision)
        ended = Ended(name, state, driver.revision)
        _finish([ended], (), {name: target.release}, site.environment)
    if as_json:
        print_json({"stage": name, "result": state.step.value, "revision": ended.revision or None})
        return
    there = f"revision {ended.revision}" if ended.revision else "no release"
    click.echo(f"{name}: {state.step.value}, {there}")


@command.command("status")
@click.argument("names", metavar="[STAGE]...", nargs=-1)
@json_option
@click.pass_context
def status(ctx: click.Context, names: tuple[str, ...], as_json: bool) -> None:
    """Show what each STAGE runs (default: all), and whether it passed its check."""
    from release.rollout.report import status_of
    from release.rollout.stages import selected

    with _site(ctx) as (site, _):
        rows = [status_of(stage, site.target(stage)) for stage in selected(site.rollout, names)]
    if as_json:
        print_json({"release": site.rollout.release, "stages": rows})
        return
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("stage", "namespace", "revision", "status", "good", "chart", "images"):
        table.add_column(heading)
    for row in rows:
        good = row["good"]
        table.add_row(
            cell(row["stage"]),
            cell(row["namespace"]),
            str(row["revision"] or "—"),
            cell(row["status"] or "no release"),
            "—" if good is None else "yes" if good == row["revision"] else f"revision {good}",
            cell(row["chart"] or "—"),
            cell(", ".join(row["images"]) or "—"),
        )
    console().print(table)


@command.command("diff")
@click.argument("names", metavar="[STAGE]...", nargs=-1)
@_with_chart
@json_option
@click.pass_context
def diff(
    ctx: click.Context, names: tuple[str, ...], reference: str, version: str, pins: tuple[str, ...], as_json: bool
) -> None:
    """Lint and render a chart for each STAGE, and show how it differs from what is deployed, if a cluster is there."""
    from release.rollout.images import parse_pin
    from release.rollout.report import difference_of
    from release.rollout.stages import selected

    with _site(ctx) as (site, native), tempfile.TemporaryDirectory(prefix="release-rollout-") as folder:
        stages = selected(site.rollout, names)
        parsed = [parse_pin(pin) for pin in pins]
        site.refuse_other_helm()
        chart = site.chart(reference, version, Path(folder), native)
        found = [difference_of(site, stage, chart, parsed, Path(folder)) for stage in stages]
    if as_json:
        print_json({"chart": chart.name, "version": chart.version, "stages": found})
        return
    for one in found:
        click.echo(printable(f"{one['stage']}: {one['words']}"))
        for image in one["unpinned"]:
            click.echo(printable(f"  not pinned by digest: {image}"))
        for line in one["diff"]:
            click.echo(printable(line))


@command.command("simulate")
@click.option(
    "--fail-at",
    "faults",
    multiple=True,
    metavar="STAGE[:upgrade|check|rollback|kill]",
    help="What goes wrong there (default: upgrade); may be given several times.",
)
@click.option("--first", is_flag=True, help="No stage has a release yet.")
@json_option
@click.pass_context
def simulate(ctx: click.Context, faults: tuple[str, ...], first: bool, as_json: bool) -> None:
    """Show the steps of a rollout against stages that exist only in memory."""
    from release.rollout.simulation import simulated

    config, _ = _config(ctx)
    story = simulated([stage.name for stage in config.stages], faults, config.chart, first=first)
    if as_json:
        print_json({"exit": story.code, "steps": [{"stage": stage, "step": line} for stage, line in story.lines]})
        return
    for stage, line in story.lines:
        click.echo(printable(f"{stage}: {line}"))
    click.echo(f"exit code {story.code}")


def _config(ctx: click.Context) -> tuple[Rollout, str]:
    """Return ``rollout`` of the release.yaml on disk, and the chart's own name.

    Raises:
        ConfigError: there is none, or it names what isn't there.
    """
    from release.errors import ConfigError, Place
    from release.repository.tree import WorkTree
    from release.rollout.config_rules import refuse
    from release.workspace.config import CONFIG, load
    from release.workspace.discover import discover

    repository = open_repository(ctx)
    file = repository.root / CONFIG
    content = file.read_bytes() if file.is_file() else None
    config = load(content)
    if config.rollout is None:
        raise ConfigError(
            f"{CONFIG} has no rollout", where=[Place(CONFIG)], fix="see docs/release/rollout.md for an example"
        )
    components = discover(WorkTree(repository), config).components
    refuse(config, content, components)
    return config.rollout, components[config.rollout.chart].native


@contextlib.contextmanager
def _site(ctx: click.Context) -> Iterator[tuple[Site, str]]:
    """Yield what the stages share and the chart's own name; signals are noted while inside."""
    from release.rollout.process import catching_signals
    from release.rollout.stages import Site

    rollout, native = _config(ctx)
    with catching_signals(_say) as cancellation:
        yield Site(rollout, open_repository(ctx).root, dict(os.environ), cancellation), native


def _reporter(stage: str) -> Callable[[State], None]:
    from release.rollout.words import step_of

    return lambda state: _say(f"{stage}: {step_of(state)}")


def _say(text: str) -> None:
    """Print a line on standard error; whoever reads it may be gone by now, and the way back goes on all the same."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"{printable(text)}\n")
        sys.stderr.flush()


def _finish(
    ended: Sequence[Ended], waiting: Sequence[str], releases: Mapping[str, Release], environment: Mapping[str, str]
) -> None:
    """Write the job's summary, and raise the error that the last stage ended with."""
    from release.rollout.words import annotation, error_of, summary, write_summary

    with contextlib.suppress(OSError):
        write_summary(summary(ended, waiting, releases), environment)
    last = ended[-1]
    error: ReleaseError | None = error_of(last.stage, last.state, releases[last.stage])
    if error is not None:
        if environment.get("GITHUB_ACTIONS") == "true":
            with contextlib.suppress(OSError):
                sys.stderr.write(f"{annotation(error, f'Rollout of {last.stage}: {error.slug}')}\n")
        raise error
