"""The plan job's decision: which jobs of a workflow a change needs, as outputs within GitHub's limits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from release.ci.change import Change
from release.ci.matrix import encoded, fitted
from release.ci.workflow import Cell, Workflow

__all__ = ["Decision", "decide"]


@dataclass(frozen=True, slots=True)
class Decision:
    """Which jobs run, each with its matrix cells; a job that runs without a matrix has one empty cell."""

    cells: dict[str, tuple[Cell, ...]]
    axes: dict[str, bool]

    @property
    def jobs(self) -> dict[str, bool]:
        """Whether each planned job runs."""
        return {job: bool(cells) for job, cells in self.cells.items()}

    def outputs(self) -> dict[str, str]:
        """Return the plan job's outputs: ``JOB`` is true or false, ``JOB-cells`` its matrix, ``jobs`` all at once."""
        found = {"jobs": json.dumps(self.jobs, separators=(",", ":"))}
        for job, cells in self.cells.items():
            found[job] = "true" if cells else "false"
            if self.axes[job]:
                found[f"{job}-cells"] = encoded(cells)
        return found


def decide(workflow: Workflow, change: Change) -> Decision:
    """Return which of the workflow's planned jobs ``change`` needs."""
    planned = [(job, job.select) for job in workflow.jobs if job.select is not None]
    cells: dict[str, Sequence[Cell]] = {job.id: select(change) for job, select in planned}
    return Decision(fitted(cells), {job.id: bool(job.axes) for job, _ in planned})
