"""``release image bench``: an image of Moodle beside another one, and each of its tunings."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import click

from release.cli.console import console, json_option, open_repository, print_json, staged_progress

if TYPE_CHECKING:
    from rich.table import Table

    from release.images.bench.load import Round
    from release.images.bench.run import Comparison, Report
    from release.repository.git import Repository

__all__ = ["bench"]

Row = tuple[str, ...]
_AGAINST = "bench/images/plain"
_MARK = "bench: images"


@click.command("bench", short_help="Measure an image beside an untuned one.")
@click.argument("name", default="moodle")
@click.option("--image", "reference", metavar="REF", help="Measure this image; default: what `build` made of NAME.")
@click.option(
    "--against",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help=f"The other image's Dockerfile; it takes Moodle from ARG MOODLE. Default: {_AGAINST}.",
)
@click.option("--database", type=click.Choice(["pgsql", "mariadb"]), default="pgsql", show_default=True)
@click.option("--visitors", type=click.IntRange(1, 64), default=4, show_default=True, help="Visitors at once.")
@click.option("--seconds", type=click.FloatRange(0.5), default=5.0, show_default=True, help="Length of a round.")
@click.option("--rounds", type=click.IntRange(2), default=4, show_default=True, help="Rounds of each, in turn.")
@click.option("--without", "chosen", multiple=True, metavar="TUNING", help="Switch off only tunings that contain this.")
@click.option("--no-tunings", is_flag=True, help="Compare the images alone.")
@click.option(
    "--services",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    envvar="RELEASE_STACK_IMAGES",
    metavar="FILE",
    help="YAML with other images for pgsql, mariadb and cache (RELEASE_STACK_IMAGES).",
)
@click.option(
    "--write",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="PAGE",
    help=f"Put the tables between <!-- {_MARK} --> and <!-- end of {_MARK} --> of this page.",
)
@json_option
@click.pass_context
def bench(
    ctx: click.Context,
    name: str,
    reference: str | None,
    against: Path | None,
    database: str,
    visitors: int,
    seconds: float,
    rounds: int,
    chosen: tuple[str, ...],
    no_tunings: bool,
    services: Path | None,
    write: Path | None,
    as_json: bool,
) -> None:
    """Measure the image NAME (default: moodle) on a throwaway site beside an image without its tunings.

    Both run the same Moodle with the same database, one after the other in turn. Then each tuning is switched off
    alone. Figures are ratios of medians; on a machine that does other things, too, the seconds say little.
    """
    from release.images.bench.run import Effort, measure
    from release.images.bench.tunings import TUNINGS
    from release.images.engine import connected

    # The site is removed on the way out, which SIGTERM would skip.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    repository = open_repository(ctx)
    tunings = tuple(
        one for one in TUNINGS if not no_tunings and (not chosen or any(part in one.name for part in chosen))
    )
    if chosen and not tunings:
        raise click.UsageError(f"--without: no tuning contains that: {'; '.join(one.name for one in TUNINGS)}")
    with staged_progress() as shown:
        report = measure(
            connected(timeout=1200), reference or _reference(repository, name), against or repository.root / _AGAINST,
            effort=Effort(visitors, seconds, rounds), database=database, images=_references(services), tunings=tunings,
            progress=shown,
        )  # fmt: skip
    if write is not None:
        _write(write, report)
    if as_json:
        print_json(_data(report))
        return
    console().print(report.conditions, style="dim")
    for table in _tables(report):
        console().print(table)


def _reference(repository: Repository, name: str) -> str:
    """Return the name that ``release image build`` gives the image."""
    from release.flow.image import named
    from release.flow.package import opened

    with opened(repository, os.environ) as at:
        (image,) = named(at(repository.head()), [name])
        return image.reference


def _references(file: Path | None) -> dict[str, str]:
    """Return the images that a file names for services."""
    if file is None:
        return {}
    import yaml

    given: dict[str, str] = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    return given


def _rows(report: Report) -> Iterator[tuple[str, Row, list[Row]]]:
    """Yield the tables: title, head and rows."""
    head: Row = (
        *("page", "requests/s", "untuned", "gain"),
        *("p95 ms", "untuned", "gain"),
        *("CPU ms a request", "untuned", "gain"),
    )
    yield "Pages", head, [_page(one) for one in report.pages]
    tunings: list[Row] = [(one.what, one.page, *map(_percent, _gains(one))) for one in report.tunings]
    tunings.append(("compression", "course", f"{report.compressed:.1f} times fewer bytes", "", ""))
    head = ("tuning", "page", "requests/s", "p95", "CPU a request")
    yield "What each tuning gains against the image without it", head, tunings
    head = ("image", "MB without Moodle", "ready after s", "first page s", "MB a worker")
    sizes: list[Row] = [
        (
            label, f"{one.unpacked / 1e6:.0f}", f"{median(one.ready):.1f}", f"{median(one.first_page):.2f}",
            f"{one.worker / 2**20:.0f}" if one.worker else "?",
        )
        for label, one in zip(("tuned", "untuned"), report.sizes, strict=True)
    ]  # fmt: skip
    yield "Size and start", head, sizes


def _page(one: Comparison) -> Row:
    """Return the row of a page: ours, theirs and the gain, for the rate, the slowest and the work."""
    cells = [one.page]
    values = [(_rate, 1, ".1f"), (_p95, 1000, ".0f"), (_work, 1000, ".0f")]
    for (value, scale, form), gain in zip(values, _gains(one), strict=True):
        cells += [format(median(map(value, side)) * scale, form) for side in (one.ours, one.theirs)]
        cells.append(f"x{gain:.2f}")
    return tuple(cells)


def _gains(one: Comparison) -> tuple[float, float, float]:
    """Return how many times more requests, less of the slowest and less CPU a request ours has."""
    return one.gain(_rate), 1 / one.gain(_p95), 1 / one.gain(_work)


def _rate(one: Round) -> float:
    return one.rate


def _p95(one: Round) -> float:
    return one.p95


def _work(one: Round) -> float:
    return one.work


def _percent(gain: float) -> str:
    return f"{(gain - 1) * 100:+.0f}%"


def _tables(report: Report) -> Iterator[Table]:
    from rich import box
    from rich.table import Table

    for title, head, rows in _rows(report):
        table = Table(*head, title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        for row in rows:
            table.add_row(*row)
        yield table


def _write(page: Path, report: Report) -> None:
    """Put the tables between the marks of a page."""
    begin, end = f"<!-- {_MARK} -->", f"<!-- end of {_MARK} -->"
    text = page.read_text(encoding="utf-8")
    if begin not in text or end not in text:
        raise click.UsageError(f"--write: {page} has no {begin} and {end}")
    lines = [f"Measured on a shared machine ({report.conditions}). Ratios count, seconds don't."]
    for title, head, rows in _rows(report):
        lines += ["", f"{title}:", "", f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
        lines += [f"| {' | '.join(row)} |" for row in rows]
    before, after = text.split(begin, 1)[0], text.split(end, 1)[1]
    page.write_text(f"{before}{begin}\n{chr(10).join(lines)}\n{end}{after}", encoding="utf-8")


def _data(report: Report) -> dict[str, Any]:
    """Return all samples as plain data."""
    from msgspec import to_builtins

    data: dict[str, Any] = to_builtins(report)
    return data
