"""Measure the accelerators beside Moodle's own code and write the table of the user's page.

    ./dev nox -s bench-accel -- --runs 3 --write

Regrades are measured inside a Moodle: MOODLE_DIR names the folder of an unchanged one. Without it they are left out.
The parts run one after another, the contenders of a part in turn; the first contender is what there was before. Gains
are ratios of medians against it. JSON of all that was measured goes to standard output.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PAGE = ROOT / "docs" / "accelerators.md"
BEGIN, END = "<!-- bench: accel -->", "<!-- end of bench: accel -->"
SITE = ROOT / "build-support" / "moodle_site.py"
DATABASES = ("mariadb", "pgsql")


@dataclass(frozen=True, slots=True)
class Figure:
    """What a contender took: seconds of each run, and how many statements went to the database."""

    work: str
    contender: str
    cpu: tuple[float, ...]
    wall: tuple[float, ...]
    statements: int | None = None


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print JSON and, when asked to, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--users", type=int, default=2000)
    parser.add_argument("--only", choices=["regrade", "pool", "kernels"], action="append")
    parser.add_argument("--write", action="store_true", help=f"write the table into {PAGE.relative_to(ROOT)}")
    options = parser.parse_args(arguments)
    parts = options.only or ["regrade", "pool", "kernels"]
    if options.write and (options.only or not os.environ.get("MOODLE_DIR")):
        sys.exit("bench-accel: --write wants all parts: leave --only out, and set MOODLE_DIR")
    library = os.environ.get("ACCEL_LIBRARY")
    if not library:
        sys.exit("bench-accel: ACCEL_LIBRARY isn't set: name the release build of libaccel_ffi.so in it")
    load = os.getloadavg()[0]
    figures: list[Figure] = []
    if "regrade" in parts and os.environ.get("MOODLE_DIR"):
        for database in DATABASES:
            figures += regrade(database, library, options.users, options.runs)
    elif "regrade" in parts:
        print("bench-accel: regrades are left out: MOODLE_DIR isn't set", file=sys.stderr)
    if "pool" in parts:
        figures += pool(library, options.runs)
    if "kernels" in parts:
        figures += kernels(options.runs)
    conditions = (
        f"{processor()}, {os.cpu_count()} cores, load {load:.1f} at the start and {os.getloadavg()[0]:.1f} at the end, "
        f"PHP {php_version()}, {options.runs} runs, {datetime.now(UTC):%Y-%m-%d}"
    )
    json.dump({"conditions": conditions, "figures": [figure_data(one) for one in figures]}, sys.stdout, indent=1)
    print()
    text = "\n".join(table(figures, conditions))
    print(text, file=sys.stderr)
    if options.write:
        page = PAGE.read_text(encoding="utf-8")
        before, rest = page.split(BEGIN, 1)
        after = rest.split(END, 1)[1]
        PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def regrade(database: str, library: str, users: int, runs: int) -> Iterator[Figure]:
    """Time whole regrades on a throwaway site."""
    script = [str(HERE / "regrade.php"), f"--users={users}", f"--runs={runs}", f"--library={library}"]
    measured = run([str(SITE), "run", "--database", database, "--", "php", *script])
    names = {"core": "Moodle", "php": "bulk, PHP", "native": "bulk, native"}
    for key, entries in measured["figures"].items():
        state, case = key.split(" ")
        yield Figure(
            f"regrade {users:,} users x {measured['items']} items, {state}, {measured['database']}",
            names[case],
            tuple(one["cpu"] for one in entries),
            tuple(one["wall"] for one in entries),
            round(statistics.median(one["statements"] for one in entries)),
        )


def pool(library: str, runs: int) -> Iterator[Figure]:
    """Time the file pool."""
    for entry in run([sys.executable, str(HERE / "pool.py"), "--library", library, "--runs", str(runs)]):
        work, contender = entry["name"].split(": ", 1)
        yield Figure(work, contender, tuple(entry["cpu"]), tuple(entry["wall"]))


def kernels(runs: int) -> Iterator[Figure]:
    """Time the computations alone; each entry has the smallest, middle and largest time of its runs."""
    for entry in run(["php", str(HERE / "kernels.php"), str(max(runs, 5))])["times"]:
        cpu, wall = ((one["min"], one["median"], one["max"]) for one in (entry["cpu"], entry["wall"]))
        yield Figure(f"computation alone: {entry['name']}", entry["engine"], cpu, wall)


def table(figures: Sequence[Figure], conditions: str) -> Iterator[str]:
    """Yield the lines of the table: medians with the smallest and largest run."""
    yield f"Measured on a shared machine ({conditions})."
    yield "Ratios count, seconds don't. CPU of a regrade is that of PHP and of the database (PostgreSQL: its backend)."
    yield ""
    yield "| what | by | CPU s: median (range) | gain | wall s: median (range) | gain | statements |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    first: dict[str, Figure] = {}
    works = list(dict.fromkeys(figure.work for figure in figures))
    for one in sorted(figures, key=lambda figure: works.index(figure.work)):
        base = first.setdefault(one.work, one)
        statements = "" if one.statements is None else f"{one.statements:,}"
        if one.statements and base.statements and one is not base:
            statements += f" (1/{base.statements / one.statements:.0f})"
        gains = ["", ""] if one is base else [gain(base.cpu, one.cpu), gain(base.wall, one.wall)]
        cells = [one.work, one.contender, spread(one.cpu), gains[0], spread(one.wall), gains[1], statements]
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def spread(seconds: Sequence[float]) -> str:
    """Return median and range with three significant digits."""
    return f"{statistics.median(seconds):.3g} ({min(seconds):.3g} to {max(seconds):.3g})"


def gain(base: Sequence[float], other: Sequence[float]) -> str:
    """Return how many times less the other one took."""
    return f"x{statistics.median(base) / statistics.median(other):.1f}"


def figure_data(figure: Figure) -> dict[str, object]:
    """Return a figure as plain data."""
    return {
        "work": figure.work, "contender": figure.contender, "cpu": figure.cpu, "wall": figure.wall,
        "statements": figure.statements,
    }  # fmt: skip


def run(command: Sequence[str]) -> Any:
    """Run a part and return what it printed; its progress goes where ours goes."""
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    if done.returncode != 0:
        sys.exit(f"bench-accel: {' '.join(command[:3])} failed")
    return json.loads(done.stdout)


def processor() -> str:
    """Return the processor's name, and whether it has SHA instructions."""
    facts = Path("/proc/cpuinfo")
    text = facts.read_text(encoding="utf-8") if facts.exists() else ""
    name = next((line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("model name")), "")
    instructions = "with" if " sha_ni" in text or " sha1 " in text else "without"
    return f"{name or platform.machine()} {instructions} SHA instructions"


def php_version() -> str:
    """Return the version of the PHP that is measured."""
    return subprocess.run(["php", "-r", "echo PHP_VERSION;"], check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
