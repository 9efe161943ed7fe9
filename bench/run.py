"""Measure `release` beside the floor that git sets and beside its peers: `python bench/run.py [--quick] …`.

Every time is one of this run on this machine; what counts are the ratios. See README.md for what each row is.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

import floor
import ours
from expected import Expected, judge
from measure import CommandFailed, Sample, Series, run
from peers import release_please
from peers.git_cliff import GitCliff
from peers.nx import Nx
from peers.peer import Peer, PeerAbsent
from peers.semantic_release import PythonSemanticRelease
from peers.work import Work
from repositories import Made, cache_folder, made
from results import Goal, Results, Row
from sites import made_site
from stream import git
from synthetic import Options

HERE = Path(__file__).resolve().parent.parent
PEERS: tuple[Peer, ...] = (
    release_please.IN_FULL,
    release_please.BY_DEFAULT,
    GitCliff(),
    Nx(),
    PythonSemanticRelease(),
)
REPEATS = 3
QUICK_COMMITS = 5_000
PLAIN, GRAPHED = "plain", "commit-graph"
COLD, WARM = "release bump --dry-run, no side index", "release bump --dry-run, side index"
HELP, NOTHING = "release --help", "python -c pass"
CHECK = "release ci generate --check"
SITES = (75, 150, 300, 600)
MOST_CELLS = 256
MOST_OUTPUT = 2**20
"""GitHub's limit of a job's outputs, in bytes of UTF-16."""
PARTS = ("plans", "generate")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for."""

    options: Options
    runs: int
    peers: bool
    scaling: bool
    parts: tuple[str, ...] = PARTS


Say = Callable[[str], None]


class Benchmark:
    """One run of the benchmark; each method adds its rows and goals to `results`."""

    def __init__(self, wanted: Wanted, cache: Path, say: Say) -> None:
        self._wanted = wanted
        self._cache = cache
        self._say = say
        self.results = Results(machine(), wanted.options.commits)

    def all(self) -> None:
        """Measure everything that is wanted."""
        if "generate" in self._wanted.parts:
            self.generate()
        if "plans" not in self._wanted.parts:
            return
        repository = self._made(self._wanted.options)
        self.plans(repository)
        self.start_up(repository)
        if self._wanted.scaling:
            self.scaling(repository)
        if self._wanted.peers:
            self.peers(repository)

    def _made(self, options: Options) -> Made:
        self._say(f"making {options.commits:,} commits over {options.components} components")
        return made(self._cache, options)

    def plans(self, repository: Made) -> None:
        """Measure the floor and our plan, in turn, on both repositories; then the plan from a warm index."""
        self._say("checking which git pipelines print the same facts")
        right, wrong = floor.right_pipelines(floor.pipelines(repository.plain, repository.expected))
        self.results.remarks += [f"not a floor, its facts differ: {name}" for name in wrong]
        for place, folder in ((PLAIN, repository.plain), (GRAPHED, repository.graphed)):
            taken: dict[str, list[Sample]] = {name: [] for name in (COLD, *(pipeline.name for pipeline in right))}
            warmed = []
            for number in range(self._wanted.runs):
                self._say(f"{place}: plans and floors, round {number + 1} of {self._wanted.runs}")
                taken[COLD].append(ours.cold(folder))
                for pipeline in right:
                    taken[pipeline.name].append(run(("sh", "-c", pipeline.script), folder, keep_output=False))
                warmed.append(ours.warm(folder))
            series = {name: Series(tuple(samples)) for name, samples in taken.items()}
            bare = series[min((pipeline.name for pipeline in right), key=lambda name: series[name].median)]
            for name, timed in series.items():
                if name != COLD:
                    note = "THE FLOOR" if timed is bare else ""
                    self._row(name, place, timed, timed.ratio_to(bare), note=note)
            cold, warm = series[COLD], Series(tuple(warmed))
            for name, timed in ((COLD, cold), (WARM, warm)):
                self._row(name, place, timed, timed.ratio_to(bare), self._judge(timed, repository.expected))
            self._goal(f"plan to floor, {place}", cold.ratio_to(bare), "times", 1.5)
            self._goal(f"plan from a warm index, {place}", warm.median, "s", 0.7)
            self._goal(f"memory of a plan's own process, {place}", cold.own_mebibytes, "MiB", 150)

    def _judge(self, timed: Series, expected: Mapping[str, Expected]) -> tuple[int, int]:
        return judge(ours.direct_versions(timed.samples[-1].output, expected), expected, tuple(expected))

    def start_up(self, repository: Made) -> None:
        """Measure `release --help` beside Python's own start."""
        self._say("start-up")
        helps, nothings = [], []
        for _ in range(self._wanted.runs * 3):
            helps.append(run(ours.HELP, repository.plain, ours.ENVIRONMENT))
            nothings.append(run(ours.NOTHING, repository.plain))
        self._row(HELP, "", Series(tuple(helps)))
        self._row(NOTHING, "", Series(tuple(nothings)))
        above = statistics.median(one.seconds - other.seconds for one, other in zip(helps, nothings, strict=True))
        self._goal("release --help above python -c pass", above * 1000, "ms", 150)

    def generate(self) -> None:
        """Measure the check of this repository's workflows beside Python's own start, then that of larger ones."""
        checks, nothings = [], []
        for number in range(self._wanted.runs * 3):
            self._say(f"workflows of this repository, round {number + 1} of {self._wanted.runs * 3}")
            checks.append(run(ours.CHECK, HERE, ours.ENVIRONMENT))
            nothings.append(run(ours.NOTHING, HERE))
        self._row(CHECK, "this one", Series(tuple(checks)))
        self._row(NOTHING, "this one", Series(tuple(nothings)))
        above = statistics.median(one.seconds - other.seconds for one, other in zip(checks, nothings, strict=True))
        self._goal(f"{CHECK} above python -c pass", above * 1000, "ms", 500)
        if self._wanted.scaling:
            self.sites()

    def sites(self) -> None:
        """Measure repositories of 75 to 600 components, and the matrices when all of one is affected.

        Differences of a second or less are taken from the best runs: what else the machine does only ever adds to them.
        """
        folders = []
        for size in SITES:
            self._say(f"making {size} components")
            folders.append(made_site(self._cache, size))
            run(ours.GENERATE, folders[-1], ours.ENVIRONMENT)
        taken: list[list[Sample]] = [[] for _ in SITES]
        for number in range(self._wanted.runs):
            self._say(f"workflows of several sizes, round {number + 1} of {self._wanted.runs}")
            for samples, folder in zip(taken, folders, strict=True):
                samples.append(run(ours.CHECK, folder, ours.ENVIRONMENT))
        series = [Series(tuple(samples)) for samples in taken]
        for size, timed in zip(SITES, series, strict=True):
            self._row(f"{CHECK}: {size} components", "synthetic", timed, timed.ratio_to(series[0]))
        times = [timed.best for timed in series]
        lower = (times[2] - times[0]) / (SITES[2] - SITES[0])
        upper = (times[3] - times[2]) / (SITES[3] - SITES[2])
        self._goal("cost of a further component, upper half to lower half", upper / lower, "times", 1.5)
        self._say("the matrices when everything is affected")
        decided = run(ours.DECIDE, folders[-1], ours.ENVIRONMENT | {"GITHUB_EVENT_NAME": "workflow_dispatch"})
        outputs = json.loads(decided.output)["outputs"]
        cells = [len(json.loads(value)) for name, value in outputs.items() if name.endswith("-cells")]
        self._goal(f"jobs of the largest matrix, {SITES[-1]} components", max(cells), "jobs", MOST_CELLS)
        size = sum(len(value.encode("utf-16-le")) for value in outputs.values())
        self._goal(f"outputs of the plan job, {SITES[-1]} components", size / 1024, "KiB", MOST_OUTPUT / 1024)

    def scaling(self, repository: Made) -> None:
        """Measure plans of a fifth and half of the commits, and of ten times the components."""
        options = repository.options
        sizes = [options.commits // 5, options.commits // 2, options.commits]
        if sizes[0] >= 10 * options.components:
            made_each = [self._made(Options(n, options.components, options.seed)) for n in sizes]
            small, half, full = (s.median for s in self._cold_each(made_each))
            first, second = (half - small) / (sizes[1] - sizes[0]), (full - half) / (sizes[2] - sizes[1])
            self._goal("cost of a further commit, upper half to lower half", second / first, "times", 1.5)
        else:
            self.results.remarks.append("linearity not measured: too few commits for a fifth of them")
        if options.commits >= 100 * options.components:
            many = self._made(Options(options.commits, options.components * 10, options.seed))
            few, tenfold = self._cold_each([repository, many])
            name = f"{many.options.components} components to {options.components}"
            self._goal(name, tenfold.ratio_to(few), "times", 1.5)
        else:
            self.results.remarks.append("ten times the components not measured: too few commits for them")

    def _cold_each(self, repositories: list[Made]) -> list[Series]:
        taken: list[list[Sample]] = [[] for _ in repositories]
        for number in range(self._wanted.runs):
            self._say(f"plans of several sizes, round {number + 1} of {self._wanted.runs}")
            for samples, repository in zip(taken, repositories, strict=True):
                samples.append(ours.cold(repository.graphed))
        series = [Series(tuple(samples)) for samples in taken]
        for timed, repository in zip(series, repositories, strict=True):
            options = repository.options
            name = f"{COLD}: {options.commits:,} commits, {options.components} components"
            self._row(name, GRAPHED, timed, judged=self._judge(timed, repository.expected))
        return series

    def peers(self, repository: Made) -> None:
        """Run each peer on a clone of its own, in turn with our plan."""
        rows = []
        for peer in PEERS:
            self._say(peer.name)
            try:
                rows += self._peer(peer, repository)
            except (PeerAbsent, CommandFailed) as reason:
                self.results.absent[peer.name] = str(reason)
        self.results.rows += rows
        right = [(row.to_plan, row.name) for row in rows if row.is_right and row.to_plan is not None]
        if right:
            times, name = min(right)
            self._goal(f"fastest right peer ({name}) to plan", times, "times", 3, at_most=False)

    def _peer(self, peer: Peer, repository: Made) -> list[Row]:
        rows = []
        with tempfile.TemporaryDirectory(dir=self._cache) as scratch:
            clone = Path(scratch) / "clone"
            git(Path(scratch), "clone", "--quiet", "--local", str(repository.graphed), str(clone))
            work = Work(peer, peer.prepare(self._cache, clone, repository.expected), repository.expected)
            for note in peer.passes:
                plans: list[Sample] = []
                theirs: list[Sample] = []
                while not theirs or (work.repeatable(theirs[0]) and len(theirs) < min(REPEATS, self._wanted.runs)):
                    plans.append(ours.cold(repository.graphed))
                    theirs.append(work.once())
                series = Series(tuple(theirs))
                notes = ", ".join(filter(None, (*work.notes, note)))
                to_plan = series.ratio_to(Series(tuple(plans)))
                rows.append(Row(peer.name, GRAPHED, series, None, to_plan, *work.judged(), notes))
        return rows

    def _row(
        self,
        name: str,
        place: str,
        series: Series,
        ratio: float | None = None,
        judged: tuple[int, int] | None = None,
        note: str = "",
    ) -> None:
        right, count = judged or (None, None)
        self.results.rows.append(Row(name, place, series, ratio, None, right, count, note))

    def _goal(self, name: str, measured: float, unit: str, bound: float, at_most: bool = True) -> None:
        self.results.goals.append(Goal(name, measured, unit, bound, at_most))


def machine() -> dict[str, str]:
    """Return what the run was made on."""
    return {
        "cores": str(os.cpu_count()),
        "processor": processor(),
        "load at the start": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "git": git(Path.cwd(), "--version").split()[2],
        "python": platform.python_version(),
    }


def processor() -> str:
    """Return the processor's name, or its architecture where that is all there is."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


@contextmanager
def progress(console: Console) -> Iterator[Say]:
    """Yield a function that shows what is being done: in place on a terminal, else a line each."""
    if not console.is_terminal:
        yield lambda text: console.print(f"… {text}", highlight=False)
        return
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    ) as shown:
        task = shown.add_task("", total=None)
        yield lambda text: shown.update(task, description=text)


def arguments() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description="Measure `release` beside git's floor and its peers.")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_COMMITS:,} commits and two runs of each")
    parser.add_argument("--commits", type=int, help="commits of the synthetic repository (50,000)")
    parser.add_argument("--components", type=int, default=60, help="components in it (60)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, help="runs of each command (5)")
    parser.add_argument("--peers", action=argparse.BooleanOptionalAction, default=True, help="other tools too")
    parser.add_argument("--scaling", action=argparse.BooleanOptionalAction, default=True, help="other sizes too")
    parser.add_argument("--only", choices=PARTS, help="leave out all the rest")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured to FILE")
    return parser.parse_args()


def main() -> int:
    """Run the benchmark; return 1 when one of our own versions was wrong or `release` did not run."""
    given = arguments()
    options = Options(given.commits or (QUICK_COMMITS if given.quick else 50_000), given.components, given.seed)
    runs = given.runs or (2 if given.quick else 5)
    wanted = Wanted(options, runs, given.peers, given.scaling, (given.only,) if given.only else PARTS)
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    console = Console()
    with progress(Console(stderr=True)) as say:
        benchmark = Benchmark(wanted, cache, say)
        try:
            benchmark.all()
        except CommandFailed as failed:
            say("stopped")
            console.print(f"stopped: {failed}", markup=False)
            return 1
    results = benchmark.results
    console.print(
        f"{options.commits:,} commits, {options.components} components, seed {options.seed}; "
        f"{wanted.runs} runs of each; the machine may have been shared, so trust the ratios\n"
        + ", ".join(f"{name}: {value}" for name, value in results.machine.items()),
        highlight=False,
    )
    for table in results.tables():
        console.print(table)
    for name, reason in results.absent.items():
        console.print(f"absent: {name}: {reason}", markup=False)
    for remark in results.remarks:
        console.print(remark, markup=False)
    if given.json:
        given.json.write_text(json.dumps(results.as_json(), indent=1) + "\n", encoding="utf-8")
    return 0 if all(row.is_right for row in results.rows if row.name.startswith(COLD)) else 1


if __name__ == "__main__":
    sys.exit(main())
