"""What a run of the benchmark found: values, their tables and their JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

from rich.table import Table

from measure import Series

COMMITS_OF_GOALS = 50_000


@dataclass(frozen=True, slots=True)
class Row:
    """One measured thing.

    `ratio` is the median, over pairs of runs made one after the other, of its time to the floor's, `to_plan` that
    to our plan's; `right` and `judged` count the components whose next version was right and looked at.
    """

    name: str
    repository: str
    series: Series
    ratio: float | None = None
    to_plan: float | None = None
    right: int | None = None
    judged: int | None = None
    note: str = ""

    @property
    def is_right(self) -> bool:
        """Return whether every component was judged right."""
        return self.judged is not None and self.right == self.judged


@dataclass(frozen=True, slots=True)
class Goal:
    """A number to stay below (`at_most`) or above, and what was measured."""

    name: str
    measured: float
    unit: str
    bound: float
    at_most: bool = True

    @property
    def met(self) -> bool:
        """Return whether the goal was reached."""
        return self.measured <= self.bound if self.at_most else self.measured >= self.bound


@dataclass(slots=True)
class Results:
    """Everything that a run found."""

    machine: dict[str, str]
    commits: int
    rows: list[Row] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def tables(self) -> Iterator[Table]:
        """Yield the tables for people."""
        table = Table(title="Time to plan, and what it is compared with")
        table.add_column("what", overflow="fold")
        table.add_column("repository")
        for heading in ("min s", "median s", "to floor", "to plan", "largest MiB", "own MiB", "right"):
            table.add_column(heading, justify="right")
        table.add_column("note", overflow="fold")
        for row in self.rows:
            series = row.series
            table.add_row(
                row.name,
                row.repository,
                f"{series.best:.3f}",
                f"{series.median:.3f}",
                "" if row.ratio is None else f"{row.ratio:.2f}",
                "" if row.to_plan is None else f"{row.to_plan:.1f}",
                f"{series.mebibytes:.0f}",
                f"{series.own_mebibytes:.0f}" if series.own_mebibytes else "",
                "" if row.judged is None else f"{row.right}/{row.judged}",
                row.note,
            )
        yield table
        scale = "" if self.commits >= COMMITS_OF_GOALS else f", which hold for {COMMITS_OF_GOALS:,} commits"
        goals = Table(title=f"Goals{scale}")
        for heading in ("goal", "measured", "bound", "met"):
            goals.add_column(heading, overflow="fold")
        for goal in self.goals:
            sign = "≤" if goal.at_most else "≥"
            bound = f"{sign} {goal.bound:g} {goal.unit}"
            goals.add_row(goal.name, f"{goal.measured:.2f} {goal.unit}", bound, "yes" if goal.met else "no")
        if self.goals:
            yield goals

    def as_json(self) -> dict[str, object]:
        """Return everything as a value for `json.dump`; times in seconds, memory in MiB."""
        return {
            "machine": self.machine,
            "commits": self.commits,
            "rows": [
                {
                    "name": row.name, "repository": row.repository, "min": row.series.best,
                    "median": row.series.median, "largest_mebibytes": row.series.mebibytes,
                    "own_mebibytes": row.series.own_mebibytes, "to_floor": row.ratio, "to_plan": row.to_plan,
                    "right": row.right, "judged": row.judged, "note": row.note,
                    "seconds": [sample.seconds for sample in row.series.samples],
                }
                for row in self.rows
            ],
            "goals": [asdict(goal) | {"met": goal.met} for goal in self.goals],
            "absent": self.absent,
            "remarks": self.remarks,
        }  # fmt: skip
